// Contrast response: a model neuron and instance normalisation look for the same grating, with
// another grating, the mask, laid across it.
//
// Model: optionally logC (the contrast is moved on a logarithmic scale, as in the laboratory), mask,
// sigma and exponent.

import { buttons, canvas, explorable, fixed, numbers, paint, slider } from "./explorable.js";
import { axes } from "./plot.js";

const EPS = 1e-5;
const CYCLES = { grating: 4, mask: 4 };
const SIDE = 96;
const SHOWN = [-1.6, 1.6]; // of the sum of both gratings, from black to white
const PLOT = axes(
  { label: "contrast c of the grating", range: [1e-3, 1], ticks: [1e-3, 0.01, 0.1, 1], log: true },
  { range: [0, 1], ticks: [0, 0.5, 1] },
);
const CURVE = Array.from({ length: 121 }, (_, i) => 10 ** (i / 40 - 3));

/** Heeger's neuron: its own drive c over a pool that the mask d, which it does not look for, joins. */
export function neuron(c, { mask, sigma, exponent }) {
  const own = c ** exponent;
  return own / (sigma ** exponent + own + mask ** exponent);
}

/** Squared amplitude of the grating in the output of instance norm: patterns of variance 1. */
export function norm(c, { mask, eps = EPS }) {
  return c ** 2 / (c ** 2 + mask ** 2 + eps);
}

/** Contrasts at which each gives half of its greatest response. */
export function halves({ mask, sigma, exponent, eps = EPS }) {
  return [(sigma ** exponent + mask ** exponent) ** (1 / exponent), Math.sqrt(mask ** 2 + eps)];
}

/** The stimulus, side by side pixels: two gratings at right angles, each with variance 1, at c and d. */
export function stimulus(c, mask, side) {
  const wave = (i, cycles) => Math.SQRT2 * Math.sin((2 * Math.PI * cycles * (i + 0.5)) / side);
  const across = Array.from({ length: side }, (_, i) => c * wave(i, CYCLES.grating));
  const down = Array.from({ length: side }, (_, i) => mask * wave(i, CYCLES.mask));
  const x = new Float64Array(side * side);
  for (let i = 0; i < x.length; i += 1) x[i] = across[i % side] + down[Math.floor(i / side)];
  return x;
}

const HTML = `
<div class="ex-drawings">
  ${canvas("screen", "On the screen", "An upright grating, and a mask across it")}
  ${PLOT.svg(
    "plot",
    "Response against contrast",
    "Two rising curves, the neuron's and that of instance norm",
    `<path class="ex-line ex-blue" stroke-dasharray="7 4" data-name="norm-curve"/>
     <path class="ex-line ex-accent" data-name="neuron-curve"/>
     <circle class="ex-dot ex-blue" data-name="norm-dot" r="5"/>
     <circle class="ex-dot ex-accent" data-name="neuron-dot" r="5"/>`,
  )}
</div>
<p class="ex-note"><span class="ex-swatch ex-accent"></span>solid: the neuron;
  <span class="ex-swatch ex-blue"></span>dashed: instance norm, ε = 0.00001</p>
${slider("logC", "Contrast <i>c</i>", -3, 0, 0.05)}
${slider("mask", "Mask <i>d</i>", 0, 1, 0.01)}
${slider("sigma", "Constant <i>σ</i>", 0.01, 0.5, 0.01)}
${slider("exponent", "Exponent <i>n</i>", 1, 4, 0.1)}
${buttons()}
${numbers(
  {
    norm: "Instance norm answers",
    "norm-half": "and half at a contrast of",
    neuron: "The neuron answers",
    "neuron-half": "and half at a contrast of",
  },
  "neuron",
)}`;

function connect({ parts }) {
  return (now) => {
    const c = 10 ** now.logC;
    paint(parts.screen, stimulus(c, now.mask, SIDE), SHOWN, SIDE);
    for (const [name, respond] of Object.entries({ neuron, norm })) {
      const points = CURVE.map((each) => [each, respond(each, now)]);
      parts[`${name}-curve`].setAttribute("d", PLOT.path(points));
      parts[`${name}-dot`].setAttribute("cx", PLOT.x(c));
      parts[`${name}-dot`].setAttribute("cy", PLOT.y(respond(c, now)));
    }
    const [neuronHalf, normHalf] = halves(now);
    const values = Object.fromEntries(
      Object.entries(now).map(([key, value]) => [key, fixed(value)]),
    );
    values.logC = fixed(c, 3);
    return {
      values,
      numbers: {
        neuron: fixed(neuron(c, now), 3),
        "neuron-half": fixed(neuronHalf, 3),
        norm: fixed(norm(c, now), 3),
        "norm-half": fixed(normHalf, 3),
      },
      summary:
        `Contrast ${values.logC} under a mask of ${values.mask}: the neuron answers ` +
        `${fixed(neuron(c, now), 3)}, instance norm ${fixed(norm(c, now), 3)}.`,
    };
  };
}

export default explorable({
  start: { logC: -1, mask: 0, sigma: 0.15, exponent: 2 },
  presets: { "Masked": { mask: 0.3 }, "Like instance norm": { sigma: 0.01 } },
  html: HTML,
  connect,
});
