// Style mixer: one network, 26 styles. Blends the rows of its tables of gamma and beta, on a
// photograph of the book or of the reader. The picture stays in the page.
//
// Model: photograph, painting and sheet (data: addresses; the sheet holds a thumbnail of each style,
// side by side), styles, first, second, megabytes (what has to be loaded before it runs).

import { button, buttons, canvas, check, explorable, fixed, select, slider } from "./explorable.js";

const LONGEST = 256; // pixels: a phone should paint in about a second
const MULTIPLE = 4; // the network halves the picture twice, and doubles it twice

/** Weights of all styles: (1 - t) of style a and t of style b. */
export function mix(a, b, t, styles) {
  const weights = new Float32Array(styles);
  weights[a] += 1 - t;
  weights[b] += t;
  return weights;
}

/** The size to which a picture is scaled: [width, height], both multiples of 4. */
export function fit(width, height) {
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  return [width, height].map((side) =>
    Math.max(32, MULTIPLE * Math.round((scale * side) / MULTIPLE)),
  );
}

/** Red, green, blue, alpha in bytes -> planes of red, green and blue in [0, 1]. */
export function toPlanes(rgba) {
  const size = rgba.length / 4;
  const planes = new Float32Array(3 * size);
  for (let i = 0; i < size; i += 1) {
    for (let c = 0; c < 3; c += 1) planes[c * size + i] = rgba[4 * i + c] / 255;
  }
  return planes;
}

/** The way back; what lies outside [0, 1] is clipped. */
export function toPixels(planes) {
  const size = planes.length / 3;
  const rgba = new Uint8ClampedArray(4 * size).fill(255);
  for (let i = 0; i < size; i += 1) {
    for (let c = 0; c < 3; c += 1) rgba[4 * i + c] = 255 * planes[c * size + i];
  }
  return rgba;
}

/** (1 - t) x + t y. */
export function fade(x, y, t) {
  return x.map((value, i) => (1 - t) * value + t * y[i]);
}

/** Paler, in floating point: c x + (1 - c) / 2. */
export function pale(x, c) {
  return x.map((value) => c * value + (1 - c) / 2);
}

const HELLO = "The painting is a still until you load the network, which runs in this page.";
const SORRY =
  "The network could not be loaded. It needs a page from a web server, and a browser that knows " +
  "WebAssembly. The pictures above are a still.";

function html(model) {
  const count = model.get("styles");
  const styles = Array.from({ length: count }, (_, s) => [s, `style ${s}`]);
  const thumbnails = styles.map(
    ([s, name]) => `<button type="button" data-style="${s}" aria-label="${name}" title="${name}"
      style="background-position: ${(100 * s) / (count - 1)}% 0"></button>`,
  );
  return `
<div class="ex-panels">
  ${canvas("photograph", "Photograph", "The photograph")}
  ${canvas("painting", "Painting", "The painting")}
</div>
<p class="ex-note" role="status" data-name="status">${HELLO}</p>
<div class="ex-gallery">
  <div class="ex-buttons">${button("load", `Load the network (${model.get("megabytes")} MB)`)}</div>
  <fieldset data-name="gallery" disabled>
    <p class="ex-note">Press a picture: its style is the new “to”, and the old “to” the new “from”.</p>
    <div class="ex-thumbnails" data-name="sheet"
      style="--sheet: url(${model.get("sheet")}); --count: ${count}">${thumbnails.join("")}</div>
  </fieldset>
</div>
<fieldset data-name="controls" disabled>
  <div class="ex-selects">
    ${select("first", "From", Object.fromEntries(styles))}
    ${select("second", "to", Object.fromEntries(styles))}
  </div>
  ${slider("t", "How far", 0, 1, 0.05)}
  ${slider("contrast", "Contrast", 0.05, 1, 0.05)}
  ${check("crossFade", "Cross-fade two paintings instead")}
  <label class="ex-file">Your own picture
    <input type="file" data-name="file" accept="image/*"></label>
  ${buttons()}
</fieldset>`;
}

async function imageFrom(source) {
  const image = new Image();
  image.src = source;
  await image.decode().catch(() => {
    throw new Error("This file is not a picture that the browser knows.");
  });
  return image;
}

/** Show a picture, scaled to fit, and return it. */
async function draw(canvas, source) {
  const image = await imageFrom(source);
  const [width, height] = fit(image.naturalWidth, image.naturalHeight);
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white"; // behind what is transparent
  context.fillRect(0, 0, width, height);
  context.drawImage(image, 0, 0, width, height);
  return { width, height, planes: toPlanes(context.getImageData(0, 0, width, height).data) };
}

function show(canvas, { width, height }, planes) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(new ImageData(toPixels(planes), width, height), 0, 0);
}

async function connect({ model, parts, state, change, redraw, ended }) {
  const { photograph, painting, sheet, status, load, gallery, controls, file, reset } = parts;
  const styles = model.get("styles");
  const own = await draw(photograph, model.get("photograph"));
  await draw(painting, model.get("painting"));
  let picture = own;

  // --- the network, in a thread of its own --------------------------------------------------------

  let worker = null;
  let waiting = null; // what to do with the worker's next answer
  ended.addEventListener("abort", () => worker?.terminate());

  function fail() {
    worker?.terminate();
    worker = null;
    load.hidden = true;
    gallery.disabled = controls.disabled = true;
    status.textContent = SORRY;
    waiting?.reject(new Error(SORRY));
  }

  load.addEventListener("click", () => {
    load.disabled = true;
    status.textContent = "Loading …";
    try {
      worker = new Worker(new URL("painter.js", import.meta.url), { type: "module" });
    } catch {
      fail();
      return;
    }
    worker.onerror = fail;
    worker.onmessage = ({ data }) => {
      if (data.failed) fail();
      else if (data.image) waiting.resolve(data.image);
      else if (data.ready) begin();
      else status.textContent = `Loading … ${(data.loaded / 1e6).toFixed(0)} MB`;
    };
  });

  function begin() {
    load.hidden = true;
    gallery.disabled = controls.disabled = false;
    redraw();
  }

  function run(image, { width, height }, weights) {
    return new Promise((resolve, reject) => {
      waiting = { resolve, reject };
      worker.postMessage({ image, width, height, weights });
    });
  }

  // --- painting -----------------------------------------------------------------------------------

  async function repaint({ first, second, t, contrast, crossFade }) {
    const start = performance.now();
    const current = picture; // the reader may choose another while this one is painted
    const planes = pale(current.planes, contrast);
    show(photograph, current, planes);
    const at = (far) => run(planes, current, mix(first, second, far, styles));
    show(painting, current, crossFade ? fade(await at(0), await at(1), t) : await at(t));
    painting.setAttribute(
      "aria-label",
      `The photograph painted ${Math.round(100 * (1 - t))} % in style ${first} and ` +
        `${Math.round(100 * t)} % in style ${second}`,
    );
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    status.textContent = `Painted in ${seconds} seconds, on this computer.`;
    painting.dataset.painted = Number(painting.dataset.painted ?? 0) + 1;
  }

  // The latest wish is painted; those that were overtaken are not.
  let [busy, wished] = [false, false];
  async function wish() {
    wished = true;
    if (busy) return;
    busy = true;
    while (wished && worker) {
      wished = false;
      await repaint(state()).catch(() => {}); // the status says what was wrong
    }
    busy = false;
  }

  file.addEventListener("change", async () => {
    if (!file.files.length) return;
    const source = URL.createObjectURL(file.files[0]);
    try {
      picture = await draw(photograph, source);
      redraw();
    } catch (error) {
      status.textContent = error.message;
    } finally {
      URL.revokeObjectURL(source);
    }
  });
  reset.addEventListener("click", () => {
    picture = own;
    file.value = "";
    redraw();
  });

  sheet.addEventListener("click", ({ target }) => {
    const { style } = target.dataset;
    if (style !== undefined) change({ first: state().second, second: Number(style) });
  });

  return ({ first, second, t, contrast }) => {
    for (const thumbnail of sheet.children) {
      const chosen = [first, second].includes(Number(thumbnail.dataset.style));
      thumbnail.setAttribute("aria-pressed", chosen);
    }
    if (!controls.disabled) wish();
    return { values: { t: fixed(t), contrast: fixed(contrast) } };
  };
}

export default explorable({
  start: { first: 0, second: 1, t: 0.5, contrast: 1, crossFade: false },
  html,
  connect,
});
