// Droplet: a texture is to be fainter than a portrait, after an instance norm. Its faintness is
// normalised away; a spike brings it back.
//
// Model: image and texture, grey photographs of one size; optionally wanted, height and side.

import {
  buttons, canvas, explorable, fixed, numbers, paint, photograph, slider,
} from "./explorable.js";
import { axes } from "./plot.js";
import { instanceNorm } from "./statistics.js";

const SHOWN = [-2.2, 2.2];
const PLOT = axes(
  { label: "height of the spike, in deviations", range: [1, 1000], ticks: [1, 10, 100, 1000], log: true },
  { range: [0, 1], ticks: [0, 0.5, 1] },
);
const CURVE = Array.from({ length: 121 }, (_, i) => 10 ** (i / 40));

/** What a spike of height h deviations, on a share p of the plane, leaves of the rest. */
export function strength(h, p) {
  return 1 / Math.sqrt(1 + h * h * p * (1 - p));
}

/** The height that leaves the rest at strength a. */
export function height(a, p) {
  return Math.sqrt((1 / (a * a) - 1) / (p * (1 - p)));
}

/** The pixels of a square of that side, near the upper right corner. */
export function corner(width, side) {
  const [top, left] = [Math.round(width / 12), Math.round(width * 0.85)];
  const places = [];
  for (let row = top; row < top + side; row += 1) {
    for (let column = left; column < left + side; column += 1) places.push(row * width + column);
  }
  return places;
}

/** A copy whose values at these places are h deviations above 0. */
export function spiked(x, places, h, deviation) {
  const y = Float64Array.from(x);
  if (h > 0) for (const i of places) y[i] = h * deviation;
  return y;
}

/** Standard deviation of the values at other places. */
export function outside(x, places) {
  const within = new Uint8Array(x.length);
  for (const i of places) within[i] = 1;
  const count = x.length - places.length;
  let [sum, squares] = [0, 0];
  for (let i = 0; i < x.length; i += 1) if (!within[i]) sum += x[i];
  const mean = sum / count;
  for (let i = 0; i < x.length; i += 1) if (!within[i]) squares += (x[i] - mean) ** 2;
  return Math.sqrt(squares / count);
}

const HTML = `
<div class="ex-panels">
  ${canvas("meant", "What is wanted", "Portrait with a faint texture over it")}
  ${canvas("given", "After instance norm", "Portrait and texture, both normalised, added")}
</div>
<div class="ex-drawings">
${PLOT.svg(
  "plot",
  "Strength of the texture after the norm",
  "A curve that falls from 1 with the height of the spike, and a line at the wanted strength",
  `<path class="ex-line ex-accent" data-name="wish" stroke-dasharray="7 4"/>
   <path class="ex-line ex-blue" data-name="curve"/>
   <circle class="ex-dot ex-blue" data-name="dot" r="5"/>`,
)}
<p class="ex-note"><span class="ex-swatch ex-blue"></span>solid: what the spike leaves;
  <span class="ex-swatch ex-accent"></span>dashed: what is wanted</p>
</div>
${slider("wanted", "Wanted strength", 0.1, 1, 0.05)}
${slider("logH", "Height of the spike", 0, 3, 0.05)}
${slider("side", "Its side in pixels", 1, 6, 1)}
${buttons()}
${numbers(
  { found: "Strength after the norm", predicted: "predicted", tallest: "Spike after the norm" },
  "found",
)}`;

function connect({ model, parts }) {
  const { width, pixels } = photograph(model.get("image"));
  const portrait = instanceNorm(pixels, 0);
  const texture = instanceNorm(photograph(model.get("texture")).pixels, 0);

  return ({ wanted, logH, side }) => {
    const places = corner(width, side);
    const p = places.length / pixels.length;
    const h = logH === 0 ? 0 : 10 ** logH;
    const faint = texture.map((value) => wanted * value);
    const y = instanceNorm(spiked(faint, places, h, wanted), 0);
    paint(parts.meant, portrait.map((value, i) => value + faint[i]), SHOWN, width);
    paint(parts.given, portrait.map((value, i) => value + y[i]), SHOWN, width);
    parts.wish.setAttribute("d", PLOT.path([[1, wanted], [1000, wanted]]));
    parts.curve.setAttribute("d", PLOT.path(CURVE.map((each) => [each, strength(each, p)])));
    parts.dot.setAttribute("cx", PLOT.x(Math.max(1, h)));
    parts.dot.setAttribute("cy", PLOT.y(strength(h, p)));
    const found = outside(y, places);
    const tallest = places.reduce((most, i) => Math.max(most, y[i]), -Infinity);
    parts.found.dataset.value = found;
    const text = h ? fixed(h, h < 100 ? 1 : 0) : "none";
    return {
      values: { wanted: fixed(wanted), logH: text, side: String(side) },
      numbers: {
        found: fixed(found, 2),
        predicted: fixed(strength(h, p), 2),
        tallest: h ? `${fixed(tallest, 1)} deviations` : "none",
      },
      summary: `Spike ${text}: the texture has strength ${fixed(found, 2)}, wanted ${fixed(wanted)}.`,
    };
  };
}

export default explorable({
  start: { wanted: 0.25, logH: 0, side: 3 },
  presets: { "A spike": { logH: 2 }, "A wide one": { logH: 2, side: 6 } },
  html: HTML,
  connect,
});
