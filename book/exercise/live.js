// A chapter whose code runs where it stands: edit a cell, run it, and see what comes of it.
//
// Cells run from the top in order, each once, until one that came before is edited.

import { editor } from "./codemirror.js";
import { element } from "./dom.js";
import { megabytes, python } from "./python.js";

const base = new URL(".", import.meta.url);

export async function mount(box) {
  const { page } = box.dataset;
  if (!document.querySelector('link[href*="exercise.css"]')) {
    document.head.append(element("link", { rel: "stylesheet", href: new URL("exercise.css", base).href }));
  }
  const name = `live-${page.replaceAll("/", "--")}.json`;
  const answer = await fetch(new URL(name, base), { cache: "no-cache" });
  if (!answer.ok) throw new Error(`no cells of ${page}`);
  const { packages, files, sizes, cells } = await answer.json();
  const served = files.map(([owner, path]) => {
    const address = `data/${owner}/${path}`;
    return { owner, path, size: sizes[address], url: new URL(address, base).href };
  });

  let ready = 0; // how many cells, from the top, have run as they are now
  const state = element("span", { class: "xr-state", role: "status" });
  const bar = element("progress", { class: "xr-progress", hidden: true, max: 1, value: 0 });
  bar.setAttribute("aria-label", "Loading Python");
  const all = element("button", { type: "button", class: "xr-main", text: "Run all cells" });
  const stop = element("button", { type: "button", text: "Stop", disabled: true });
  box.replaceChildren(element("div", { class: "xr-buttons" }, all, stop, state), bar);

  const shown = cells.map((cell, k) => {
    const place = document.querySelector(`.cell.live-${k}`);
    return place ? bench(place, cell, k) : { cell, k, text: () => cell.source, show() {} };
  });

  function bench(place, cell, k) {
    const input = place.querySelector(".cell_input");
    const run = element("button", { type: "button", text: "Run" });
    const edit = element("button", { type: "button", text: "Edit" });
    const stays = cell.rest === undefined ? "" : ": shown is what the book's own run gave";
    const lacks = element("span", { class: "xr-state", text: cell.lacks ? `needs ${cell.lacks}${stays}` : "" });
    const tools = element("div", { class: "live xr-buttons live-tools" }, run, edit, lacks);
    const host = input.closest("details") ?? input;
    host.after(tools);
    let written;
    edit.addEventListener("click", () => {
      edit.remove();
      const area = element("div", { class: "live-editor xr-editor" });
      if (host.tagName === "DETAILS") host.open = true;
      input.replaceChildren(area);
      written = editor({
        parent: area,
        text: cell.source,
        label: `Cell ${k + 1}`,
        run: () => upTo(k),
        changed: () => {
          ready = Math.min(ready, k);
        },
      });
      written.focus();
    });
    run.addEventListener("click", () => upTo(k));
    return { cell, k, run, text: () => written?.text ?? cell.source, show: (made) => show(place, made) };
  }

  const told = ({ state: now, loaded, total }) => {
    bar.hidden = now !== "loading";
    stop.disabled = now !== "busy" && now !== "loading";
    if (now !== "loading") return;
    bar.value = total ? loaded / total : 0;
    const part = total ? `: ${megabytes(loaded)} of ${megabytes(total)}` : "";
    state.textContent = loaded < total ? `Python is coming${part}` : "Python starts.";
  };
  python.watch(told);
  stop.addEventListener("click", () => python.end());

  let busy = false;
  async function upTo(last) {
    if (busy) return;
    busy = true;
    if (ready > last) ready = last; // once more
    try {
      await python.start(packages, served);
      for (; ready <= last; ready += 1) {
        const bench = shown[ready];
        state.textContent = `Cell ${ready + 1} of ${cells.length} is running.`;
        // Of a cell that needs what no browser has, the rest runs; its output stays, until edited.
        const { source, rest } = bench.cell;
        const partly = rest !== undefined && bench.text() === source;
        const made = await python.ask(
          { do: "cell", source: partly ? rest : bench.text(), fresh: ready === 0 },
          { seconds: 120, packages, files: served },
        );
        if (!partly || made.kind !== "ran") bench.show(made);
      }
      state.textContent = `${ready} of ${cells.length} cells have run.`;
    } catch (error) {
      ready = 0; // whatever ran before is gone with that Python
      state.textContent = error.message;
    } finally {
      busy = false;
      stop.disabled = true;
      bar.hidden = true;
    }
  }
  all.addEventListener("click", () => {
    ready = 0;
    upTo(cells.length - 1);
  });
  // The button that brought all this is gone, and the focus with it.
  if (document.activeElement === document.body) all.focus({ preventScroll: true });
}

/** Put what a cell gave in the place of what the build had; figures to touch stay. */
function show(place, made) {
  let output = place.querySelector(".cell_output");
  if (!output) {
    output = element("div", { class: "cell_output docutils container" });
    place.append(output);
  }
  if (made.kind === "ran" && made.outputs.some(({ kept }) => kept)) return;
  output.replaceChildren(...parts(made));
  output.classList.add("live-output");
}

function parts(made) {
  if (made.kind !== "ran") {
    return [element("div", { class: "xr-named" }, element("pre", { tabindex: 0, text: made.text }))];
  }
  const found = made.outputs.map(({ text, svg }) =>
    svg === undefined ? element("pre", { tabindex: 0, text }) : figure(svg),
  );
  if (made.lacks.length) {
    found.push(element("p", { class: "xr-help", text: `Not in a browser: ${made.lacks.join(", ")}.` }));
  }
  return found;
}

// A drawing comes as an image, in which no script runs; the page's colours are handed to it.
function figure(svg) {
  const drawn = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  const width = /max-width: (\d+)px/.exec(drawn.getAttribute("style"))?.[1];
  const image = element("img", { class: "live-figure", alt: drawn.getAttribute("aria-label") ?? "" });
  if (width) image.style.maxWidth = `${width}px`;
  const names = [...new Set(svg.match(/--fig-[a-z]+/g))];
  const paint = () => {
    const style = getComputedStyle(document.documentElement);
    const values = names.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";");
    const font = style.getPropertyValue("--book-sans");
    const text = svg.replace(/<svg\b/, `<svg data-theme=""`).replace(">", `><style>svg{${values};font-family:${font.replaceAll('"', "'")}}</style>`);
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  };
  paint();
  new MutationObserver(paint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  return image;
}
