// What all explorables share: their controls, and the way from a control to a drawing.

/** A slider, with its label before it and its value behind it. */
export const slider = (key, label, min, max, step) => `
<div class="ex-slider">
  <label><span>${label}</span>
    <input type="range" name="${key}" min="${min}" max="${max}" step="${step}"></label>
  <output aria-live="off"></output>
</div>`;

/** A list to choose from; options are {value: text}. */
export const select = (key, label, options) => `
<label class="ex-select">${label}
  <select name="${key}">${Object.entries(options)
    .map(([value, text]) => `<option value="${value}">${text}</option>`)
    .join("")}</select></label>`;

/** Radio buttons; options are {value: label}. */
export const choice = (key, legend, options) => `
<fieldset class="ex-choice"><legend>${legend}</legend>${Object.entries(options)
  .map(
    ([value, label]) => `
  <label><input type="radio" name="${key}" value="${value}">${label}</label>`,
  )
  .join("")}</fieldset>`;

export const check = (key, label) => `
<label class="ex-check"><input type="checkbox" name="${key}">${label}</label>`;

export const button = (name, label) =>
  `<button type="button" data-name="${name}">${label}</button>`;

/** The buttons in a row; "Reset" is the last of them. */
export const buttons = (...others) =>
  `<div class="ex-buttons">${[...others, button("reset", "Reset")].join("")}</div>`;

/** Numbers with what they are called, {name: label}; one of them is the key to the figure. */
export const numbers = (labels, key) => `
<dl class="ex-numbers">${Object.entries(labels)
  .map(
    ([name, label]) => `
  <div class="${name === key ? "ex-key" : ""}">
    <dt>${label}</dt><dd data-name="${name}"></dd></div>`,
  )
  .join("")}
</dl>`;

/** A picture, to be painted by `paint`. */
export const canvas = (name, title, alt) => `
<div>
  <div class="ex-title">${title}</div>
  <canvas role="img" data-name="${name}" aria-label="${alt}"></canvas>
</div>`;

/** A photograph that Python sent: its width, its pixels as bytes, and the same in [0, 1]. */
export function photograph({ shape: [, width], uint8 }) {
  const bytes = Uint8Array.from(atob(uint8), (character) => character.charCodeAt(0));
  return { width, bytes, pixels: Float64Array.from(bytes, (value) => value / 255) };
}

const pictures = new WeakMap(); // of each canvas, to be painted over in the next frame

/** Paint values in grey: black at `low`, white at `high`, clear where there is no number. */
export function paint(canvas, values, [low, high], width) {
  if (!pictures.has(canvas)) {
    Object.assign(canvas, { width, height: values.length / width });
    pictures.set(canvas, new ImageData(canvas.width, canvas.height));
  }
  const picture = pictures.get(canvas);
  const { data } = picture;
  const scale = 255 / (high - low || 1);
  for (let i = 0; i < values.length; i += 1) {
    const grey = (values[i] - low) * scale; // clipped where it is stored, for the eye only
    data[4 * i] = grey;
    data[4 * i + 1] = grey;
    data[4 * i + 2] = grey;
    data[4 * i + 3] = Number.isNaN(grey) ? 0 : 255;
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

/** A number for the eye: no "-0.00", and a true minus sign. */
export function fixed(value, digits = 2) {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? (0).toFixed(digits) : text.replace("-", "−");
}

/** Three digits, and a power of ten where the number is very small or large: 1.0e−5. */
export function short(value) {
  const size = Math.abs(value);
  if (size < 1e-12) return "0";
  if (size >= 1e4 || size < 1e-3) return value.toExponential(1).replaceAll("-", "−");
  return size >= 100 ? fixed(value, 0) : value.toPrecision(3).replace("-", "−");
}

// New text makes the browser lay out the figure anew, even where it is the old text; and a new node,
// style what is around it.
function write(node, text) {
  const { firstChild: only } = node;
  if (only?.nodeType !== Node.TEXT_NODE || only.nextSibling) node.textContent = text;
  else if (only.data !== String(text)) only.data = text;
}

// Set a control, and the value behind it if it is a slider.
function put(control, value, text) {
  if (typeof value === "boolean") control.checked = value;
  else if (control.value !== String(value)) control.value = value;
  if (control.type !== "range" || control.getAttribute("aria-valuetext") === text) return;
  control.setAttribute("aria-valuetext", text);
  write(control.closest(".ex-slider").querySelector("output"), text);
}

const REST = 300; // ms without a change after which a drag is over

/**
 * Keeps the size of a box while something in it is dragged: then the browser lays out the box alone
 * in each frame, and not the page around it. Returns a function to be called at each change.
 */
function steady(box) {
  let rest = 0;
  const release = () => {
    rest = 0;
    Object.assign(box.style, { contain: "", boxSizing: "", height: "" });
  };
  return () => {
    if (rest) clearTimeout(rest);
    else {
      const { height } = box.getBoundingClientRect();
      Object.assign(box.style, { contain: "size layout style", boxSizing: "border-box", height: `${height}px` });
    }
    rest = setTimeout(release, REST);
  };
}

// What a control says, as a value like the one that it had at first.
function read(control, like) {
  if (typeof like === "boolean") return control.checked;
  return typeof like === "number" ? Number(control.value) : control.value;
}

// A value of a control, from an address that anyone may have written; undefined if it is none.
export function understood(control, text, like) {
  if (typeof like === "boolean") return { true: true, false: false }[text];
  if (control.type === "range") {
    const value = Number(text);
    const within = text.trim() && value >= Number(control.min) && value <= Number(control.max);
    return within ? value : undefined;
  }
  const options = [...(control.options ?? control)].map(({ value }) => value);
  if (!options.includes(text)) return undefined;
  return typeof like === "number" ? Number(text) : text;
}

/** Drawings, and the notes below them. */
const SEEN = ".ex-panels, .ex-drawings, .ex-gallery, .ex-note, svg, div:has(> svg)";
const READ = ".ex-numbers, .ex-table";

/**
 * The default export of an explorable.
 *
 * start:   its state, which the model may begin otherwise. "Reset" leads back to the beginning. A
 *          control has the name of what it sets.
 * html:    its drawings and controls, or a function of the model that gives them.
 * presets: {label: values}, each a button that sets some of the state.
 * connect: a function, called once, that gives draw(state). It receives el and model; `parts`, the
 *          elements with a data-name; state(); move(values), which sets some of the state in the
 *          middle of a drag; change(values), the same when a control comes to rest; redraw(); and
 *          `ended`, an AbortSignal.
 * draw:    paints, and returns {numbers, values, summary}: texts for the numbers, for the sliders'
 *          values where they are not those of the state, and for the ear when a control comes to rest.
 */
export function explorable({ start, html, connect, presets = {} }) {
  const keys = Object.keys(start);

  async function render({ model, el }) {
    const state = () => Object.fromEntries(keys.map((key) => [key, model.get(key) ?? start[key]]));
    const beginning = state();

    // Within a form, radio buttons are a group of their own, and controls have names.
    el.classList.add("ex");
    el.innerHTML = `<form autocomplete="off">${typeof html === "function" ? html(model) : html}
      <p class="ex-summary" aria-live="polite"></p></form>`;
    const form = el.firstElementChild;
    // What is looked at, what is moved and what is read: one above the other, or side by side where
    // there is room.
    const [stage, desk, readings] = ["ex-stage", "ex-desk", "ex-read"].map((name) => {
      const part = document.createElement("div");
      part.className = name;
      return part;
    });
    const summary = form.lastElementChild;
    for (const part of [...form.children])
      (part.matches(SEEN) ? stage : part.matches(READ) ? readings : desk).append(part);
    form.append(stage, desk, readings, summary);
    const names = Object.keys(presets);
    if (names.length) {
      const row = names.map((label, k) => `<button type="button" data-preset="${k}">${label}</button>`);
      form.querySelector("[data-name=reset]").insertAdjacentHTML("beforebegin", row.join(""));
    }
    const controls = keys.filter((key) => form.elements[key]);
    const parts = Object.fromEntries(
      [...el.querySelectorAll("[data-name]")].map((node) => [node.dataset.name, node]),
    );

    let spoken = "";

    function draw() {
      const now = state();
      const { numbers = {}, values = {}, summary: words = "" } = show(now);
      for (const [name, text] of Object.entries(numbers)) write(parts[name], text);
      for (const key of controls) put(form.elements[key], now[key], values[key] ?? String(now[key]));
      spoken = words;
    }

    // However many changes there are, one drawing a frame.
    let frame = 0;
    function redraw() {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        draw();
      });
    }

    const hold = steady(el);
    function drag(values) {
      hold();
      move(values);
    }

    function move(values) {
      for (const [key, value] of Object.entries(values)) model.set(key, value);
    }

    function change(values = {}) {
      move(values);
      model.save_changes();
      const now = state();
      const other = controls.filter((key) => now[key] !== beginning[key]);
      model.keep?.(Object.fromEntries(other.map((key) => [key, now[key]])));
      // Spoken when a control comes to rest, not at every step of a drag.
      requestAnimationFrame(() => (summary.textContent = spoken));
    }

    const end = new AbortController();
    const show = await connect({ el, model, parts, state, move: drag, change, redraw, ended: end.signal });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", ({ target }) => {
      const set = target.type === "range" ? drag : move;
      if (target.name in start) set({ [target.name]: read(target, start[target.name]) });
    });
    form.addEventListener("change", ({ target }) => {
      if (target.name in start) change();
    });
    parts.reset.addEventListener("click", () => change(beginning));
    for (const each of form.querySelectorAll("[data-preset]")) {
      each.addEventListener("click", () => change({ ...beginning, ...presets[names[each.dataset.preset]] }));
    }
    for (const key of keys) model.on(`change:${key}`, redraw);

    draw();
    const kept = Object.entries(model.kept?.() ?? {}).map(([key, text]) => [
      key,
      controls.includes(key) ? understood(form.elements[key], text, start[key]) : undefined,
    ]);
    move(Object.fromEntries(kept.filter(([, value]) => value !== undefined)));
    return () => {
      end.abort();
      cancelAnimationFrame(frame);
      for (const key of keys) model.off(`change:${key}`, redraw);
    };
  }

  return { render };
}
