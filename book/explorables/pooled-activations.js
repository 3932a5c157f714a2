// Pooled activations: the block of activations (N, C, H, W), and the set that shares one mean and one
// variance with the activation you point at.
//
// Model: x {shape: [N, C, H, W], values}, images [N names], channels [C names], and optionally
// method, groups, n, c, p (position) and view.

const EPS = 1e-5;
const METHODS = {
  IN: "Instance",
  LN: "Layer",
  GN: "Group",
  BN: "Batch",
};
const START = { method: "IN", groups: 2, n: 0, c: 1, p: 14, view: "x" };
const SHOWN = 2.5; // normalised values from -2.5 to 2.5 go from black to white

/** Whether plane (n, c) is in the set of plane (at.n, at.c). Positions never matter. */
export function shares([n, c], at, method, groups, channels) {
  const group = (k) => Math.floor((k * groups) / channels);
  return {
    IN: n === at.n && c === at.c,
    LN: n === at.n,
    GN: n === at.n && group(c) === group(at.c),
    BN: c === at.c,
  }[method];
}

/** How many sets there are, and how many activations each holds. */
export function count([N, C, H, W], method, groups) {
  const sets = { IN: N * C, LN: N, GN: N * groups, BN: C }[method];
  return { sets, size: (N * C * H * W) / sets };
}

/** Mean and biased variance of the set of plane (at.n, at.c). */
export function setMoments(x, shape, at, method, groups) {
  const [N, C, H, W] = shape;
  const m = H * W;
  const values = [];
  for (let n = 0; n < N; n += 1) {
    for (let c = 0; c < C; c += 1) {
      if (!shares([n, c], at, method, groups, C)) continue;
      for (let i = 0; i < m; i += 1) values.push(x[(n * C + c) * m + i]);
    }
  }
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
  return { mean, variance, size: values.length };
}

/** Every activation, standardised by the moments of its set. */
export function normalise(x, shape, method, groups, eps = EPS) {
  const [N, C, H, W] = shape;
  const m = H * W;
  const y = new Array(x.length);
  for (let n = 0; n < N; n += 1) {
    for (let c = 0; c < C; c += 1) {
      const { mean, variance } = setMoments(x, shape, { n, c }, method, groups);
      for (let i = (n * C + c) * m; i < (n * C + c + 1) * m; i += 1) {
        y[i] = (x[i] - mean) / Math.sqrt(variance + eps);
      }
    }
  }
  return y;
}

// --- drawing --------------------------------------------------------------------------------------

const SIDE = 60; // of a plane, in units of the viewBox
const GAP = 8;
const EDGE = { left: 4, top: 22 };

const divisors = (C) => Array.from({ length: C }, (_, i) => i + 1).filter((g) => C % g === 0);

function template([N, C, H, W], images, channels) {
  const [width, height] = [EDGE.left + C * (SIDE + GAP), EDGE.top + N * (SIDE + GAP + 18)];
  const planes = [];
  for (let n = 0; n < N; n += 1) {
    const y = EDGE.top + n * (SIDE + GAP + 18);
    planes.push(`<text x="${EDGE.left}" y="${y + SIDE + 15}">${images[n]}</text>`);
    for (let c = 0; c < C; c += 1) {
      const x = EDGE.left + c * (SIDE + GAP);
      const cells = Array.from({ length: H * W }, (_, i) => {
        const [row, column] = [Math.floor(i / W), i % W];
        const [w, h] = [SIDE / W, SIDE / H];
        return `<rect data-p="${i}" x="${(column * w).toFixed(2)}" y="${(row * h).toFixed(2)}"
          width="${(w + 0.5).toFixed(2)}" height="${(h + 0.5).toFixed(2)}"/>`;
      }).join("");
      planes.push(`<g class="ex-plane" data-n="${n}" data-c="${c}"
        transform="translate(${x} ${y})">${cells}
        <rect class="ex-frame" x="-2.5" y="-2.5" width="${SIDE + 5}" height="${SIDE + 5}" rx="2"/></g>`);
    }
  }
  const heads = channels
    .map((name, c) => `<text x="${EDGE.left + c * (SIDE + GAP) + SIDE / 2}" y="14" text-anchor="middle">${name}</text>`)
    .join("");
  const slider = (key, label, max) => `
  <div class="ex-slider"><label><span>${label}</span>
    <input type="range" name="${key}" min="0" max="${max}" step="1"></label>
    <output aria-live="off"></output></div>`;
  return `
<svg class="ex-drawing ex-block" viewBox="0 0 ${width} ${height}" role="img"
     aria-label="A table of planes, one row for each image and one column for each channel; the planes that share a mean with the chosen activation are framed">
  ${heads}${planes.join("")}
  <rect class="ex-here" width="${SIDE / W}" height="${SIDE / H}"/>
</svg>
<div class="ex-controls">
  <div class="ex-choice" role="group" aria-label="Normalisation">
    ${Object.entries(METHODS)
      .map(([key, name]) => `<button type="button" data-method="${key}">${name}</button>`)
      .join("")}
  </div>
  <label class="ex-check">Groups <select name="groups">${divisors(C)
    .map((g) => `<option value="${g}">${g}</option>`)
    .join("")}</select></label>
  ${slider("n", "Image <i>n</i>", N - 1)}
  ${slider("c", "Channel <i>c</i>", C - 1)}
  ${slider("p", "Position", H * W - 1)}
  <label class="ex-check"><input type="checkbox" name="view"> Show the block normalised</label>
</div>
<dl class="ex-numbers">
  <div class="ex-key"><dt>Share one mean, of ${N * C * H * W}</dt><dd data-name="size"></dd></div>
  <div><dt>Sets in the block</dt><dd data-name="sets"></dd></div>
  <div><dt>Mean of the set</dt><dd data-name="mean"></dd></div>
  <div><dt>Std of the set</dt><dd data-name="std"></dd></div>
  <div class="ex-broad"><dt>Here: x → x̂</dt><dd data-name="here"></dd></div>
</dl>
<p class="ex-summary" aria-live="polite"></p>`;
}

const show = (value) => value.toFixed(2).replace("-", "−");

function render({ model, el }) {
  const { shape, values } = model.get("x");
  const [N, C, H, W] = shape;
  const [images, channels] = [model.get("images"), model.get("channels")];

  el.classList.add("ex");
  el.innerHTML = template(shape, images, channels);
  const svg = el.querySelector("svg");
  const planes = [...el.querySelectorAll(".ex-plane")].map((group) => ({
    group,
    at: [Number(group.dataset.n), Number(group.dataset.c)],
    cells: [...group.querySelectorAll("[data-p]")],
  }));
  const here = el.querySelector(".ex-here");
  const buttons = [...el.querySelectorAll("[data-method]")];
  const groupsInput = el.querySelector("[name=groups]");
  const sliders = ["n", "c", "p"].map((key) => el.querySelector(`[name=${key}]`));
  const outputs = el.querySelectorAll("output");
  const check = el.querySelector("[name=view]");
  const numbers = Object.fromEntries(
    [...el.querySelectorAll("[data-name]")].map((node) => [node.dataset.name, node]),
  );
  const summary = el.querySelector(".ex-summary");
  const state = () =>
    Object.fromEntries(Object.entries(START).map(([key, value]) => [key, model.get(key) ?? value]));

  // The block itself goes from 0 to the largest value of each channel.
  const m = H * W;
  const largest = channels.map((_, c) =>
    Math.max(...images.map((_, n) => Math.max(...values.slice((n * C + c) * m, (n * C + c + 1) * m)))),
  );

  let painted = "";
  function paint(y, { method, groups, view }) {
    const key = view === "x" ? "x" : `${method} ${groups}`;
    if (key === painted) return;
    painted = key;
    planes.forEach(({ cells, at }, k) => {
      const [low, high] = view === "x" ? [0, largest[at[1]]] : [-SHOWN, SHOWN];
      const source = view === "x" ? values : y;
      cells.forEach((cell, i) => {
        const t = Math.min(1, Math.max(0, (source[k * m + i] - low) / (high - low)));
        const grey = Math.round(255 * t);
        cell.setAttribute("style", `fill: rgb(${grey} ${grey} ${grey})`);
      });
    });
  }

  function draw() {
    const now = state();
    const { method, groups, n, c, p } = now;
    const y = normalise(values, shape, method, groups);
    paint(y, now);
    for (const { group, at } of planes) {
      group.classList.toggle("ex-member", shares(at, { n, c }, method, groups, C));
    }
    const left = EDGE.left + c * (SIDE + GAP) + ((p % W) * SIDE) / W;
    const top = EDGE.top + n * (SIDE + GAP + 18) + (Math.floor(p / W) * SIDE) / H;
    here.setAttribute("transform", `translate(${left} ${top})`);

    const { mean, variance } = setMoments(values, shape, { n, c }, method, groups);
    const { sets, size } = count(shape, method, groups);
    const k = (n * C + c) * m + p;
    numbers.size.textContent = size;
    numbers.sets.textContent = sets;
    numbers.mean.textContent = show(mean);
    numbers.std.textContent = show(Math.sqrt(variance));
    numbers.here.textContent = `${show(values[k])} → ${show(y[k])}`;
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.method === method));
    }
    groupsInput.value = groups;
    groupsInput.disabled = method !== "GN";
    sliders.forEach((slider, i) => {
      slider.value = [n, c, p][i];
      outputs[i].textContent = [n, channels[c], p][i];
      slider.setAttribute("aria-valuetext", [images[n], channels[c], p][i]);
    });
    check.checked = now.view === "y";
    svg.classList.toggle("ex-even", check.checked);
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
      const { method, n, c } = state();
      summary.textContent =
        `${METHODS[method]} norm, image ${images[n]}, channel ${channels[c]}: ` +
        `${numbers.size.textContent} activations share one mean, ${numbers.mean.textContent}.`;
    });
  }

  function change(key, value) {
    model.set(key, value);
    model.save_changes();
    say();
  }

  for (const button of buttons) {
    button.addEventListener("click", () => change("method", button.dataset.method));
  }
  groupsInput.addEventListener("change", () => change("groups", Number(groupsInput.value)));
  check.addEventListener("change", () => change("view", check.checked ? "y" : "x"));
  for (const slider of sliders) {
    slider.addEventListener("input", () => model.set(slider.name, Number(slider.value)));
    slider.addEventListener("change", () => change(slider.name, Number(slider.value)));
  }
  svg.addEventListener("click", ({ target }) => {
    const plane = target.closest(".ex-plane");
    if (!plane) return;
    if (target.dataset.p) model.set("p", Number(target.dataset.p));
    model.set("c", Number(plane.dataset.c));
    change("n", Number(plane.dataset.n));
  });
  for (const key of Object.keys(START)) model.on(`change:${key}`, schedule);

  draw();
  return () => {
    cancelAnimationFrame(frame);
    for (const key of Object.keys(START)) model.off(`change:${key}`, schedule);
  };
}

export default { render };
