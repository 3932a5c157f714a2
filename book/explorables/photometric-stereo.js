// Photometric stereo: light a painted ball from four sides, one lamp of them yours to move, and
// normalise its pictures over each picture, over the lamps, or not at all, before they are fitted.
//
// Model, all optional: direction and tilt in degrees, over ("nothing", "pictures" or "lamps").

const START = { direction: 200, tilt: 25, over: "nothing" };
const SLIDERS = [
  { key: "direction", label: "Lamp from", max: 360, step: 5 },
  { key: "tilt", label: "Lamp tilted by", max: 35, step: 1 },
];
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
export function overPictures(images) {
  return images.map((image) => {
    let sum = 0;
    for (const v of image) sum += v;
    const mean = sum / image.length;
    let squares = 0;
    for (const v of image) squares += (v - mean) ** 2;
    const rstd = 1 / Math.sqrt(squares / image.length);
    return image.map((v) => (v - mean) * rstd);
  });
}

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
    const g = inverse.map((row) => row.reduce((s, w, k) => s + w * images[k][i], 0));
    albedo[i] = Math.hypot(...g);
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

// --- the page -------------------------------------------------------------------------------------

const panel = (title, alt) => `
<div class="ex-panel">
  <div class="ex-title">${title}</div>
  <canvas role="img" width="${SIDE}" height="${SIDE}" aria-label="${alt}"></canvas>
</div>`;

const slider = ({ key, label, max, step }) => `
<div class="ex-slider">
  <label><span>${label}</span>
    <input type="range" name="${key}" min="0" max="${max}" step="${step}"></label>
  <output aria-live="off"></output>
</div>`;

const TEMPLATE = `
<div class="ex-panels ex-three">
  ${panel("Given", "The picture under your lamp, as the fit receives it")}
  ${panel("Shape found", "The shape that was found, without paint, lit from the upper left")}
  ${panel("Paint found", "The albedo that was found")}
</div>
<p class="ex-note">Left: the picture under your lamp, as it is handed on; its brightest pixel is
white. Middle: the normals that were found, lit from the upper left.</p>
<div class="ex-controls">
  <div class="ex-choice"><label><span>Normalise over</span>
    <select name="over">
      ${Object.entries(WAYS)
        .map(([value, label]) => `<option value="${value}">${label}</option>`)
        .join("")}
    </select></label></div>
  ${SLIDERS.map(slider).join("")}
</div>
<dl class="ex-numbers">
  <div><dt>Brightness given, mean</dt><dd data-name="mean"></dd></div>
  <div class="ex-key"><dt>Normals wrong by</dt><dd data-name="error"></dd></div>
  <div><dt>White : grey (2 is true)</dt><dd data-name="ratio"></dd></div>
</dl>
<p class="ex-summary" aria-live="polite"></p>`;

/** Paint P values into a picture: black at `low`, white at `high`, clear beside the ball. */
function paint(canvas, places, values, low, high) {
  const context = canvas.getContext("2d");
  const picture = context.createImageData(SIDE, SIDE);
  const scale = 255 / (high - low || 1);
  for (let i = 0; i < places.length; i += 1) {
    const at = 4 * places[i];
    picture.data.fill((values[i] - low) * scale, at, at + 3);
    picture.data[at + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
}

function extremes(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const v of values) {
    low = Math.min(low, v);
    high = Math.max(high, v);
  }
  return [low, high];
}

const LOOK = lamp(135, 45);

function shade(normals) {
  const out = new Float64Array(normals.length / 3);
  for (let i = 0; i < out.length; i += 1) {
    out[i] = LOOK[0] * normals[3 * i] + LOOK[1] * normals[3 * i + 1] + LOOK[2] * normals[3 * i + 2];
  }
  return out;
}

function render({ model, el }) {
  const scene = ball();
  el.classList.add("ex");
  el.innerHTML = TEMPLATE;
  const canvases = el.querySelectorAll("canvas");
  const select = el.querySelector("select");
  const inputs = SLIDERS.map(({ key }) => el.querySelector(`[name=${key}]`));
  const outputs = el.querySelectorAll("output");
  const numbers = Object.fromEntries(
    [...el.querySelectorAll("[data-name]")].map((node) => [node.dataset.name, node]),
  );
  const summary = el.querySelector(".ex-summary");
  const keys = Object.keys(START);
  const state = () => Object.fromEntries(keys.map((key) => [key, model.get(key) ?? START[key]]));

  function draw() {
    const now = state();
    const { picture, normals, albedo, error, ratio } = experiment(scene, now);
    const [dark, bright] = now.over === "pictures" ? extremes(picture) : [0, extremes(picture)[1]];
    paint(canvases[0], scene.places, picture, dark, bright);
    paint(canvases[1], scene.places, shade(normals), 0, 1);
    paint(canvases[2], scene.places, albedo, 0, extremes(albedo)[1]);
    const mean = picture.reduce((s, v) => s + v, 0) / picture.length;
    numbers.mean.textContent = Math.abs(mean).toFixed(2);
    numbers.error.textContent = `${error.toFixed(1)}°`;
    numbers.error.dataset.value = error;
    numbers.ratio.textContent = ratio.toFixed(2);
    numbers.ratio.dataset.value = ratio;
    select.value = now.over;
    inputs.forEach((input, i) => {
      input.value = now[SLIDERS[i].key];
      outputs[i].textContent = `${now[SLIDERS[i].key]}°`;
    });
  }

  let frame = 0;
  function schedule() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
  }

  // Spoken once a control comes to rest, not at every step of a drag.
  function say() {
    requestAnimationFrame(() => {
      const { over } = state();
      summary.textContent =
        `Normalised over ${WAYS[over]}: normals wrong by ${numbers.error.textContent}, ` +
        `white to grey ${numbers.ratio.textContent}.`;
    });
  }

  const rest = () => {
    model.save_changes();
    say();
  };
  inputs.forEach((input, i) => {
    input.addEventListener("input", () => model.set(SLIDERS[i].key, Number(input.value)));
    input.addEventListener("change", rest);
  });
  select.addEventListener("change", () => {
    model.set("over", select.value);
    rest();
  });
  for (const key of keys) model.on(`change:${key}`, schedule);

  draw();
  return () => {
    cancelAnimationFrame(frame);
    for (const key of keys) model.off(`change:${key}`, schedule);
  };
}

export default { render };
