// Contrast response: a model neuron and instance normalisation look for the same grating, with
// another grating, the mask, laid across it.
//
// Model: optionally contrast, mask, sigma and exponent.

const EPS = 1e-5;
const CYCLES = { grating: 4, mask: 4 };
const SIDE = 96;
// The contrast is on a logarithmic scale, as in the laboratory: the slider moves its exponent.
const DECADES = [-3, 0];
const SLIDERS = [
  { key: "contrast", label: "Contrast", symbol: "c", min: -3, max: 0, step: 0.05, value: -1 },
  { key: "mask", label: "Mask", symbol: "d", min: 0, max: 1, step: 0.01, value: 0 },
  { key: "sigma", label: "Constant", symbol: "σ", min: 0.01, max: 0.5, step: 0.01, value: 0.15 },
  { key: "exponent", label: "Exponent", symbol: "n", min: 1, max: 4, step: 0.1, value: 2 },
];
const POINTS = 121;
const PLOT = { width: 300, height: 160, left: 34, right: 10, top: 10, bottom: 26 };

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
  return Float64Array.from({ length: side * side }, (_, i) => {
    return across[i % side] + down[Math.floor(i / side)];
  });
}

const slider = ({ key, label, symbol, min, max, step }) => `
<div class="ex-slider">
  <label><span>${label} <i>${symbol}</i></span>
    <input type="range" name="${key}" min="${min}" max="${max}" step="${step}"></label>
  <output aria-live="off"></output>
</div>`;

const across = (decade) =>
  PLOT.left +
  ((decade - DECADES[0]) / (DECADES[1] - DECADES[0])) * (PLOT.width - PLOT.left - PLOT.right);
const up = (value) => PLOT.height - PLOT.bottom - value * (PLOT.height - PLOT.top - PLOT.bottom);

function axes() {
  const ticks = [-3, -2, -1, 0].map(
    (decade) => `<path class="ex-grid" d="M${across(decade)} ${up(0)}V${up(1)}"/>
      <text x="${across(decade)}" y="${PLOT.height - 8}" text-anchor="middle">${10 ** decade}</text>`,
  );
  const levels = [0, 0.5, 1].map(
    (level) => `<path class="ex-grid" d="M${across(-3)} ${up(level)}H${across(0)}"/>
      <text x="${PLOT.left - 6}" y="${up(level) + 4}" text-anchor="end">${level}</text>`,
  );
  return ticks.join("") + levels.join("");
}

const TEMPLATE = `
<div class="ex-response">
  <figure>
    <div class="ex-title">On the screen</div>
    <canvas role="img" width="${SIDE}" height="${SIDE}"></canvas>
  </figure>
  <figure>
    <div class="ex-title">Response against contrast</div>
    <svg role="img" viewBox="0 0 ${PLOT.width} ${PLOT.height}">
      ${axes()}
      <path class="ex-norm"/><path class="ex-neuron"/>
      <circle class="ex-norm-dot" r="4.5"/><circle class="ex-neuron-dot" r="4.5"/>
    </svg>
    <p class="ex-note"><b class="ex-neuron-key">Solid</b>: the neuron.
      <b class="ex-norm-key">Dashed</b>: instance norm, ε = 0.00001.</p>
  </figure>
</div>
<div class="ex-controls">
  ${SLIDERS.map(slider).join("")}
  <button type="button">Reset</button>
</div>
<dl class="ex-numbers">
  <div class="ex-key"><dt>The neuron answers</dt><dd data-name="neuron"></dd></div>
  <div><dt>half at a contrast of</dt><dd data-name="neuron-half"></dd></div>
  <div><dt>Instance norm answers</dt><dd data-name="norm"></dd></div>
  <div><dt>half at a contrast of</dt><dd data-name="norm-half"></dd></div>
</dl>
<p class="ex-summary" aria-live="polite"></p>`;

function paint(canvas, x) {
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  for (let i = 0; i < x.length; i += 1) {
    // Clipped where it is stored, for the eye only.
    const grey = 128 + 80 * x[i];
    picture.data.set([grey, grey, grey, 255], 4 * i);
  }
  context.putImageData(picture, 0, 0);
}

function curve(respond) {
  const points = Array.from({ length: POINTS }, (_, i) => {
    const decade = DECADES[0] + ((DECADES[1] - DECADES[0]) * i) / (POINTS - 1);
    return `${across(decade).toFixed(1)} ${up(respond(10 ** decade)).toFixed(1)}`;
  });
  return `M${points.join("L")}`;
}

function render({ model, el }) {
  el.classList.add("ex");
  el.innerHTML = TEMPLATE;
  const canvas = el.querySelector("canvas");
  const plot = el.querySelector("svg");
  const parts = [
    [neuron, el.querySelector(".ex-neuron"), el.querySelector(".ex-neuron-dot")],
    [norm, el.querySelector(".ex-norm"), el.querySelector(".ex-norm-dot")],
  ];
  const outputs = el.querySelectorAll("output");
  const inputs = SLIDERS.map(({ key }) => el.querySelector(`[name=${key}]`));
  const numbers = Object.fromEntries(
    [...el.querySelectorAll("[data-name]")].map((node) => [node.dataset.name, node]),
  );
  const summary = el.querySelector(".ex-summary");

  function settings() {
    const values = SLIDERS.map(({ key, value }) => [key, model.get(key) ?? value]);
    return Object.fromEntries(values);
  }

  function draw() {
    const set = settings();
    const c = 10 ** set.contrast;
    paint(canvas, stimulus(c, set.mask, SIDE));
    for (const [respond, line, dot] of parts) {
      line.setAttribute("d", curve((contrast) => respond(contrast, set)));
      dot.setAttribute("cx", across(set.contrast));
      dot.setAttribute("cy", up(respond(c, set)));
    }
    const [ours, theirs] = halves(set);
    numbers.neuron.textContent = neuron(c, set).toFixed(3);
    numbers.norm.textContent = norm(c, set).toFixed(3);
    numbers["neuron-half"].textContent = ours.toFixed(3);
    numbers["norm-half"].textContent = theirs.toFixed(3);
    inputs.forEach((input, i) => {
      const { key } = SLIDERS[i];
      input.value = set[key];
      outputs[i].textContent = key === "contrast" ? c.toFixed(3) : set[key].toFixed(2);
      if (key === "contrast") input.setAttribute("aria-valuetext", c.toFixed(3));
    });
    canvas.setAttribute(
      "aria-label",
      `An upright grating of contrast ${c.toFixed(3)} under a mask of ${set.mask.toFixed(2)}`,
    );
    plot.setAttribute(
      "aria-label",
      `Two rising curves: the neuron's passes one half at ${ours.toFixed(3)}, ` +
        `that of instance norm at ${theirs.toFixed(3)}`,
    );
  }

  let frame = 0;
  function schedule() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
  }

  // Spoken once a slider comes to rest, not at every step of a drag.
  function say() {
    requestAnimationFrame(() => {
      summary.textContent =
        `Contrast ${(10 ** settings().contrast).toFixed(3)}: the neuron answers ` +
        `${numbers.neuron.textContent}, instance norm ${numbers.norm.textContent}.`;
    });
  }

  inputs.forEach((input, i) => {
    const { key } = SLIDERS[i];
    input.addEventListener("input", () => model.set(key, Number(input.value)));
    input.addEventListener("change", () => {
      model.save_changes();
      say();
    });
    model.on(`change:${key}`, schedule);
  });
  el.querySelector("button").addEventListener("click", () => {
    for (const { key, value } of SLIDERS) model.set(key, value);
    model.save_changes();
    say();
  });

  draw();
  return () => {
    cancelAnimationFrame(frame);
    for (const { key } of SLIDERS) model.off(`change:${key}`, schedule);
  };
}

export default { render };
