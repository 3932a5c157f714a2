// Two scanners: spoil a slice of a brain as a scanner would, by a gain, an offset, a bias field and a
// tighter crop, and see what is left of that after instance normalisation.
//
// Model: image, a slice in [0, 1] that is darker than `AIR` outside the brain; optionally gain,
// offset, field, crop and over ("slice" or "brain").

import {
  buttons, canvas, explorable, fixed, numbers, paint, photograph, select, slider,
} from "./explorable.js";

const AIR = 0.05;
const EPS = 1e-5;
const BEFORE = [0, 1.2];
const AFTER = [-2, 2];
const DIFFERENCE = [-1, 1];

/** gain × field × x + offset, where the field grows from 1 - f on the left to 1 + f on the right. */
export function scanned(x, width, { gain, offset, field }) {
  const y = new Float64Array(x.length);
  for (let i = 0; i < x.length; i += 1) {
    const across = width > 1 ? (2 * (i % width)) / (width - 1) - 1 : 0;
    y[i] = gain * (1 + field * across) * x[i] + offset;
  }
  return y;
}

/** For each pixel, whether it stays when a share of the height and of the width is cut away. */
export function kept(width, height, crop) {
  const [left, top] = [(crop * width) / 2, (crop * height) / 2].map(Math.round);
  const stays = new Array(width * height).fill(false);
  for (let row = top; row < height - top; row += 1)
    stays.fill(true, row * width + left, (row + 1) * width - left);
  return stays;
}

/** Instance normalisation by the mean and the variance of the chosen values. */
export function normalised(x, chosen, eps = EPS) {
  let [count, sum, squares] = [0, 0, 0];
  for (let i = 0; i < x.length; i += 1) {
    if (!chosen[i]) continue;
    count += 1;
    sum += x[i];
  }
  const mean = sum / count;
  for (let i = 0; i < x.length; i += 1) if (chosen[i]) squares += (x[i] - mean) ** 2;
  const root = Math.sqrt(squares / count + eps);
  return x.map((value) => (value - mean) / root);
}

/** Root of the mean squared difference, where `where` is true. */
export function apart(x, y, where) {
  let [count, squares] = [0, 0];
  for (let i = 0; i < x.length; i += 1) {
    if (!where[i]) continue;
    count += 1;
    squares += (x[i] - y[i]) ** 2;
  }
  return Math.sqrt(squares / count);
}

const HTML = `
<div class="ex-panels ex-three">
  ${canvas("before", "Scanned", "The slice as this scanner shows it")}
  ${canvas("after", "Normalised", "The slice after instance normalisation")}
  ${canvas("wrong", "Still wrong by", "The difference to the normalised slice of the first scanner")}
</div>
${slider("gain", "Gain", 0.2, 2, 0.05)}
${slider("offset", "Offset", -0.3, 0.5, 0.05)}
${slider("field", "Bias field", 0, 0.6, 0.02)}
${slider("crop", "Cropped", 0, 0.5, 0.02)}
<div class="ex-selects">
  ${select("over", "Mean and deviation of", { slice: "all that is in the picture", brain: "the brain alone" })}
</div>
${buttons()}
${numbers({ raw: "Brain wrong by, as scanned", left: "Brain wrong by, normalised" }, "left")}`;

function connect({ model, parts }) {
  const { width, pixels } = photograph(model.get("image"));
  const height = pixels.length / width;
  const brain = Array.from(pixels, (value) => value > AIR);
  const everywhere = brain.map(() => true);
  const references = {
    slice: normalised(pixels, everywhere),
    brain: normalised(pixels, brain),
  };

  return (now) => {
    const x = scanned(pixels, width, now);
    const inside = kept(width, height, now.crop);
    const compared = inside.slice();
    for (let i = 0; i < compared.length; i += 1) compared[i] &&= brain[i];
    const chosen = now.over === "brain" ? compared : inside;
    const y = normalised(x, chosen);
    const reference = references[now.over];
    const [raw, left] = [apart(x, pixels, compared), apart(y, reference, compared)];
    const wrong = new Float64Array(y.length);
    for (let i = 0; i < wrong.length; i += 1) {
      wrong[i] = y[i] - reference[i];
      if (!inside[i]) x[i] = y[i] = wrong[i] = NaN; // not seen
    }
    paint(parts.before, x, BEFORE, width);
    paint(parts.after, y, AFTER, width);
    paint(parts.wrong, wrong, DIFFERENCE, width);
    parts.left.dataset.value = left;
    const values = Object.fromEntries(
      ["gain", "offset", "field", "crop"].map((key) => [key, fixed(now[key])]),
    );
    return {
      values,
      numbers: { raw: fixed(raw, 3), left: fixed(left, 3) },
      summary:
        `Gain ${values.gain}, offset ${values.offset}, bias field ${values.field}, cropped by ` +
        `${values.crop}: after normalisation the brain is wrong by ${fixed(left, 3)}.`,
    };
  };
}

export default explorable({
  start: { gain: 0.4, offset: 0.5, field: 0, crop: 0, over: "slice" },
  presets: { "Bias field": { field: 0.4 }, "Cropped": { crop: 0.4 } },
  html: HTML,
  connect,
});
