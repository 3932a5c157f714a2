// Photometric stereo: light a painted ball from four sides, one lamp of them yours to move, and
// normalise its pictures over each picture, over the lamps, or not at all, before they are fitted.
//
// Model, all optional: direction and tilt in degrees, over ("nothing", "pictures" or "lamps").

import {
  buttons, canvas, explorable, fixed, numbers, paint, select, slider,
} from "./explorable.js";
import { instanceNorm, moments } from "./statistics.js";

const WAYS = {
  nothing: "nothing",
  pictures: "each picture (instance norm)",
  lamps: "the lamps (each pixel)",
};
// The lamps that stay where they are: direction and tilt in degrees. With tilts of up to 35° and
// a rim at 50° no pixel is ever in a shadow.
const FIXED = [
  [0, 30],
  [120, 30],
  [240, 30],
];
const RIM = 50;
const SIDE = 56;
const PAINT = { white: 0.9, grey: 0.45, sectors: 8 };

const radians = (degrees) => (degrees * Math.PI) / 180;

/** The unit vector (x, y, z) towards a lamp: y upwards, z towards the camera. */
export function lamp(direction, tilt) {
  const [a, t] = [radians(direction), radians(tilt)];
  return [Math.sin(t) * Math.cos(a), Math.sin(t) * Math.sin(a), Math.cos(t)];
}

/**
 * The front of a ball, seen on side × side pixels: for each of the P pixels on it, its place in
 * the picture, its normal (3P numbers, x y z after each other) and its albedo.
 */
export function ball(side = SIDE) {
  const radius = Math.sin(radians(RIM));
  const [places, normals, albedo] = [[], [], []];
  for (let row = 0; row < side; row += 1) {
    for (let column = 0; column < side; column += 1) {
      const x = radius * ((2 * column + 1) / side - 1);
      const y = radius * (1 - (2 * row + 1) / side);
      const r2 = x * x + y * y;
      if (r2 >= radius * radius) continue;
      places.push(row * side + column);
      normals.push(x, y, Math.sqrt(1 - r2));
      const turn = (Math.atan2(y, x) / (2 * Math.PI) + 1) % 1;
      albedo.push(Math.floor(turn * PAINT.sectors) % 2 ? PAINT.grey : PAINT.white);
    }
  }
  return { places, normals: Float64Array.from(normals), albedo: Float64Array.from(albedo) };
}

/** Lambert's law: one picture (P numbers) for each lamp. */
export function pictures({ normals, albedo }, lamps) {
  return lamps.map((l) => {
    const picture = new Float64Array(albedo.length);
    for (let i = 0; i < picture.length; i += 1) {
      const facing = l[0] * normals[3 * i] + l[1] * normals[3 * i + 1] + l[2] * normals[3 * i + 2];
      picture[i] = albedo[i] * Math.max(0, facing);
    }
    return picture;
  });
}

/** Instance norm of each picture, over its pixels, with eps = 0. */
export const overPictures = (images) => images.map((image) => instanceNorm(image, 0));

/** Each pixel over the root of the sum of its squares over the lamps; black stays black. */
export function overLamps(images) {
  const out = images.map((image) => new Float64Array(image.length));
  for (let i = 0; i < images[0].length; i += 1) {
    let squares = 0;
    for (const image of images) squares += image[i] ** 2;
    const length = Math.sqrt(squares) || 1;
    images.forEach((image, k) => {
      out[k][i] = image[i] / length;
    });
  }
  return out;
}

/** The three rows of the pseudo-inverse (L'L)⁻¹L' of lamps (K × 3). */
function pseudoInverse(lamps) {
  const m = [0, 1, 2].map((a) => [0, 1, 2].map((b) => lamps.reduce((s, l) => s + l[a] * l[b], 0)));
  const cofactor = (r, c) => {
    const [a, b] = [(r + 1) % 3, (r + 2) % 3];
    const [d, e] = [(c + 1) % 3, (c + 2) % 3];
    return m[a][d] * m[b][e] - m[a][e] * m[b][d];
  };
  const determinant = [0, 1, 2].reduce((s, c) => s + m[0][c] * cofactor(0, c), 0);
  // m is symmetric, so that its cofactors need not be transposed.
  return [0, 1, 2].map((r) =>
    lamps.map((l) => [0, 1, 2].reduce((s, c) => s + cofactor(r, c) * l[c], 0) / determinant),
  );
}

/** Unit normals (3P numbers) and albedo (P numbers), by least squares at each pixel. */
export function photometricStereo(images, lamps) {
  const inverse = pseudoInverse(lamps);
  const albedo = new Float64Array(images[0].length);
  const normals = new Float64Array(3 * albedo.length);
  for (let i = 0; i < albedo.length; i += 1) {
    const g = [0, 0, 0];
    for (let d = 0; d < 3; d += 1) {
      for (let k = 0; k < images.length; k += 1) g[d] += inverse[d][k] * images[k][i];
    }
    albedo[i] = Math.sqrt(g[0] * g[0] + g[1] * g[1] + g[2] * g[2]);
    for (let d = 0; d < 3; d += 1) normals[3 * i + d] = g[d] / (albedo[i] || 1);
  }
  return { normals, albedo };
}

/** Mean angle in degrees between two fields of unit vectors. */
export function meanAngle(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i += 3) {
    const cosine = a[i] * b[i] + a[i + 1] * b[i + 1] + a[i + 2] * b[i + 2];
    sum += Math.acos(Math.min(1, Math.max(-1, cosine)));
  }
  return ((sum / (a.length / 3)) * 180) / Math.PI;
}

/** Mean of the found albedo where the paint is white, over that where it is grey. */
export function whiteToGrey(found, painted) {
  const sums = { white: [0, 0], grey: [0, 0] };
  for (let i = 0; i < found.length; i += 1) {
    const sum = painted[i] === PAINT.white ? sums.white : sums.grey;
    sum[0] += found[i];
    sum[1] += 1;
  }
  return sums.white[0] / sums.white[1] / (sums.grey[0] / sums.grey[1]);
}

/** Everything the figure shows, for a scene, a lamp and a way to normalise. */
export function experiment(scene, { direction, tilt, over }) {
  const lamps = [lamp(direction, tilt), ...FIXED.map((place) => lamp(...place))];
  const seen = pictures(scene, lamps);
  const given = { nothing: (x) => x, pictures: overPictures, lamps: overLamps }[over](seen);
  const found = photometricStereo(given, lamps);
  return {
    picture: given[0],
    ...found,
    error: meanAngle(found.normals, scene.normals),
    ratio: whiteToGrey(found.albedo, scene.albedo),
  };
}

// --- drawing --------------------------------------------------------------------------------------

const EYE = lamp(135, 45); // the light in which the shape that was found is shown

function shade(normals) {
  const out = new Float64Array(normals.length / 3);
  for (let i = 0; i < normals.length; i += 1) out[Math.floor(i / 3)] += EYE[i % 3] * normals[i];
  return out;
}

const least = (values) => values.reduce((a, b) => Math.min(a, b));
const greatest = (values) => values.reduce((a, b) => Math.max(a, b));

const HTML = `
<div class="ex-panels ex-three">
  ${canvas("given", "Given", "The picture under your lamp, as the fit receives it")}
  ${canvas("shape", "Shape found", "The shape that was found, without paint, lit from the upper left")}
  ${canvas("paint", "Paint found", "The albedo that was found")}
</div>
<p class="ex-note">Left: the picture under your lamp, as the fit receives it; its brightest
pixel is drawn white. Middle: the normals that were found, lit from the upper left.</p>
${select("over", "Normalise over", WAYS)}
${slider("direction", "Lamp from", 0, 360, 5)}
${slider("tilt", "Lamp tilted by", 0, 35, 1)}
${buttons()}
${numbers(
  { mean: "Brightness given, mean", ratio: "White : grey (2 is true)", error: "Normals wrong by" },
  "error",
)}`;

function connect({ parts }) {
  const scene = ball();
  // From the pixels on the ball to a whole picture, which is clear beside it.
  const picture = new Float64Array(SIDE * SIDE).fill(NaN);
  function show(name, values, ends) {
    scene.places.forEach((place, i) => (picture[place] = values[i]));
    paint(parts[name], picture, ends, SIDE);
  }

  return ({ direction, tilt, over }) => {
    const found = experiment(scene, { direction, tilt, over });
    const { error, ratio } = found;
    const dark = over === "pictures" ? least(found.picture) : 0;
    show("given", found.picture, [dark, greatest(found.picture)]);
    show("shape", shade(found.normals), [0, 1]);
    show("paint", found.albedo, [0, greatest(found.albedo)]);
    parts.error.dataset.value = error;
    parts.ratio.dataset.value = ratio;
    return {
      values: { direction: `${direction}°`, tilt: `${tilt}°` },
      numbers: {
        mean: fixed(moments(found.picture).mean),
        ratio: fixed(ratio),
        error: `${fixed(error, 1)}°`,
      },
      summary:
        `Normalised over ${WAYS[over]}: normals wrong by ${fixed(error, 1)}°, ` +
        `white to grey ${fixed(ratio)}.`,
    };
  };
}

export default explorable({
  start: { direction: 200, tilt: 25, over: "nothing" },
  html: HTML,
  connect,
});
