// Style mixer: one network, 26 styles. Blends the rows of its tables of gamma and beta, on a
// photograph of the book or of the reader. The picture stays in the page.
//
// Model: photograph and painting (data: addresses), styles, first, second, megabytes (what has to be
// loaded before it runs).

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

const select = (name, label, styles) => `
<label class="ex-select"><span>${label}</span><select name="${name}">
  ${Array.from({ length: styles }, (_, s) => `<option value="${s}">style ${s}</option>`).join("")}
</select></label>`;

const slider = (name, label, min) => `
<div class="ex-slider">
  <label><span>${label}</span>
    <input type="range" name="${name}" min="${min}" max="1" step="0.05"></label>
  <output aria-live="off"></output>
</div>`;

const template = (styles, megabytes) => `
<div class="ex-panels">
  <div><div class="ex-title">Photograph</div>
    <canvas role="img" data-name="photograph" aria-label="The photograph"></canvas></div>
  <div><div class="ex-title">Painting</div>
    <canvas role="img" data-name="painting" aria-label="The painting"></canvas></div>
</div>
<p class="ex-note" role="status"></p>
<button type="button">Load the network (${megabytes} MB)</button>
<fieldset disabled>
  <div class="ex-selects">
    ${select("first", "From", styles)}
    ${select("second", "to", styles)}
  </div>
  ${slider("t", "How far", 0)}
  ${slider("contrast", "Contrast", 0.05)}
  <label class="ex-check"><input type="checkbox" name="fade">
    Cross-fade two paintings instead</label>
  <label class="ex-file"><span>Your own picture</span>
    <input type="file" name="file" accept="image/*"></label>
</fieldset>`;

const HELLO = "The painting is a still until the network is here. It runs in this page.";
const SORRY =
  "The network could not be loaded. It needs a page from a web server, and a browser that knows " +
  "WebAssembly. The pictures above are a still.";

function imageFrom(source) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error("This file is not a picture that the browser knows."));
    image.src = source;
  });
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

async function render({ model, el }) {
  const styles = model.get("styles");
  el.classList.add("ex");
  el.innerHTML = template(styles, model.get("megabytes"));
  const find = (name) => el.querySelector(`[name=${name}], [data-name=${name}]`);
  const status = el.querySelector(".ex-note");
  const button = el.querySelector("button");
  const controls = el.querySelector("fieldset");
  const [photograph, painting] = ["photograph", "painting"].map(find);
  const [first, second, t, contrast, fading, file] = [
    "first",
    "second",
    "t",
    "contrast",
    "fade",
    "file",
  ].map(find);
  Object.assign(first, { value: model.get("first") });
  Object.assign(second, { value: model.get("second") });
  Object.assign(t, { value: 0.5 });
  Object.assign(contrast, { value: 1 });

  let picture = await draw(photograph, model.get("photograph"));
  await draw(painting, model.get("painting"));
  status.textContent = HELLO;

  let worker = null;
  let waiting = null; // what to do with the worker's next answer

  function fail() {
    worker?.terminate();
    worker = null;
    button.hidden = true;
    controls.disabled = true;
    status.textContent = SORRY;
    waiting?.reject(new Error(SORRY));
  }

  function load() {
    button.disabled = true;
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
  }

  function begin() {
    button.hidden = true;
    controls.disabled = false;
    repaint();
  }

  function paint(image, { width, height }, weights) {
    return new Promise((resolve, reject) => {
      waiting = { resolve, reject };
      worker.postMessage({ image, width, height, weights });
    });
  }

  // The latest wish is painted; those that were overtaken are not.
  let busy = false;
  let wished = false;

  async function repaint() {
    for (const input of [t, contrast]) {
      const output = input.closest(".ex-slider").querySelector("output");
      output.textContent = Number(input.value).toFixed(2);
    }
    if (controls.disabled) return;
    wished = busy;
    if (busy) return;
    busy = true;
    try {
      const start = performance.now();
      const current = picture; // the reader may choose another while this one is painted
      const planes = pale(current.planes, Number(contrast.value));
      show(photograph, current, planes);
      const [a, b, far] = [first, second, t].map((control) => Number(control.value));
      const image = fading.checked
        ? fade(
            await paint(planes, current, mix(a, b, 0, styles)),
            await paint(planes, current, mix(a, b, 1, styles)),
            far,
          )
        : await paint(planes, current, mix(a, b, far, styles));
      show(painting, current, image);
      painting.setAttribute(
        "aria-label",
        `The photograph painted ${Math.round(100 * (1 - far))} % in style ${a} and ` +
          `${Math.round(100 * far)} % in style ${b}`,
      );
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      status.textContent = `Painted in ${seconds} seconds, on this computer.`;
      painting.dataset.painted = Number(painting.dataset.painted ?? 0) + 1;
    } catch {
      return; // the status says it
    } finally {
      busy = false;
    }
    if (wished) {
      wished = false;
      repaint();
    }
  }

  button.addEventListener("click", load);
  for (const control of [first, second, t, contrast, fading]) {
    control.addEventListener("input", repaint);
  }
  file.addEventListener("change", async () => {
    if (!file.files.length) return;
    const source = URL.createObjectURL(file.files[0]);
    try {
      picture = await draw(photograph, source);
      repaint();
    } catch (error) {
      status.textContent = error.message;
    } finally {
      URL.revokeObjectURL(source);
    }
  });
  repaint();
  return () => worker?.terminate();
}

export default { render };
