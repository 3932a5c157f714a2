// Two degrees of freedom: a plane of three pixels is a point in space. Move it, and see which moves
// instance normalisation notices; or let a loss move it, downhill.
//
// Model, all optional: x0, x1, x2 and eps.

import { button, buttons, explorable, fixed, numbers, slider } from "./explorable.js";

const ROOT3 = Math.sqrt(3);
// Where the loss wants the normalised values.
const TARGET = [0, -Math.sqrt(1.5), Math.sqrt(1.5)];
// An orthonormal frame: two directions within the plane of sum 0, and the direction of equal values.
const FRAME = [
  [Math.SQRT1_2, -Math.SQRT1_2, 0],
  [1 / Math.sqrt(6), 1 / Math.sqrt(6), -2 / Math.sqrt(6)],
  [1 / ROOT3, 1 / ROOT3, 1 / ROOT3],
];
const RATE = 0.5;
const PIXELS = [0, 1, 2];

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

const SIZE = { width: 300, height: 330 };
const TURN = [Math.cos(0.45), Math.sin(-0.45)]; // so that no axis hides behind another
const TILT = 0.42; // what the view from the side leaves of a unit of v
const UP = 0.8; // and of h
// The two views: their middle, and a unit of x, in units of the viewBox.
const SIDE = { x: 150, y: 235, unit: 30 };
const TOP = { x: 150, y: 165, unit: 42 };

const fromSide = ([u, v, h]) => [
  SIDE.x + SIDE.unit * (TURN[0] * u - TURN[1] * v),
  SIDE.y - SIDE.unit * (TILT * (TURN[1] * u + TURN[0] * v) + UP * h),
];
const fromTop = ([u, v]) => [TOP.x + TOP.unit * u, TOP.y - TOP.unit * v];
const at = ([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`;
const path = (...points) => `M${points.map(at).join("L")}`;
const ORIGIN = [0, 0, 0];

const axes = (project) =>
  PIXELS.map((i) => {
    const end = toFrame(PIXELS.map((k) => (k === i ? 3.2 : 0)));
    const [x, y] = project(end.map((v) => v * 1.12));
    return `<path d="${path(project(ORIGIN), project(end))}"/>
      <text x="${x}" y="${y + 5}" text-anchor="middle">x${"₁₂₃"[i]}</text>`;
  }).join("");

// A circle in the plane of sum 0, from the side.
const disc = (className, radius) =>
  `<ellipse class="${className}" cx="${SIDE.x}" cy="${SIDE.y}" rx="${SIDE.unit * radius}"
     ry="${SIDE.unit * radius * TILT}"/>`;

const view = (name, title, label, contents) => `
<div>
  <div class="ex-title">${title}</div>
  <svg class="ex-drawing" viewBox="0 0 ${SIZE.width} ${SIZE.height}" role="img"
       data-name="${name}" aria-label="${label}">
    ${contents}
    <path class="ex-dashed" data-part="ray"/>
    <circle class="ex-dot ex-blue" data-part="hat" r="7"/>
    <circle class="ex-dot ex-accent" data-part="point" r="7"/>
    <circle class="ex-handle" data-part="handle" r="28"/>
  </svg>
</div>`;

const HTML = `
<div class="ex-drawings ex-pair">
  ${view(
    "side",
    "From the side",
    "The point x in space, its shadow on the plane of sum zero, and the circle of outputs there",
    `${disc("ex-sheet", 4.4)}
    <path class="ex-dashed" d="${path(fromSide([0, 0, -0.6]), fromSide([0, 0, 9]))}"/>
    <text x="${SIDE.x + 8}" y="20">all equal</text>
    ${disc("ex-ring", ROOT3)}
    ${axes(fromSide)}
    <path class="ex-dashed" data-part="drop"/>
    <circle class="ex-dot ex-muted" data-part="shadow" r="4.5"/>`,
  )}
  ${view(
    "top",
    "Along (1, 1, 1)",
    "The same along the direction of equal values: point, circle, output, target and step",
    `<circle class="ex-ring" cx="${TOP.x}" cy="${TOP.y}" r="${TOP.unit * ROOT3}"/>
    ${axes(fromTop)}
    <path class="ex-accent" data-part="trail"/>
    <path class="ex-line ex-green" d="M${at(fromTop(toFrame(TARGET)))}m-9 0l9-9l9 9l-9 9z"/>
    <path class="ex-line ex-blue" data-part="step"/>`,
  )}
</div>
<p class="ex-note"><span class="ex-swatch ex-accent"></span>the input x;
  <span class="ex-swatch ex-blue"></span>the output x̂;
  <span class="ex-swatch ex-green"></span>where the loss wants x̂; the arrow is the step downhill.</p>
${PIXELS.map((i) => slider(`x${i}`, `Pixel <i>x${"₁₂₃"[i]}</i>`, -2, 4, 0.05)).join("")}
${slider("eps", "Epsilon <i>ε</i>", 0, 1, 0.02)}
${buttons(button("step", "Step downhill"))}
${numbers(
  {
    mean: "Mean of x",
    std: "Deviation of x",
    sqnorm: "Σ x̂²",
    total: "Σ ∂L/∂x",
    along: "⟨∂L/∂x, x̂⟩",
    hat: "Output x̂",
  },
  "hat",
)}`;

function arrow([x0, y0], [x1, y1]) {
  const length = Math.hypot(x1 - x0, y1 - y0);
  if (length < 3) return "";
  const [ux, uy] = [(x1 - x0) / length, (y1 - y0) / length];
  const head = Math.min(9, length);
  const side = (k) => [x1 - head * ux + k * 0.5 * head * uy, y1 - head * uy - k * 0.5 * head * ux];
  return path([x0, y0], [x1, y1]) + path(side(1), [x1, y1], side(-1));
}

const pixels = ({ x0, x1, x2 }) => [x0, x1, x2];
const named = ([x0, x1, x2]) => ({ x0, x1, x2 });
const downhill = (x, eps) => x.map((v, i) => v - RATE * lossGradient(x, TARGET, eps)[i]);

function connect({ parts, state, move, change, redraw }) {
  const [side, top] = [parts.side, parts.top].map((svg) =>
    Object.fromEntries(
      [...svg.querySelectorAll("[data-part]")].map((node) => [node.dataset.part, node]),
    ),
  );
  let trail = []; // of steps downhill, until the point is moved in another way

  parts.step.addEventListener("click", () => {
    const [x, { eps }] = [pixels(state()), state()];
    const next = downhill(x, eps);
    trail = [...(trail.length ? trail : [x]), next].slice(-200);
    change(named(next));
  });
  parts.reset.addEventListener("click", redraw); // a trail may have to go even where x does not

  // A drag moves the point along (1, 1, 1) in the view from the side, within the plane in the other.
  function drag(handle, { unit }, moved) {
    let grip = null;
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      const scale = SIZE.width / handle.ownerSVGElement.getBoundingClientRect().width / unit;
      grip = { x: event.clientX, y: event.clientY, scale, from: toFrame(pixels(state())) };
      event.preventDefault();
    });
    handle.addEventListener("pointermove", (event) => {
      if (!grip) return;
      const right = (event.clientX - grip.x) * grip.scale;
      const up = (grip.y - event.clientY) * grip.scale;
      move(named(fromFrame(moved(grip.from, right, up))));
    });
    for (const end of ["pointerup", "pointercancel"]) {
      handle.addEventListener(end, () => {
        if (grip) change();
        grip = null;
      });
    }
  }
  drag(side.handle, SIDE, ([u, v, h], right, up) => [u, v, h + up / UP]);
  drag(top.handle, TOP, ([u, v, h], right, up) => [u + right, v + up, h]);

  // Not by a transform: when one changes, the layers of the page are put together anew.
  function put(circle, [x, y]) {
    circle.setAttribute("cx", x.toFixed(1));
    circle.setAttribute("cy", y.toFixed(1));
  }

  return (now) => {
    const [x, eps] = [pixels(now), now.eps];
    const { mean, variance, xHat } = normalise(x, eps);
    const dx = lossGradient(x, TARGET, eps);
    const [u, v, h] = toFrame(x);
    if (trail.length && trail.at(-1).some((value, i) => value !== x[i])) trail = [];

    // The ray of all inputs with this output: from the middle, through the point, outwards.
    const far = Math.hypot(u, v) > 0 ? [u, v, 0].map((c) => (4.4 * c) / Math.hypot(u, v)) : ORIGIN;
    for (const [view, project] of [[side, fromSide], [top, fromTop]]) {
      put(view.point, project([u, v, h]));
      put(view.handle, project([u, v, h]));
      put(view.hat, project(toFrame(xHat)));
      view.ray.setAttribute("d", path(project(ORIGIN), project(far)));
    }
    put(side.shadow, fromSide([u, v, 0]));
    side.drop.setAttribute("d", path(fromSide([u, v, h]), fromSide([u, v, 0])));
    top.step.setAttribute("d", arrow(fromTop([u, v]), fromTop(toFrame(downhill(x, eps)))));
    top.trail.setAttribute("d", trail.length ? path(...trail.map((p) => fromTop(toFrame(p)))) : "");

    const hat = xHat.map((value) => fixed(value)).join(", ");
    return {
      values: Object.fromEntries(Object.entries(now).map(([key, value]) => [key, fixed(value)])),
      numbers: {
        mean: fixed(mean),
        std: fixed(Math.sqrt(variance)),
        sqnorm: fixed(dot(xHat, xHat)),
        total: fixed(dx[0] + dx[1] + dx[2]),
        along: fixed(dot(dx, xHat)),
        hat,
      },
      summary:
        `Output ${hat}; mean of the input ${fixed(mean)}, deviation ${fixed(Math.sqrt(variance))}.`,
    };
  };
}

export default explorable({ start: { x0: 2.6, x1: 0.7, x2: 1.5, eps: 0 }, html: HTML, connect });
