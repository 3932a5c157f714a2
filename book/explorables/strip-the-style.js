// Strip the style: give a photograph another contrast, brightness and gamma, and see what
// instance normalisation leaves of that.
//
// Model: image, a grey photograph, and optionally gain, offset and gamma.

import {
  buttons, canvas, explorable, fixed, numbers, paint, photograph, slider,
} from "./explorable.js";
import { histogramPlot, outline } from "./plot.js";
import { histogram, instanceNorm, moments } from "./statistics.js";

const GREYS = Float64Array.from({ length: 256 }, (_, level) => level / 255);
const BINS = 64;
const HEIGHT = 60; // of a bin that holds everything; the tallest has about a tenth
// What the pictures and histograms show, before and after; values beyond fall into the end bins.
const BEFORE = { picture: [0, 1], bins: [-0.5, 2] };
const AFTER = { picture: [-2.5, 2.5], bins: [-3.5, 3.5] };

/** a x^g + b, in floating point and not clipped, so that an affine change is exactly affine. */
export function restyle(x, { gain, offset, gamma }) {
  const y = new Float64Array(x.length);
  for (let i = 0; i < x.length; i += 1) y[i] = gain * x[i] ** gamma + offset;
  return y;
}

/** Root of the mean squared difference. */
export function rms(x, y) {
  let squares = 0;
  for (let i = 0; i < x.length; i += 1) squares += (x[i] - y[i]) ** 2;
  return Math.sqrt(squares / x.length);
}

const panel = (name, title, alt, [low, high]) => `
<div>
  ${canvas(name, title, alt)}
  ${histogramPlot(`${name}-bars`, BINS, [low, (low + high) / 2, high], `Histogram: ${alt}`)}
</div>`;

const HTML = `
<div class="ex-panels">
  ${panel("before", "Restyled", "The restyled photograph", BEFORE.bins)}
  ${panel("after", "Normalised", "The restyled photograph after instance normalisation", AFTER.bins)}
</div>
<p class="ex-note">Outline: the untouched photograph. Heights follow the square root of the counts.</p>
${slider("gain", "Contrast <i>a</i>", 0.2, 2, 0.05)}
${slider("offset", "Brightness <i>b</i>", -0.5, 0.5, 0.05)}
${slider("gamma", "Gamma <i>g</i>", 0.2, 3, 0.05)}
${buttons()}
${numbers(
  { mean: "Mean", std: "Deviation", residual: "Distance once both are normalised" },
  "residual",
)}`;

function connect({ model, parts }) {
  const { width, bytes, pixels } = photograph(model.get("image"));
  const reference = instanceNorm(pixels);
  const bars = (x, { bins }) => outline(histogram(x, BINS, bins), x.length, HEIGHT);
  parts["before-bars-ghost"].setAttribute("d", bars(pixels, BEFORE));
  parts["after-bars-ghost"].setAttribute("d", bars(reference, AFTER));

  return ({ gain, offset, gamma }) => {
    // A photograph has 256 greys at most: each is restyled once.
    const greys = restyle(GREYS, { gain, offset, gamma });
    const x = pixels.map((_, i) => greys[bytes[i]]);
    const y = instanceNorm(x);
    paint(parts.before, x, BEFORE.picture, width);
    paint(parts.after, y, AFTER.picture, width);
    parts["before-bars"].setAttribute("d", bars(x, BEFORE));
    parts["after-bars"].setAttribute("d", bars(y, AFTER));
    const { mean, variance } = moments(x);
    const residual = rms(y, reference);
    parts.residual.dataset.value = residual;
    const values = { gain: fixed(gain), offset: fixed(offset), gamma: fixed(gamma) };
    return {
      values,
      numbers: {
        mean: fixed(mean, 3),
        std: fixed(Math.sqrt(variance), 3),
        residual: fixed(residual, 3),
      },
      summary:
        `Contrast ${values.gain}, brightness ${values.offset}, gamma ${values.gamma}: ` +
        `after normalisation, the distance is ${fixed(residual, 3)}.`,
    };
  };
}

export default explorable({
  start: { gain: 1, offset: 0, gamma: 1 },
  presets: { "Faded": { gain: 0.3, offset: 0.5 }, "Gamma": { gamma: 2.5 } },
  html: HTML,
  connect,
});
