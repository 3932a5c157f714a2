// What is asked for comes from the network. Where there is none, it comes from the copy of the book
// that was made at the first visit.
//
// A copy is of one build: every file of it has the hash that the build wrote down here. When the
// site has changed, so has this file; a new copy is made beside the old one, of which it takes what
// is still the same, and then the old one goes. If it can't be made whole it is not made, and is
// tried again at the next visit.

const BUILD = {}; // written by instnorm_site.offline: {version, ahead: {file: hash}, later: {...}}

const root = new URL("./", self.location).href;
const NAME = `book ${root} `; // the caches are those of the whole server, which may have other sites
const COPY = NAME + BUILD.version;
const FETCHED = `${NAME}fetched`; // what is large, and kept once a reader has used it
const PATIENCE = 5000; // ms until the copy is shown in place of a network that does not answer
const AT_ONCE = 2; // so that the page on screen need not wait

const address = (file) => new URL(file.split("/").map(encodeURIComponent).join("/"), root).href;
const list = address("files.json"); // of a copy: the hash of each file. No page asks for it.

function named(url) {
  const { origin, pathname } = new URL(url);
  const file = decodeURIComponent((origin + pathname).slice(root.length));
  return file === "" || file.endsWith("/") ? `${file}index.html` : file;
}

self.addEventListener("install", (event) => {
  event.waitUntil(copy().then(() => self.skipWaiting()));
});

async function copy() {
  const cache = await caches.open(COPY);
  const older = await others();
  const open = Object.keys(BUILD.ahead);
  const bring = async () => {
    for (let file; (file = open.pop()); ) {
      const same = older.find(({ hashes }) => hashes[file] === BUILD.ahead[file]);
      const held = await same?.cache.match(address(file));
      const integrity = `sha256-${BUILD.ahead[file]}`;
      const answer = held ?? (await fetch(address(file), { cache: "no-cache", integrity }));
      if (!answer.ok || answer.redirected) throw new Error(`${file}: ${answer.status}`);
      await cache.put(address(file), answer);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, bring));
  await cache.put(list, new Response(JSON.stringify(BUILD.ahead))); // last: a copy that has it is whole
}

async function others() {
  const found = [];
  for (const name of await caches.keys()) {
    if (!name.startsWith(NAME) || name === FETCHED || name === COPY) continue;
    const cache = await caches.open(name);
    const hashes = await cache.match(list);
    if (hashes) found.push({ cache, hashes: await hashes.json() });
  }
  return found;
}

self.addEventListener("activate", (event) => event.waitUntil(take()));

async function take() {
  for (const name of await caches.keys()) {
    if (name.startsWith(NAME) && name !== COPY && name !== FETCHED) await caches.delete(name);
  }
  const cache = await caches.open(FETCHED);
  const wanted = new Set(Object.keys(BUILD.later).map(place));
  for (const { url } of await cache.keys()) if (!wanted.has(url)) await cache.delete(url);
  await self.clients.claim();
}

// Where a large file is kept. With its hash, so that after an update it is not taken for the new one.
const place = (file) => `${address(file)}?${encodeURIComponent(BUILD.later[file])}`;

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || request.headers.has("range")) return;
  if (!request.url.startsWith(root)) return;
  const file = named(request.url);
  if (file in BUILD.ahead) event.respondWith(newest(request, () => held(COPY, address(file))));
  else if (file in BUILD.later) event.respondWith(kept(event, file));
});

const held = async (name, url) => (await caches.open(name)).match(url);

async function newest(request, otherwise) {
  const page = request.mode === "navigate" ? { cache: "no-cache" } : {};
  const asked = fetch(request, page);
  const late = new Promise((done) => setTimeout(done, PATIENCE));
  const answer = await Promise.race([asked, late]).catch(() => null);
  if (answer && answer.status < 500) return answer;
  return (await otherwise()) ?? asked;
}

async function kept(event, file) {
  // These have their version in their address.
  const forever = file.startsWith("_static/python/") || file.endsWith(".whl");
  const copied = () => held(FETCHED, place(file));
  const answer = (forever && (await copied())) || (await newest(event.request, copied));
  if (answer.status === 200 && !(forever && (await copied()))) {
    const again = answer.clone();
    const put = async () => (await caches.open(FETCHED)).put(place(file), again);
    event.waitUntil(put().catch(() => {})); // no room: it is fetched again another time
  }
  return answer;
}
