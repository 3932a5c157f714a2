// Python in a worker: it can't reach the page, and is ended when it does not end by itself.
//
// In:  {start: {base, wheels, packages, files}}, then {id, request}; out: {progress}, {ready},
//      {id, answer}, {lacks} when a file did not come, {died} when Python itself came to its end.

const fetched = self.fetch.bind(self);
let handle;
let bytes = 0;

// Files have their version in their address, so the browser's copy is good for ever.
async function counted(resource, options) {
  const url = new URL(resource.url ?? resource);
  const answer = await fetched(url, { ...options, cache: "force-cache" });
  if (!answer.ok) throw new Error(`${url.pathname} is not there (${answer.status})`);
  const count = new TransformStream({
    transform(chunk, out) {
      bytes += chunk.byteLength;
      postMessage({ progress: bytes });
      out.enqueue(chunk);
    },
  });
  const { status, headers } = answer;
  return new Response(answer.body.pipeThrough(count), { status, headers });
}

// A file that a package carries, where the package would be. Of the package there is no more.
async function put(python, site, { owner, path, url }) {
  const content = await (await counted(url)).arrayBuffer();
  const folder = `${site}/${owner}`;
  const target = `${folder}/${path}`;
  python.FS.mkdirTree(target.slice(0, target.lastIndexOf("/")));
  if (!python.FS.analyzePath(`${folder}/__init__.py`).exists) {
    python.FS.writeFile(`${folder}/__init__.py`, "");
  }
  python.FS.writeFile(target, new Uint8Array(content));
}

// What would let the reader's code talk to anybody is gone before it runs.
function closeDoors(origin) {
  self.fetch = (resource, options) => {
    const url = new URL(resource.url ?? resource, origin);
    if (url.origin !== origin) return Promise.reject(new TypeError(`${url.host} is not this site`));
    return counted(url, options);
  };
  for (const name of [
    "XMLHttpRequest", "WebSocket", "WebTransport", "EventSource", "Worker", "SharedWorker",
    "importScripts", "indexedDB", "caches", "BroadcastChannel", "close",
  ]) {
    Object.defineProperty(self, name, { value: undefined });
  }
}

async function start({ base, wheels, packages, files }) {
  self.fetch = counted;
  let python;
  try {
    const { loadPyodide } = await import(new URL("pyodide.mjs", base).href);
    const ours = Promise.all(wheels.map(async (each) => (await counted(each)).arrayBuffer()));
    ours.catch(() => {}); // they are waited for below
    python = await loadPyodide({
      indexURL: base,
      packages,
      env: { HOME: "/home/reader", MPLBACKEND: "agg" },
      jsglobals: self,
    });
    const site = python.runPython("import site; site.getsitepackages()[0]");
    for (const wheel of await ours) python.unpackArchive(wheel, "wheel", { extractDir: site });
    await Promise.all(files.map((each) => put(python, site, each)));
  } catch (error) {
    postMessage({ lacks: String(error?.message ?? error) });
    return;
  }
  closeDoors(new URL(base).origin);
  try {
    handle = python.pyimport("instnorm_site.in_page").handle;
  } catch (error) {
    postMessage({ died: String(error?.message ?? error) });
    return;
  }
  postMessage({ ready: true, bytes });
}

self.onmessage = async ({ data }) => {
  if (data.start) {
    await start(data.start);
    return;
  }
  try {
    postMessage({ id: data.id, answer: handle(data.request) });
  } catch (error) {
    postMessage({ id: data.id, died: String(error?.message ?? error).slice(-4000) });
  }
};
