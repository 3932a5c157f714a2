// Epsilon: a photograph at a contrast of your choice, normalised with an eps of your choice.
//
// Model: image, a grey photograph, and optionally logC, logEps and eightBit.

import {
  buttons, canvas, check, explorable, numbers, paint, photograph, short, slider,
} from "./explorable.js";
import { axes } from "./plot.js";
import { instanceNorm, moments } from "./statistics.js";

const MIDDLE = 0.5;
const LEVELS = 255;
const SHOWN = [-2.5, 2.5]; // the normalised values that go from black to white
const CONTRASTS = [1e-4, 1];
const OUT = [1e-3, 2];
const PLOT = axes(
  { label: "contrast c of the input", range: CONTRASTS, ticks: [1e-4, 1e-3, 0.01, 0.1, 1], log: true },
  { range: OUT, ticks: [1e-3, 0.01, 0.1, 1], log: true },
);
const CURVE = Array.from({ length: 81 }, (_, i) => 10 ** (i / 20 - 4));

/** Deviation of the output for a plane of deviation c. */
export const amplitude = (c, eps) => c / Math.sqrt(c * c + eps);

/** What a small change of an input is multiplied by, and a gradient on its way back. */
export const gain = (c, eps) => 1 / Math.sqrt(c * c + eps);

/** The pattern (mean 0, variance 1) around mid-grey with deviation c, and in 256 levels if asked. */
export function expose(pattern, c, eightBit) {
  const x = new Float64Array(pattern.length);
  for (let i = 0; i < x.length; i += 1) {
    const v = MIDDLE + c * pattern[i];
    x[i] = eightBit ? Math.min(1, Math.max(0, Math.round(LEVELS * v) / LEVELS)) : v;
  }
  return x;
}

const HTML = `
<div class="ex-panels">
  ${canvas("input", "The input", "The photograph at the contrast c")}
  ${canvas("output", "Normalised", "The same after instance normalisation")}
</div>
<div class="ex-drawings">
  ${PLOT.svg(
    "plot",
    "Deviation of the output",
    "Deviation of the output against the contrast of the input, both on logarithmic axes: a " +
      "slope that bends into a plateau at the root of epsilon",
    `<g data-name="threshold"><path class="ex-dashed" data-name="at"/>
       <text data-name="root-sign" y="${PLOT.top + 12}">√ε</text></g>
     <path class="ex-line ex-blue" data-name="curve"/>
     <circle class="ex-dot ex-accent" data-name="dot" r="5"/>`,
  )}
  <p class="ex-note"><span class="ex-swatch ex-blue"></span>the line: c / √(c² + ε);
    <span class="ex-swatch ex-accent"></span>the dot: the deviation of the normalised picture</p>
</div>
${slider("logC", "Contrast <i>c</i>", -4, -0.6, 0.05)}
${slider("logEps", "Epsilon <i>ε</i>", -10, 0, 0.1)}
${check("eightBit", "Save the input with 8 bits a pixel first")}
${buttons()}
${numbers(
  { root: "Threshold √ε", gain: "Gain 1/√(σ² + ε)", out: "Deviation of the output" },
  "out",
)}`;

function connect({ model, parts }) {
  const { width, pixels } = photograph(model.get("image"));
  const pattern = instanceNorm(pixels, 0);

  return ({ logC, logEps, eightBit }) => {
    const [c, eps] = [10 ** logC, 10 ** logEps];
    const x = expose(pattern, c, eightBit);
    const y = instanceNorm(x, eps);
    paint(parts.input, x, [0, 1], width);
    paint(parts.output, y, SHOWN, width);

    const out = Math.sqrt(moments(y).variance);
    const root = Math.sqrt(eps);
    const curve = CURVE.map((each) => [each, amplitude(each, eps)]);
    parts.curve.setAttribute("d", PLOT.path(curve.filter(([, value]) => value >= OUT[0])));
    parts.threshold.setAttribute("visibility", root < CONTRASTS[0] ? "hidden" : "visible");
    parts.at.setAttribute("d", PLOT.upright(root));
    parts["root-sign"].setAttribute("x", PLOT.x(root) + 5);
    parts.dot.setAttribute("cx", PLOT.x(c));
    parts.dot.setAttribute("cy", PLOT.y(out));

    const values = { logC: short(c), logEps: short(eps) };
    return {
      values,
      numbers: {
        root: short(root),
        gain: short(gain(Math.sqrt(moments(x).variance), eps)),
        out: short(out),
      },
      summary:
        `Contrast ${values.logC}, epsilon ${values.logEps}: ` +
        `the output has the deviation ${short(out)}.`,
    };
  };
}

export default explorable({
  start: { logC: -1, logEps: -5, eightBit: false },
  presets: { "Faint": { logC: -3 }, "Faint, in 8 bits": { logC: -3, eightBit: true } },
  html: HTML,
  connect,
});
