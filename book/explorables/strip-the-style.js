// Strip the style: give a photograph another contrast, brightness and gamma, and see what
// instance normalisation leaves of that.
//
// Model: image {shape: [H, W], uint8: base64}, and optionally gain, offset and gamma.

const EPS = 1e-5;
const SLIDERS = [
  { key: "gain", label: "Contrast", symbol: "a", min: 0.2, max: 2, value: 1 },
  { key: "offset", label: "Brightness", symbol: "b", min: -0.5, max: 0.5, value: 0 },
  { key: "gamma", label: "Gamma", symbol: "g", min: 0.2, max: 3, value: 1 },
];
const STEP = 0.05;
const BINS = 64;
// What the histograms and pictures show, before and after; values beyond fall into the end bins.
const BEFORE = {
  title: "Restyled",
  alt: "The restyled photograph",
  bins: [-0.5, 2],
  picture: [0, 1],
};
const AFTER = {
  title: "Normalised",
  alt: "The restyled photograph after instance normalisation",
  bins: [-3.5, 3.5],
  picture: [-2.5, 2.5],
};

/** a x^g + b, in floating point and not clipped, so that an affine change is exactly affine. */
export function restyle(x, { gain, offset, gamma }) {
  const y = new Float64Array(x.length);
  for (let i = 0; i < x.length; i += 1) y[i] = gain * x[i] ** gamma + offset;
  return y;
}

/** Mean and biased variance, of the values less the first one: large offsets then cost nothing. */
function moments(x) {
  const shift = x[0];
  let sum = 0;
  for (let i = 0; i < x.length; i += 1) sum += x[i] - shift;
  const mean = sum / x.length;
  let squares = 0;
  for (let i = 0; i < x.length; i += 1) squares += (x[i] - shift - mean) ** 2;
  return { shift, mean, variance: squares / x.length };
}

/** Instance normalisation of one plane, as `instnorm.instance_norm` computes it. */
export function instanceNorm(x, eps = EPS) {
  const { shift, mean, variance } = moments(x);
  const rstd = 1 / Math.sqrt(variance + eps);
  const y = new Float64Array(x.length);
  for (let i = 0; i < x.length; i += 1) y[i] = (x[i] - shift - mean) * rstd;
  return y;
}

/** How many values fall into each of equal bins on [low, high]; the end bins take what is beyond. */
export function histogram(x, bins, [low, high]) {
  const counts = new Array(bins).fill(0);
  const scale = bins / (high - low);
  for (let i = 0; i < x.length; i += 1) {
    counts[Math.min(bins - 1, Math.max(0, Math.floor((x[i] - low) * scale)))] += 1;
  }
  return counts;
}

/** Root of the mean squared difference. */
export function rms(x, y) {
  let squares = 0;
  for (let i = 0; i < x.length; i += 1) squares += (x[i] - y[i]) ** 2;
  return Math.sqrt(squares / x.length);
}

function decode({ shape: [height, width], uint8 }) {
  const bytes = Uint8Array.from(atob(uint8), (c) => c.charCodeAt(0));
  return { width, height, pixels: Float64Array.from(bytes, (v) => v / 255) };
}

const panel = ({ title, bins: [low, high] }) => `
<div class="ex-panel">
  <div class="ex-title">${title}</div>
  <canvas role="img"></canvas>
  <svg class="ex-histogram" role="img" viewBox="0 0 ${BINS} 24" preserveAspectRatio="none">
    <path class="ex-bars"/><path class="ex-ghost"/>
  </svg>
  <div class="ex-axis"><span>${low}</span><span>${(low + high) / 2}</span><span>${high}</span></div>
</div>`;

const slider = ({ key, label, symbol, min, max }) => `
<div class="ex-slider">
  <label><span>${label} <i>${symbol}</i></span>
    <input type="range" name="${key}" min="${min}" max="${max}" step="${STEP}"></label>
  <output aria-live="off"></output>
</div>`;

const TEMPLATE = `
<div class="ex-panels">
  ${panel(BEFORE)}
  ${panel(AFTER)}
</div>
<p class="ex-note">Outline: the untouched photograph. Heights follow the square root of the counts.</p>
<div class="ex-controls">
  ${SLIDERS.map(slider).join("")}
  <button type="button">Reset</button>
</div>
<dl class="ex-numbers">
  <div><dt>Mean</dt><dd data-name="mean"></dd></div>
  <div><dt>Std</dt><dd data-name="std"></dd></div>
  <div class="ex-key"><dt>Distance once both are normalised</dt><dd data-name="residual"></dd></div>
</dl>
<p class="ex-summary" aria-live="polite"></p>`;

function paint(canvas, x, [low, high]) {
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  const { data } = picture;
  const scale = 255 / (high - low);
  for (let i = 0; i < x.length; i += 1) {
    const grey = (x[i] - low) * scale; // clipped where it is stored, for the eye only
    data[4 * i] = grey;
    data[4 * i + 1] = grey;
    data[4 * i + 2] = grey;
    data[4 * i + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
}

// The square root keeps small bins in sight beside tall ones.
function outline(counts, total) {
  const bars = counts.map((n, i) => `V${(24 - 60 * Math.sqrt(n / total)).toFixed(2)}H${i + 1}`);
  return `M0 24${bars.join("")}V24`;
}

function render({ model, el }) {
  const { width, height, pixels } = decode(model.get("image"));
  const reference = instanceNorm(pixels);

  el.classList.add("ex");
  el.innerHTML = TEMPLATE;
  const sides = [...el.querySelectorAll(".ex-panel")].map((box, i) => ({
    ...[BEFORE, AFTER][i],
    untouched: [pixels, reference][i],
    canvas: box.querySelector("canvas"),
    svg: box.querySelector("svg"),
    bars: box.querySelector(".ex-bars"),
    ghost: box.querySelector(".ex-ghost"),
  }));
  for (const { canvas, svg, ghost, bins, untouched, alt } of sides) {
    Object.assign(canvas, { width, height });
    canvas.setAttribute("aria-label", alt);
    svg.setAttribute("aria-label", `Histogram: ${alt}`);
    ghost.setAttribute("d", outline(histogram(untouched, BINS, bins), untouched.length));
  }
  const outputs = el.querySelectorAll("output");
  const inputs = SLIDERS.map(({ key }) => el.querySelector(`[name=${key}]`));
  const numbers = Object.fromEntries(
    [...el.querySelectorAll("[data-name]")].map((node) => [node.dataset.name, node]),
  );
  const summary = el.querySelector(".ex-summary");

  function style() {
    return Object.fromEntries(SLIDERS.map(({ key, value }) => [key, model.get(key) ?? value]));
  }

  function draw() {
    const x = restyle(pixels, style());
    const y = instanceNorm(x);
    const { shift, mean, variance } = moments(x);
    [x, y].forEach((z, i) => {
      const { canvas, bars, bins, picture } = sides[i];
      paint(canvas, z, picture);
      bars.setAttribute("d", outline(histogram(z, BINS, bins), z.length));
    });
    const residual = rms(y, reference);
    numbers.mean.textContent = (shift + mean).toFixed(3);
    numbers.std.textContent = Math.sqrt(variance).toFixed(3);
    numbers.residual.textContent = residual.toFixed(3);
    numbers.residual.dataset.value = residual;
    inputs.forEach((input, i) => {
      const value = style()[SLIDERS[i].key];
      input.value = value;
      outputs[i].textContent = value.toFixed(2);
    });
  }

  let frame = 0;
  function schedule() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
  }

  // Spoken once a slider comes to rest, not at every step of a drag.
  function say() {
    requestAnimationFrame(() => {
      const { gain, offset, gamma } = style();
      summary.textContent =
        `Contrast ${gain.toFixed(2)}, brightness ${offset.toFixed(2)}, gamma ${gamma.toFixed(2)}: ` +
        `after normalisation, the distance is ${numbers.residual.textContent}.`;
    });
  }

  inputs.forEach((input, i) => {
    const { key } = SLIDERS[i];
    input.addEventListener("input", () => model.set(key, Number(input.value)));
    input.addEventListener("change", () => {
      model.save_changes();
      say();
    });
    model.on(`change:${key}`, schedule);
  });
  el.querySelector("button").addEventListener("click", () => {
    for (const { key, value } of SLIDERS) model.set(key, value);
    model.save_changes();
    say();
  });

  draw();
  return () => {
    cancelAnimationFrame(frame);
    for (const { key } of SLIDERS) model.off(`change:${key}`, schedule);
  };
}

export default { render };
