// Depth by layer: random ReLU layers, with instance norm nowhere, on the input, or in every layer.
//
// Model: optionally mode ("none", "input" or "every"), gain, layer and seed.

const EPS = 1e-5;
const CHANNELS = 8;
const POSITIONS = 24;
const LAYERS = 12;
const BINS = 40;
const SHOWN = [-4, 4]; // of the histogram; values beyond fall into the end bins
const LOGS = [-5, 6]; // of the standard deviation
const PLOT = { width: 320, height: 200, left: 42, right: 10, top: 10, bottom: 36 };
const MODES = {
  none: { label: "nothing", part: "ex-step", dash: "2 4" },
  input: { label: "the input", part: "ex-trail", dash: "7 4" },
  every: { label: "the input and every layer", part: "ex-target", dash: "none" },
};
const SLIDERS = [
  { key: "gain", label: "Weight gain", min: 0.5, max: 2, step: 0.05, value: 1.5 },
  { key: "layer", label: "Layer", min: 1, max: LAYERS, step: 1, value: LAYERS },
];
const DEFAULTS = { mode: "input", seed: 1, gain: 1.5, layer: LAYERS };

/** `count` standard normal numbers, the same for the same seed (mulberry32 and Box-Muller). */
export function normals(seed, count) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
  return Float64Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

/** Mean and standard deviation of x[from], ..., x[to - 1]. */
export function moments(x, from = 0, to = x.length) {
  const shift = x[from];
  let sum = 0;
  for (let i = from; i < to; i += 1) sum += x[i] - shift;
  const mean = shift + sum / (to - from);
  let squares = 0;
  for (let i = from; i < to; i += 1) squares += (x[i] - mean) ** 2;
  return { mean, std: Math.sqrt(squares / (to - from)) };
}

/** Instance normalisation of each of the rows of a, in place. */
function normalise(a, rows, eps) {
  const m = a.length / rows;
  for (let c = 0; c < rows; c += 1) {
    const { mean, std } = moments(a, c * m, (c + 1) * m);
    const rstd = 1 / Math.sqrt(std * std + eps);
    for (let i = c * m; i < (c + 1) * m; i += 1) a[i] = (a[i] - mean) * rstd;
  }
  return a;
}

/**
 * What each layer hands on, as `instnorm.depth.deep_stats` computes it with no biases: x (C, m) and
 * weights (L, C, C) lie row by row, and the weights are multiplied by `gain`.
 */
export function layers(x, weights, channels, gain, mode, eps = EPS) {
  const m = x.length / channels;
  const result = [];
  let a = Float64Array.from(x);
  if (mode !== "none") normalise(a, channels, eps);
  for (let w = 0; w < weights.length; w += channels * channels) {
    const z = new Float64Array(x.length);
    for (let i = 0; i < channels; i += 1) {
      for (let j = 0; j < channels; j += 1) {
        const weight = gain * weights[w + i * channels + j];
        for (let k = 0; k < m; k += 1) z[i * m + k] += weight * a[j * m + k];
      }
    }
    for (let k = 0; k < z.length; k += 1) z[k] = Math.max(0, z[k]);
    a = mode === "every" ? normalise(z, channels, eps) : z;
    result.push(a);
  }
  return result;
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

// A print with a brightness and a contrast of its own, and weights that keep the mean square.
function draws(seed) {
  const weights = normals(seed, LAYERS * CHANNELS * CHANNELS);
  const x = normals(seed + 1e6, CHANNELS * POSITIONS);
  return {
    weights: weights.map((w) => w * Math.sqrt(2 / CHANNELS)),
    x: x.map((z) => 30 + 20 * z),
  };
}

const FLOOR = PLOT.height - PLOT.bottom;
const across = (layer) =>
  PLOT.left + ((layer - 1) / (LAYERS - 1)) * (PLOT.width - PLOT.left - PLOT.right);
const upward = (std) => {
  const log = Math.min(LOGS[1], Math.max(LOGS[0], Math.log10(std)));
  return FLOOR - ((log - LOGS[0]) / (LOGS[1] - LOGS[0])) * (FLOOR - PLOT.top);
};
const raised = (text) => [...text].map((d) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(d)]).join("");
const power = (k) => (k === 0 ? "1" : `10${raised(String(k))}`);
const TICKS =
  [-4, -2, 0, 2, 4, 6]
    .map((k) => `<path class="ex-grid" d="M${PLOT.left} ${upward(10 ** k).toFixed(1)}H${PLOT.width - PLOT.right}"/>
      <text x="${PLOT.left - 6}" y="${(upward(10 ** k) + 4).toFixed(1)}" text-anchor="end">${power(k)}</text>`)
    .join("") +
  [1, 4, 8, 12]
    .map((l) => `<path d="M${across(l).toFixed(1)} ${FLOOR}v4"/>
      <text x="${across(l).toFixed(1)}" y="${FLOOR + 17}" text-anchor="middle">${l}</text>`)
    .join("");

const radio = ([mode, { label, part, dash }]) => `
<label class="ex-check"><input type="radio" name="mode" value="${mode}">
  <svg class="ex-drawing ex-line" viewBox="0 0 34 10" aria-hidden="true">
    <path class="${part}" stroke-dasharray="${dash}" d="M1 5H33"/></svg>
  <span>${label}</span></label>`;

const TEMPLATE = `
<fieldset class="ex-modes"><legend>Normalise</legend>${Object.entries(MODES).map(radio).join("")}</fieldset>
<div class="ex-drawings">
  <figure><div class="ex-title">Deviation, layer by layer</div>
    <svg class="ex-drawing" viewBox="0 0 ${PLOT.width} ${PLOT.height}" role="img"
         aria-label="Standard deviation behind each of twelve layers on a logarithmic axis, one line for each of the three networks">
      ${TICKS}
      <path class="ex-ray" data-part="marker"/>
      ${Object.entries(MODES).map(([mode, { part, dash }]) => `<path class="${part}" stroke-dasharray="${dash}" data-part="${mode}"/>`).join("")}
      <circle class="ex-shadow" data-part="dot" r="5"/>
      <text x="${(PLOT.width + PLOT.left) / 2}" y="${PLOT.height - 4}" text-anchor="middle">layer</text>
    </svg></figure>
  <figure><div class="ex-title">The values there</div>
    <svg class="ex-histogram" role="img" viewBox="0 0 ${BINS} 24" preserveAspectRatio="none"
         aria-label="Histogram of the activations behind the chosen layer"><path class="ex-bars"/></svg>
    <div class="ex-axis"><span>≤ ${SHOWN[0]}</span><span>0</span><span>≥ ${SHOWN[1]}</span></div></figure>
</div>
<div class="ex-controls">
  ${SLIDERS.map(
    ({ key, label, min, max, step }) => `
  <div class="ex-slider"><label><span>${label}</span>
    <input type="range" name="${key}" min="${min}" max="${max}" step="${step}"></label>
    <output aria-live="off"></output></div>`,
  ).join("")}
  <button type="button" data-action="draw">New weights</button>
  <button type="button" data-action="reset">Reset</button>
</div>
<dl class="ex-numbers">
  <div><dt>Mean</dt><dd data-name="mean"></dd></div>
  <div><dt>Exactly 0</dt><dd data-name="zeros"></dd></div>
  <div class="ex-key"><dt>Deviation behind this layer</dt><dd data-name="std"></dd></div>
</dl>
<p class="ex-summary" aria-live="polite"></p>`;

// Three digits, and a power of ten where the number is very small or large.
function show(value) {
  const size = Math.abs(value);
  if (size < 1e-9) return "0";
  if (size >= 1e4 || size < 1e-3) return value.toExponential(1);
  return size >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function render({ model, el }) {
  el.classList.add("ex");
  el.innerHTML = TEMPLATE;
  const named = (attribute) =>
    Object.fromEntries(
      [...el.querySelectorAll(`[data-${attribute}]`)].map((node) => [node.dataset[attribute], node]),
    );
  const parts = named("part");
  const numbers = named("name");
  const actions = named("action");
  const bars = el.querySelector(".ex-bars");
  const inputs = SLIDERS.map(({ key }) => el.querySelector(`[name=${key}]`));
  const outputs = el.querySelectorAll("output");
  const radios = [...el.querySelectorAll("[name=mode]")];
  // Radio buttons of one name are one group on the whole page.
  const group = `mode-${Math.random().toString(36).slice(2)}`;
  for (const button of radios) button.name = group;
  const summary = el.querySelector(".ex-summary");
  const state = () =>
    Object.fromEntries(Object.entries(DEFAULTS).map(([key, value]) => [key, model.get(key) ?? value]));

  let drawn = {};
  // The lines depend on the weights and the gain alone: they are not computed anew for a layer.
  function lines({ seed, gain }) {
    if (drawn.seed === seed && drawn.gain === gain) return drawn;
    const { x, weights } = draws(seed);
    drawn = { seed, gain };
    for (const mode of Object.keys(MODES)) {
      drawn[mode] = layers(x, weights, CHANNELS, gain, mode);
      const points = drawn[mode].map(
        (a, l) => `${across(l + 1).toFixed(1)} ${upward(moments(a).std).toFixed(1)}`,
      );
      parts[mode].setAttribute("d", `M${points.join("L")}`);
    }
    return drawn;
  }

  function draw() {
    const { mode, gain, layer, seed } = state();
    const a = lines({ seed, gain })[mode][layer - 1];
    const { mean, std } = moments(a);
    for (const [name, path] of Object.entries(parts)) {
      if (name in MODES) path.style.strokeWidth = name === mode ? "4px" : "";
    }
    parts.marker.setAttribute("d", `M${across(layer).toFixed(1)} ${PLOT.top}V${FLOOR}`);
    parts.dot.setAttribute("cx", across(layer).toFixed(1));
    parts.dot.setAttribute("cy", upward(std).toFixed(1));
    const counts = histogram(a, BINS, SHOWN);
    const steps = counts.map((n, i) => `V${(24 - 23 * Math.sqrt(n / a.length)).toFixed(2)}H${i + 1}`);
    bars.setAttribute("d", `M0 24${steps.join("")}V24`);
    numbers.mean.textContent = show(mean);
    numbers.zeros.textContent = `${((100 * a.filter((v) => v === 0).length) / a.length).toFixed(0)} %`;
    numbers.std.textContent = show(std);
    numbers.std.dataset.value = std;
    for (const button of radios) button.checked = button.value === mode;
    inputs.forEach((input, i) => {
      const value = [gain, layer][i];
      input.value = value;
      outputs[i].textContent = i ? String(value) : value.toFixed(2);
    });
  }

  let frame = 0;
  function schedule() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
  }

  function say() {
    requestAnimationFrame(() => {
      const { mode, gain, layer } = state();
      summary.textContent =
        `Normalising ${MODES[mode].label}, weight gain ${gain.toFixed(2)}: behind layer ${layer} ` +
        `the deviation is ${numbers.std.textContent}.`;
    });
  }

  function change(values) {
    for (const [key, value] of Object.entries(values)) model.set(key, value);
    model.save_changes();
    say();
  }

  inputs.forEach((input, i) => {
    input.addEventListener("input", () => model.set(SLIDERS[i].key, Number(input.value)));
    input.addEventListener("change", () => change({}));
  });
  for (const button of radios) button.addEventListener("change", () => change({ mode: button.value }));
  actions.draw.addEventListener("click", () => change({ seed: state().seed + 1 }));
  actions.reset.addEventListener("click", () => change(DEFAULTS));
  for (const key of Object.keys(DEFAULTS)) model.on(`change:${key}`, schedule);

  draw();
  return () => {
    cancelAnimationFrame(frame);
    for (const key of Object.keys(DEFAULTS)) model.off(`change:${key}`, schedule);
  };
}

export default { render };
