// Two degrees of freedom: a plane of three pixels is a point in space. Move it, and see which moves
// instance normalisation notices; or let a loss move it, downhill.
//
// Model, all optional: x [3 numbers], eps, target [3 numbers, already normalised].

const START = { x: [2.6, 0.7, 1.5], eps: 0 };
const ROOT3 = Math.sqrt(3);
const TARGET = [0, -Math.sqrt(1.5), Math.sqrt(1.5)];
// An orthonormal frame: two directions within the plane of sum 0, and the direction of equal values.
const FRAME = [
  [Math.SQRT1_2, -Math.SQRT1_2, 0],
  [1 / Math.sqrt(6), 1 / Math.sqrt(6), -2 / Math.sqrt(6)],
  [1 / ROOT3, 1 / ROOT3, 1 / ROOT3],
];
const RATE = 0.5;
const PIXELS = [0, 1, 2];
const RANGE = [-2, 4];

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/** Mean, biased variance, s = sqrt(variance + eps) and the normalised values of three pixels. */
export function normalise(x, eps) {
  const mean = (x[0] + x[1] + x[2]) / 3;
  const deviations = x.map((v) => v - mean);
  const variance = dot(deviations, deviations) / 3;
  const s = Math.sqrt(variance + eps);
  return { mean, variance, s, xHat: deviations.map((d) => (s > 0 ? d / s : 0)) };
}

/** Gradient by x, from the gradient by the normalised values. */
export function gradient(x, dy, eps) {
  const { s, xHat } = normalise(x, eps);
  const mean = (dy[0] + dy[1] + dy[2]) / 3;
  const along = dot(dy, xHat) / 3;
  return dy.map((g, i) => (s > 0 ? (g - mean - xHat[i] * along) / s : 0));
}

/** Gradient by x of the loss, half the squared distance of the normalised values from the target. */
export function lossGradient(x, target, eps) {
  return gradient(x, normalise(x, eps).xHat.map((v, i) => v - target[i]), eps);
}

/** Coordinates (u, v, h): u and v within the plane of sum 0, h along (1, 1, 1). */
export function toFrame(x) {
  return FRAME.map((axis) => dot(axis, x));
}

/** The inverse of `toFrame`. */
export function fromFrame(p) {
  return PIXELS.map((i) => FRAME.reduce((sum, axis, k) => sum + axis[i] * p[k], 0));
}

// --- drawing --------------------------------------------------------------------------------------

const UNIT = 30; // of the viewBox, to one unit of x: from the side
const WIDE = 42; // and along (1, 1, 1)
const TILT = 0.42; // what the oblique view leaves of a unit of v
const UP = 0.8; // and of h
const TURN = [Math.cos(0.45), Math.sin(-0.45)]; // so that no axis hides behind another
const LOW = { width: 300, height: 330, x: 150, y: 235 };
const TOP = { width: 300, height: 330, x: 150, y: 165 };

const above = ([u, v]) => [TOP.x + WIDE * u, TOP.y - WIDE * v];
const oblique = ([u, v, h]) => [
  LOW.x + UNIT * (TURN[0] * u - TURN[1] * v),
  LOW.y - UNIT * (TILT * (TURN[1] * u + TURN[0] * v) + UP * h),
];
const at = ([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`;

// The three axes, seen from above, to their ends at x = 3.
const axes = (project, flat) =>
  PIXELS.map((i) => {
    const end = toFrame(PIXELS.map((k) => (k === i ? 3.2 : 0)));
    if (flat) end[2] = 0;
    const [x, y] = project(end);
    const [tx, ty] = project(end.map((v) => v * 1.12));
    return `<path class="ex-thin" d="M${at(project([0, 0, 0]))}L${at([x, y])}"/>
      <text x="${tx.toFixed(1)}" y="${(ty + 5).toFixed(1)}" text-anchor="middle">${"x₁,x₂,x₃".split(",")[i]}</text>`;
  }).join("");

const TEMPLATE = `
<div class="ex-drawings">
  <figure>
    <div class="ex-title">From the side</div>
    <svg class="ex-drawing" viewBox="0 0 ${LOW.width} ${LOW.height}" role="img" data-view="side"
         aria-label="The point x in space, its shadow on the plane of sum zero, and the circle of outputs in that plane">
      <ellipse class="ex-sheet" cx="${LOW.x}" cy="${LOW.y}" rx="${UNIT * 4.4}" ry="${UNIT * 4.4 * TILT}"/>
      <path class="ex-thin" d="M${at(oblique([0, 0, -0.6]))}L${at(oblique([0, 0, 9]))}" stroke-dasharray="2 4"/>
      <text x="${LOW.x + 8}" y="20">all equal</text>
      ${axes(oblique, false)}
      <ellipse class="ex-circle" cx="${LOW.x}" cy="${LOW.y}" rx="${UNIT * ROOT3}" ry="${UNIT * ROOT3 * TILT}"/>
      <path class="ex-drop" data-part="drop"/>
      <path class="ex-ray" data-part="ray"/>
      <circle class="ex-shadow" data-part="shadow" r="4.5"/>
      <circle class="ex-hat" data-part="hat" r="7"/>
      <circle class="ex-point" data-part="point" r="7"/>
      <circle class="ex-handle" data-part="handle" r="26"/>
    </svg>
  </figure>
  <figure>
    <div class="ex-title">Along (1, 1, 1)</div>
    <svg class="ex-drawing" viewBox="0 0 ${TOP.width} ${TOP.height}" role="img" data-view="top"
         aria-label="The same seen along the direction of equal values: point, circle, output, target and downhill step">
      ${axes(above, true)}
      <circle class="ex-circle" cx="${TOP.x}" cy="${TOP.y}" r="${WIDE * ROOT3}"/>
      <path class="ex-trail" data-part="trail"/>
      <path class="ex-ray" data-part="ray"/>
      <path class="ex-target" data-part="target" d="M-9 0L0 -9L9 0L0 9Z"/>
      <path class="ex-step" data-part="step"/>
      <circle class="ex-hat" data-part="hat" r="7"/>
      <circle class="ex-point" data-part="point" r="7"/>
      <circle class="ex-handle" data-part="handle" r="26"/>
    </svg>
  </figure>
</div>
<p class="ex-note"><span class="ex-swatch ex-point-colour"></span>the input x
  <span class="ex-swatch ex-hat-colour"></span>the output x̂ <span class="ex-swatch ex-target-colour"></span>where the loss wants x̂;
  the arrow is the step downhill.</p>
<div class="ex-controls">
  ${PIXELS.map(
    (i) => `
  <div class="ex-slider"><label><span>Pixel <i>x${"₁₂₃"[i]}</i></span>
    <input type="range" name="x${i}" min="${RANGE[0]}" max="${RANGE[1]}" step="0.05"></label>
    <output aria-live="off"></output></div>`,
  ).join("")}
  <div class="ex-slider"><label><span>Epsilon <i>ε</i></span>
    <input type="range" name="eps" min="0" max="1" step="0.02"></label>
    <output aria-live="off"></output></div>
  <button type="button" data-do="step">Step downhill</button>
  <button type="button" data-do="reset">Reset</button>
</div>
<dl class="ex-numbers">
  <div><dt>Mean of x</dt><dd data-name="mean"></dd></div>
  <div><dt>Std of x</dt><dd data-name="std"></dd></div>
  <div><dt>Σ x̂²</dt><dd data-name="sqnorm"></dd></div>
  <div><dt>Σ ∂L/∂x</dt><dd data-name="total"></dd></div>
  <div><dt>⟨∂L/∂x, x̂⟩</dt><dd data-name="along"></dd></div>
  <div class="ex-key ex-row"><dt>Output x̂</dt><dd data-name="hat"></dd></div>
</dl>
<p class="ex-summary" aria-live="polite"></p>`;

// No "-0.00", and a true minus sign.
function show(value, digits = 2) {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? (0).toFixed(digits) : text.replace("-", "−");
}

function arrow([x0, y0], [x1, y1]) {
  const length = Math.hypot(x1 - x0, y1 - y0);
  if (length < 3) return "";
  const [ux, uy] = [(x1 - x0) / length, (y1 - y0) / length];
  const head = Math.min(9, length);
  const side = (k) => [x1 - head * ux + k * 0.5 * head * uy, y1 - head * uy - k * 0.5 * head * ux];
  return `M${at([x0, y0])}L${at([x1, y1])}M${at(side(1))}L${at([x1, y1])}L${at(side(-1))}`;
}

function render({ model, el }) {
  const target = model.get("target") ?? TARGET;
  const start = { x: model.get("x") ?? START.x, eps: model.get("eps") ?? START.eps };
  let trail = [];

  el.classList.add("ex");
  el.innerHTML = TEMPLATE;
  const views = Object.fromEntries(
    [...el.querySelectorAll("svg")].map((svg) => [
      svg.dataset.view,
      Object.fromEntries(
        [...svg.querySelectorAll("[data-part]")].map((node) => [node.dataset.part, node]),
      ),
    ]),
  );
  const inputs = PIXELS.map((i) => el.querySelector(`[name=x${i}]`));
  const epsInput = el.querySelector("[name=eps]");
  const outputs = el.querySelectorAll("output");
  const numbers = Object.fromEntries(
    [...el.querySelectorAll("[data-name]")].map((node) => [node.dataset.name, node]),
  );
  const summary = el.querySelector(".ex-summary");
  const state = () => ({ x: model.get("x") ?? start.x, eps: model.get("eps") ?? start.eps });

  function draw() {
    const { x, eps } = state();
    const { mean, variance, xHat } = normalise(x, eps);
    const dx = lossGradient(x, target, eps);
    const [u, v, h] = toFrame(x);
    const hat = toFrame(xHat);
    const step = toFrame(x.map((value, i) => value - RATE * dx[i]));
    const place = (node, [cx, cy]) => node.setAttribute("transform", `translate(${cx.toFixed(1)} ${cy.toFixed(1)})`);

    // The ray of all inputs with this output: from the middle, through the point, outwards.
    const length = Math.hypot(u, v);
    const far = length > 0 ? [(u / length) * 4.4, (v / length) * 4.4, 0] : [0, 0, 0];
    for (const [name, project] of [["side", oblique], ["top", above]]) {
      const parts = views[name];
      place(parts.point, project([u, v, h]));
      place(parts.handle, project([u, v, h]));
      place(parts.hat, project(hat));
      parts.ray.setAttribute("d", `M${at(project([0, 0, 0]))}L${at(project(far))}`);
    }
    place(views.side.shadow, oblique([u, v, 0]));
    views.side.drop.setAttribute("d", `M${at(oblique([u, v, h]))}L${at(oblique([u, v, 0]))}`);
    place(views.top.target, above(toFrame(target)));
    views.top.step.setAttribute("d", arrow(above([u, v]), above(step)));
    views.top.trail.setAttribute(
      "d",
      trail.map((p, i) => `${i ? "L" : "M"}${at(above(toFrame(p)))}`).join(""),
    );

    numbers.mean.textContent = show(mean);
    numbers.std.textContent = show(Math.sqrt(variance));
    numbers.hat.textContent = xHat.map((value) => show(value)).join(", ");
    numbers.sqnorm.textContent = show(dot(xHat, xHat));
    numbers.total.textContent = show(dx[0] + dx[1] + dx[2]);
    numbers.along.textContent = show(dot(dx, xHat));
    inputs.forEach((input, i) => {
      input.value = x[i];
      outputs[i].textContent = show(x[i]);
    });
    epsInput.value = eps;
    outputs[3].textContent = show(eps);
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
        `Output ${numbers.hat.textContent}; mean of the input ${numbers.mean.textContent}, ` +
        `deviation ${numbers.std.textContent}.`;
    });
  }

  function move(x, { keepTrail = false } = {}) {
    if (!keepTrail) trail = [];
    model.set("x", x);
  }

  inputs.forEach((input, i) => {
    input.addEventListener("input", () => {
      move(state().x.map((value, k) => (k === i ? Number(input.value) : value)));
    });
  });
  epsInput.addEventListener("input", () => model.set("eps", Number(epsInput.value)));
  for (const input of [...inputs, epsInput]) {
    input.addEventListener("change", () => {
      model.save_changes();
      say();
    });
  }

  el.querySelector("[data-do=step]").addEventListener("click", () => {
    const { x, eps } = state();
    const dx = lossGradient(x, target, eps);
    const next = x.map((value, i) => value - RATE * dx[i]);
    trail = [...(trail.length ? trail : [x]), next].slice(-200);
    move(next, { keepTrail: true });
    model.save_changes();
    say();
  });
  el.querySelector("[data-do=reset]").addEventListener("click", () => {
    move(start.x);
    model.set("eps", start.eps);
    model.save_changes();
    schedule();
    say();
  });

  // Drag: along (1, 1, 1) in the side view, within the plane in the other.
  for (const [name, parts] of Object.entries(views)) {
    const { handle } = parts;
    const svg = handle.ownerSVGElement;
    let grip = null;
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      grip = { x: event.clientX, y: event.clientY, from: toFrame(state().x) };
      event.preventDefault();
    });
    handle.addEventListener("pointermove", (event) => {
      if (!grip) return;
      const unit = name === "top" ? WIDE : UNIT;
      const scale = TOP.width / svg.getBoundingClientRect().width / unit;
      const [u, v, h] = grip.from;
      const right = (event.clientX - grip.x) * scale;
      const up = (grip.y - event.clientY) * scale;
      move(fromFrame(name === "top" ? [u + right, v + up, h] : [u, v, h + up / UP]));
    });
    for (const end of ["pointerup", "pointercancel"]) {
      handle.addEventListener(end, () => {
        if (!grip) return;
        grip = null;
        model.save_changes();
        say();
      });
    }
  }

  model.on("change:x", schedule);
  model.on("change:eps", schedule);
  draw();
  return () => {
    cancelAnimationFrame(frame);
    model.off("change:x", schedule);
    model.off("change:eps", schedule);
  };
}

export default { render };
