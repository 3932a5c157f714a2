// Epsilon: a photograph at a contrast of your choice, normalised with an eps of your choice.
//
// Model: image {shape: [H, W], uint8: base64}, and optionally logC, logEps and eightBit.

const SLIDERS = [
  { key: "logC", label: "Contrast", symbol: "c", min: -4, max: -0.6, step: 0.05, value: -1 },
  { key: "logEps", label: "Epsilon", symbol: "ε", min: -10, max: 0, step: 0.1, value: -5 },
];
const MIDDLE = 0.5;
const LEVELS = 255;
const SHOWN = 2.5; // normalised values from -2.5 to 2.5 go from black to white
const CURVE = 80;
const PLOT = { width: 320, height: 190, left: 44, right: 8, top: 10, bottom: 36 };
const AXES = { c: [-4, 0], out: [-3, 0.3] };

/** Deviation of the output for a plane of deviation c. */
export const amplitude = (c, eps) => c / Math.sqrt(c * c + eps);

/** What a small change of an input is multiplied by, and a gradient on its way back. */
export const gain = (c, eps) => 1 / Math.sqrt(c * c + eps);

/** Mean and biased variance, of the values less the first one: large offsets then cost nothing. */
export function moments(x) {
  const shift = x[0];
  let sum = 0;
  for (let i = 0; i < x.length; i += 1) sum += x[i] - shift;
  const mean = sum / x.length;
  let squares = 0;
  for (let i = 0; i < x.length; i += 1) squares += (x[i] - shift - mean) ** 2;
  return { shift, mean, variance: squares / x.length };
}

/** Instance normalisation of one plane, as `instnorm.instance_norm` computes it. */
export function instanceNorm(x, eps) {
  const { shift, mean, variance } = moments(x);
  const s = Math.sqrt(variance + eps);
  return x.map((v) => (s > 0 ? (v - shift - mean) / s : 0));
}

/** The pattern (mean 0, variance 1) around mid-grey with deviation c, and in 256 levels if asked. */
export function expose(pattern, c, eightBit) {
  const x = new Float64Array(pattern.length);
  for (let i = 0; i < x.length; i += 1) {
    const v = MIDDLE + c * pattern[i];
    x[i] = eightBit ? Math.min(1, Math.max(0, Math.round(LEVELS * v) / LEVELS)) : v;
  }
  return x;
}

function decode({ shape: [height, width], uint8 }) {
  const bytes = Uint8Array.from(atob(uint8), (c) => c.charCodeAt(0));
  return { width, height, pixels: Float64Array.from(bytes, (v) => v / LEVELS) };
}

const across = (logC) =>
  PLOT.left + ((logC - AXES.c[0]) / (AXES.c[1] - AXES.c[0])) * (PLOT.width - PLOT.left - PLOT.right);
const upward = (logOut) =>
  PLOT.height - PLOT.bottom -
  ((logOut - AXES.out[0]) / (AXES.out[1] - AXES.out[0])) * (PLOT.height - PLOT.top - PLOT.bottom);
const within = (logOut) => Math.max(AXES.out[0], logOut);
const raised = (text) => [...text].map((d) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(d)]).join("");
const power = (k) => (k === 0 ? "1" : `10${raised(String(k))}`);

const FLOOR = PLOT.height - PLOT.bottom;
const TICKS =
  [-4, -3, -2, -1, 0]
    .map((k) => `<path class="ex-thin" d="M${across(k)} ${FLOOR}v4"/>
      <text x="${across(k)}" y="${FLOOR + 17}" text-anchor="middle">${power(k)}</text>`)
    .join("") +
  [-3, -2, -1, 0]
    .map((k) => `<path class="ex-grid" d="M${PLOT.left} ${upward(k).toFixed(1)}H${PLOT.width - PLOT.right}"/>
      <text x="${PLOT.left - 6}" y="${(upward(k) + 4).toFixed(1)}" text-anchor="end">${power(k)}</text>`)
    .join("");

const TEMPLATE = `
<div class="ex-panels">
  <div class="ex-panel"><div class="ex-title">The input</div>
    <canvas role="img" aria-label="The photograph at the contrast c"></canvas></div>
  <div class="ex-panel"><div class="ex-title">Normalised</div>
    <canvas role="img" aria-label="The same after instance normalisation"></canvas></div>
</div>
<svg class="ex-drawing ex-plot" viewBox="0 0 ${PLOT.width} ${PLOT.height}" role="img"
     aria-label="Deviation of the output against the contrast of the input, both on logarithmic axes: a slope that bends into a plateau at the root of epsilon">
  ${TICKS}
  <path class="ex-ray" data-part="threshold"/>
  <text data-part="root" text-anchor="middle">√ε</text>
  <path class="ex-curve" data-part="curve"/>
  <circle class="ex-point" data-part="dot" r="6"/>
  <text x="${(PLOT.width + PLOT.left) / 2}" y="${PLOT.height - 4}" text-anchor="middle">contrast c of the input</text>
</svg>
<p class="ex-note">Line: c / √(c² + ε). Dot: the deviation of the picture on the right.</p>
<div class="ex-controls">
  ${SLIDERS.map(
    ({ key, label, symbol, min, max, step }) => `
  <div class="ex-slider"><label><span>${label} <i>${symbol}</i></span>
    <input type="range" name="${key}" min="${min}" max="${max}" step="${step}"></label>
    <output aria-live="off"></output></div>`,
  ).join("")}
  <label class="ex-check"><input type="checkbox" name="eightBit"> Save the input with 8 bits a pixel first</label>
  <button type="button">Reset</button>
</div>
<dl class="ex-numbers">
  <div><dt>Threshold √ε</dt><dd data-name="threshold"></dd></div>
  <div><dt>Gain 1/√(σ² + ε)</dt><dd data-name="gain"></dd></div>
  <div class="ex-key"><dt>Deviation of the output</dt><dd data-name="out"></dd></div>
</dl>
<p class="ex-summary" aria-live="polite"></p>`;

function paint(canvas, x, [low, high]) {
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  const { data } = picture;
  const scale = 255 / (high - low);
  for (let i = 0; i < x.length; i += 1) {
    const grey = (x[i] - low) * scale;
    data[4 * i] = grey;
    data[4 * i + 1] = grey;
    data[4 * i + 2] = grey;
    data[4 * i + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
}

// Three digits, and a power of ten where the number is small: 1.0e-5.
function show(value) {
  if (value === 0) return "0";
  if (value >= 100) return value.toFixed(0);
  if (value >= 0.001) return value.toPrecision(3);
  return value.toExponential(1);
}

function render({ model, el }) {
  const { width, height, pixels } = decode(model.get("image"));
  const pattern = instanceNorm(pixels, 0);

  el.classList.add("ex");
  el.innerHTML = TEMPLATE;
  const canvases = [...el.querySelectorAll("canvas")];
  for (const canvas of canvases) Object.assign(canvas, { width, height });
  const named = (attribute) =>
    Object.fromEntries(
      [...el.querySelectorAll(`[data-${attribute}]`)].map((node) => [node.dataset[attribute], node]),
    );
  const parts = named("part");
  const numbers = named("name");
  const inputs = SLIDERS.map(({ key }) => el.querySelector(`[name=${key}]`));
  const outputs = el.querySelectorAll("output");
  const check = el.querySelector("[name=eightBit]");
  const summary = el.querySelector(".ex-summary");
  const state = () => ({
    ...Object.fromEntries(SLIDERS.map(({ key, value }) => [key, model.get(key) ?? value])),
    eightBit: model.get("eightBit") ?? false,
  });

  function draw() {
    const { logC, logEps, eightBit } = state();
    const [c, eps] = [10 ** logC, 10 ** logEps];
    const x = expose(pattern, c, eightBit);
    const y = instanceNorm(x, eps);
    const out = Math.sqrt(moments(y).variance);
    paint(canvases[0], x, [0, 1]);
    paint(canvases[1], y, [-SHOWN, SHOWN]);

    const line = Array.from({ length: CURVE + 1 }, (_, i) => {
      const log = AXES.c[0] + ((AXES.c[1] - AXES.c[0]) * i) / CURVE;
      const y10 = Math.log10(amplitude(10 ** log, eps));
      return y10 < AXES.out[0] ? "" : `${across(log).toFixed(1)} ${upward(y10).toFixed(1)}`;
    }).filter(Boolean);
    parts.curve.setAttribute("d", `M${line.join("L")}`);
    const root = logEps / 2;
    const seen = root >= AXES.c[0];
    parts.threshold.setAttribute("d", seen ? `M${across(root).toFixed(1)} ${PLOT.top + 14}V${FLOOR}` : "");
    parts.root.setAttribute("x", across(Math.max(root, AXES.c[0])).toFixed(1));
    parts.root.setAttribute("y", PLOT.top + 8);
    parts.root.textContent = seen ? "√ε" : "";
    parts.dot.setAttribute("cx", across(logC).toFixed(1));
    parts.dot.setAttribute("cy", upward(out > 0 ? within(Math.log10(out)) : AXES.out[0]).toFixed(1));

    numbers.threshold.textContent = show(Math.sqrt(eps));
    numbers.gain.textContent = show(gain(Math.sqrt(moments(x).variance), eps));
    numbers.out.textContent = show(out);
    numbers.out.dataset.value = out;
    inputs.forEach((input, i) => {
      input.value = state()[SLIDERS[i].key];
      outputs[i].textContent = show([c, eps][i]);
      input.setAttribute("aria-valuetext", outputs[i].textContent);
    });
    check.checked = eightBit;
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
      summary.textContent =
        `Contrast ${outputs[0].textContent}, epsilon ${outputs[1].textContent}: ` +
        `the output has the deviation ${numbers.out.textContent}.`;
    });
  }

  inputs.forEach((input, i) => {
    input.addEventListener("input", () => model.set(SLIDERS[i].key, Number(input.value)));
    input.addEventListener("change", () => {
      model.save_changes();
      say();
    });
  });
  check.addEventListener("change", () => {
    model.set("eightBit", check.checked);
    model.save_changes();
    say();
  });
  el.querySelector("button").addEventListener("click", () => {
    for (const { key, value } of SLIDERS) model.set(key, value);
    model.set("eightBit", false);
    model.save_changes();
    say();
  });
  const keys = [...SLIDERS.map(({ key }) => key), "eightBit"];
  for (const key of keys) model.on(`change:${key}`, schedule);

  draw();
  return () => {
    cancelAnimationFrame(frame);
    for (const key of keys) model.off(`change:${key}`, schedule);
  };
}

export default { render };
