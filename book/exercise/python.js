// The one Python of a page: started when it is first asked for, ended and started anew when it has
// to be. Every Trouble's message is a sentence for the reader.

export class Trouble extends Error {
  constructor(message, kind) {
    super(message);
    this.kind = kind;
  }
}

export const SAYS = {
  absent:
    "Python for the browser is not part of this copy of the book. Take the notebook instead: it is at the top of the page.",
  wasm: "This browser can't run Python: it has no WebAssembly, or it is switched off. Take the notebook instead.",
  network: "Python did not come through. Is there a network? What you wrote is kept; try again.",
  stopped: "Stopped. What you wrote is kept.",
  endless:
    "Stopped after SECONDS seconds: a loop that never ends? What you wrote is kept.",
  memory: "Python needed more memory than a page may have, and was ended. What you wrote is kept.",
  depth: "Python was ended: a function seems to call itself without end. What you wrote is kept.",
  died: "Python was ended by what it ran. What you wrote is kept; the next check starts it anew.",
};

const here = new URL(".", import.meta.url);

function sentenceOf(error) {
  if (/memory|allocat/i.test(error)) return ["memory", SAYS.memory];
  if (/stack|recursion/i.test(error)) return ["depth", SAYS.depth];
  return ["died", SAYS.died];
}

// Whatever a reader's code tries, this page and the worker that it starts load from this site alone.
function keepToThisSite() {
  if (document.querySelector("meta[http-equiv=Content-Security-Policy]")) return;
  const rule = document.createElement("meta");
  rule.httpEquiv = "Content-Security-Policy";
  rule.content =
    "connect-src 'self' blob: data:; worker-src 'self' blob:; " +
    "script-src 'self' blob: 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval'";
  document.head.append(rule);
}

class Python {
  #worker;
  #started; // a promise of the running worker
  #waiting = new Map(); // id -> {resolve, reject}
  #next = 1;
  #watchers = new Set();
  #packages = new Set(["numpy"]);
  #files = new Map(); // url -> {owner, path, size}: what stands in Python's file system
  state = "off"; // off, loading, ready, busy
  loaded = 0;
  total = 0;

  /** `watcher(python)` is called when anything of the state changes. */
  watch(watcher) {
    this.#watchers.add(watcher);
    watcher(this);
  }

  #changed(state) {
    if (state) this.state = state;
    for (const watcher of this.#watchers) watcher(this);
  }

  /** Make sure that Python runs, with these packages and files too. */
  start(packages = [], files = []) {
    const more = packages.some((name) => !this.#packages.has(name));
    if (more || files.some(({ url }) => !this.#files.has(url))) {
      for (const name of packages) this.#packages.add(name);
      for (const file of files) this.#files.set(file.url, file);
      this.end();
    }
    this.#started ??= this.#start().catch((error) => {
      this.end();
      throw error;
    });
    return this.#started;
  }

  async #start() {
    if (typeof WebAssembly !== "object") throw new Trouble(SAYS.wasm, "wasm");
    this.loaded = 0;
    this.total = 0;
    this.#changed("loading");
    let served;
    try {
      // Asked anew each time, so that a page from the browser's memory gets today's wheel.
      const answer = await fetch(new URL("python.json", here), { cache: "no-cache" });
      served = answer.ok ? await answer.json() : null;
    } catch {
      throw new Trouble(SAYS.network, "network");
    }
    if (!served?.base) throw new Trouble(SAYS.absent, "absent");
    const files = filesOf(served, this.#packages);
    this.total = files.reduce((sum, name) => sum + served.sizes[name], 0);
    for (const { size } of this.#files.values()) this.total += size;
    keepToThisSite();
    const text = `import ${JSON.stringify(new URL("worker.js", here).href)};`;
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    const worker = new Worker(address, { type: "module" });
    this.#worker = worker;
    await new Promise((resolve, reject) => {
      worker.onerror = () => reject(new Trouble(SAYS.network, "network"));
      worker.onmessage = ({ data }) => {
        if (data.progress) {
          this.loaded = Math.min(data.progress, this.total);
          this.#changed();
        } else if (data.ready) resolve();
        else if (data.lacks) {
          const wasm = /WebAssembly|CompileError/.test(data.lacks);
          reject(wasm ? new Trouble(SAYS.wasm, "wasm") : new Trouble(SAYS.network, "network"));
        } else reject(new Trouble(...sentenceOf(data.died ?? "").toReversed()));
      };
      worker.postMessage({
        start: {
          base: new URL(served.base, here).href,
          wheels: served.wheels.map((name) => new URL(name, here).href),
          packages: [...this.#packages],
          files: [...this.#files.values()],
        },
      });
    });
    URL.revokeObjectURL(address);
    worker.onmessage = ({ data }) => this.#answered(data);
    worker.onerror = ({ message }) => this.#died(message ?? "");
    this.#changed("ready");
  }

  /** Answer of Python to a request; it is ended when it takes more than so many seconds. */
  async ask(request, { seconds = 30, packages = [], files = [] } = {}) {
    await this.start(packages, files);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.end(new Trouble(SAYS.endless.replace("SECONDS", seconds), "endless"));
      }, 1000 * seconds);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#changed("busy");
      this.#worker.postMessage({ id, request: JSON.stringify(request) });
    });
  }

  #answered({ id, answer, died }) {
    if (answer === undefined) {
      this.#died(died ?? "");
      return;
    }
    const { resolve, reject, timer } = this.#waiting.get(id);
    this.#waiting.delete(id);
    clearTimeout(timer);
    if (!this.#waiting.size) this.#changed("ready");
    try {
      // Python's own JSON knows NaN and Infinity; what could hold them is null there.
      resolve(JSON.parse(answer));
    } catch (error) {
      reject(new Trouble(SAYS.died, "died"));
    }
  }

  #died(why) {
    const [kind, sentence] = sentenceOf(why);
    this.end(new Trouble(sentence, kind));
  }

  /** End Python, now, whatever it does; whoever waits for it gets `reason`. */
  end(reason = new Trouble(SAYS.stopped, "stopped")) {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#started = undefined;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject, timer } of waiting) {
      clearTimeout(timer);
      reject(reason);
    }
    this.#changed("off");
  }
}

/** Names of the files that come before the first answer. */
export function filesOf({ core, needs, wheels }, packages) {
  const names = new Set(core);
  for (const name of packages) for (const file of needs[name] ?? []) names.add(file);
  return [...names, ...wheels];
}

export const python = new Python();

export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
