// Depth by layer: random ReLU layers, with instance norm nowhere, on the input, or in every layer.
//
// Model: optionally mode ("none", "input" or "every"), gain, layer and seed.

import {
  button, buttons, choice, explorable, fixed, numbers, short, slider,
} from "./explorable.js";
import { axes, histogramPlot, outline } from "./plot.js";
import { histogram, instanceNorm, moments } from "./statistics.js";

const CHANNELS = 8;
const POSITIONS = 24;
const LAYERS = 12;
const BINS = 40;
const SHOWN = [-4, 4]; // of the histogram; values beyond fall into the end bins
const HEIGHT = 23; // of a bin that holds everything
const PLOT = axes(
  { label: "layer", range: [1, LAYERS], ticks: [1, 4, 8, 12] },
  { range: [1e-5, 1e6], ticks: [1e-4, 0.01, 1, 100, 1e4, 1e6], log: true },
);
const MODES = {
  none: { label: "nothing", line: 'class="ex-line ex-blue" stroke-dasharray="2 4"' },
  input: { label: "the input", line: 'class="ex-line ex-accent" stroke-dasharray="7 4"' },
  every: { label: "the input and every layer", line: 'class="ex-line ex-green"' },
};

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

/** Instance normalisation of each of the rows of a, in place. */
function normalise(a, rows, eps) {
  const m = a.length / rows;
  for (let i = 0; i < a.length; i += m) a.set(instanceNorm(a.subarray(i, i + m), eps), i);
  return a;
}

/**
 * What each layer hands on, as `instnorm.depth.deep_stats` computes it with no biases: x (C, m) and
 * weights (L, C, C) lie row by row, and the weights are multiplied by `gain`.
 */
export function layers(x, weights, channels, gain, mode, eps = 1e-5) {
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

// A print with a brightness and a contrast of its own, and weights that keep the mean square.
function draws(seed) {
  return {
    weights: normals(seed, LAYERS * CHANNELS ** 2).map((w) => w * Math.sqrt(2 / CHANNELS)),
    x: normals(seed + 1e6, CHANNELS * POSITIONS).map((z) => 30 + 20 * z),
  };
}

const labels = Object.entries(MODES).map(([mode, { label, line }]) => [
  mode,
  `<svg class="ex-drawing ex-sample" viewBox="0 0 34 10" aria-hidden="true">
     <path ${line} d="M1 5H33"/></svg> ${label}`,
]);
const lines = Object.entries(MODES).map(
  ([mode, { line }]) => `<path ${line} data-name="${mode}"/>`,
);

const HTML = `
${choice("mode", "Normalise", Object.fromEntries(labels))}
<div class="ex-drawings">
  ${PLOT.svg(
    "plot",
    "Deviation, layer by layer",
    "Standard deviation after each of twelve layers on a logarithmic axis, one line for each of " +
      "the three networks",
    `<path class="ex-dashed" data-name="marker"/>
     ${lines.join("")}<circle class="ex-dot ex-muted" data-name="dot" r="5"/>`,
  )}
  <div>
    <div class="ex-title">The values there</div>
    ${histogramPlot(
      "bars",
      BINS,
      [`≤ ${SHOWN[0]}`, 0, `≥ ${SHOWN[1]}`],
      "Histogram of the activations after the chosen layer",
    )}
  </div>
</div>
${slider("gain", "Weight gain", 0.5, 2, 0.05)}
${slider("layer", "Layer", 1, LAYERS, 1)}
${buttons(button("draw", "New weights"))}
${numbers({ mean: "Mean", zeros: "Exactly 0", std: "Deviation after this layer" }, "std")}`;

function connect({ parts, state, change }) {
  parts.draw.addEventListener("click", () => change({ seed: state().seed + 1 }));

  // The lines depend on the weights and the gain alone: they are not computed anew for a layer.
  let computed = {};
  function compute(seed, gain) {
    if (computed.seed === seed && computed.gain === gain) return computed;
    const { x, weights } = draws(seed);
    computed = { seed, gain };
    for (const mode of Object.keys(MODES)) {
      computed[mode] = layers(x, weights, CHANNELS, gain, mode);
      const points = computed[mode].map((a, l) => [l + 1, Math.sqrt(moments(a).variance)]);
      parts[mode].setAttribute("d", PLOT.path(points));
    }
    return computed;
  }

  return ({ mode, gain, layer, seed }) => {
    const a = compute(seed, gain)[mode][layer - 1];
    const { mean, variance } = moments(a);
    const std = Math.sqrt(variance);
    for (const name of Object.keys(MODES)) {
      parts[name].classList.toggle("ex-chosen", name === mode);
    }
    parts.marker.setAttribute("d", PLOT.upright(layer));
    parts.dot.setAttribute("cx", PLOT.x(layer));
    parts.dot.setAttribute("cy", PLOT.y(std));
    parts.bars.setAttribute("d", outline(histogram(a, BINS, SHOWN), a.length, HEIGHT));
    return {
      values: { gain: fixed(gain) },
      numbers: {
        mean: short(mean),
        zeros: `${fixed((100 * a.filter((v) => v === 0).length) / a.length, 0)} %`,
        std: short(std),
      },
      summary:
        `Normalising ${MODES[mode].label}, weight gain ${fixed(gain)}: after layer ${layer} ` +
        `the deviation is ${short(std)}.`,
    };
  };
}

export default explorable({
  start: { mode: "input", gain: 1.5, layer: LAYERS, seed: 1 },
  html: HTML,
  connect,
});
