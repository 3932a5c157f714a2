// Pooled activations: the block of activations (N, C, H, W), and the set that shares one mean and one
// variance with the activation you point at.
//
// Model: x {shape: [N, C, H, W], values}, images [N names], channels [C names], and optionally
// method, groups, n, c, p (position) and normalised.

import { buttons, check, choice, explorable, fixed, numbers, select, slider } from "./explorable.js";
import { moments } from "./statistics.js";

const METHODS = { IN: "Instance", LN: "Layer", GN: "Group", BN: "Batch" };
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
  return { ...moments(values), size: values.length };
}

/** Every activation, standardised by the moments of its set. */
export function normalise(x, shape, method, groups, eps = 1e-5) {
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
const STEP = { across: SIDE + 8, down: SIDE + 26 }; // from a plane to the next
const EDGE = { left: 4, top: 22 };

const place = (n, c) => [EDGE.left + c * STEP.across, EDGE.top + n * STEP.down];
const divisors = (C) => Array.from({ length: C }, (_, i) => i + 1).filter((g) => C % g === 0);

function plane(n, c, H, W) {
  const [w, h] = [SIDE / W, SIDE / H];
  const cells = Array.from({ length: H * W }, (_, p) => {
    const [x, y] = [(p % W) * w, Math.floor(p / W) * h];
    return `<rect data-p="${p}" x="${x}" y="${y}" width="${w + 0.5}" height="${h + 0.5}"/>`;
  });
  return `<g class="ex-plane" data-n="${n}" data-c="${c}" transform="translate(${place(n, c)})">
    ${cells.join("")}
    <rect class="ex-frame" x="-2.5" y="-2.5" width="${SIDE + 5}" height="${SIDE + 5}" rx="2"/></g>`;
}

function html(model) {
  const [N, C, H, W] = model.get("x").shape;
  const [images, channels] = [model.get("images"), model.get("channels")];
  const heads = channels.map((name, c) => {
    const [x] = place(0, c);
    return `<text x="${x + SIDE / 2}" y="14" text-anchor="middle">${name}</text>`;
  });
  const rows = images.map((name, n) => {
    const [x, y] = place(n, 0);
    const planes = channels.map((_, c) => plane(n, c, H, W));
    return `<text x="${x}" y="${y + SIDE + 17}">${name}</text>${planes.join("")}`;
  });
  const [width, height] = place(N, C);
  return `
<svg class="ex-drawing ex-block" viewBox="0 0 ${width} ${height}" role="img" data-name="block"
     aria-label="A table of planes, a row for each image and a column for each channel; those that
       share a mean with the chosen activation are framed">
  ${heads.join("")}${rows.join("")}
  <rect class="ex-here" data-name="cell" width="${SIDE / W}" height="${SIDE / H}"/>
</svg>
${choice("method", "Normalisation", METHODS)}
${select("groups", "Groups", Object.fromEntries(divisors(C).map((g) => [g, g])))}
${slider("n", "Image <i>n</i>", 0, N - 1, 1)}
${slider("c", "Channel <i>c</i>", 0, C - 1, 1)}
${slider("p", "Position", 0, H * W - 1, 1)}
${check("normalised", "Show the block normalised")}
${buttons()}
${numbers(
  {
    size: `Values that share the mean, of ${N * C * H * W}`,
    sets: "Sets in the block",
    mean: "Mean of the set",
    std: "Deviation of the set",
    here: "Here: x → x̂",
  },
  "size",
)}`;
}

function connect({ model, el, parts, change }) {
  const { shape, values } = model.get("x");
  const [N, C, H, W] = shape;
  const [images, channels] = [model.get("images"), model.get("channels")];
  const groupsControl = el.querySelector("[name=groups]");
  const m = H * W;
  const planes = [...el.querySelectorAll(".ex-plane")].map((group) => ({
    group,
    at: [Number(group.dataset.n), Number(group.dataset.c)],
    cells: [...group.querySelectorAll("[data-p]")],
  }));

  parts.block.addEventListener("click", ({ target }) => {
    const group = target.closest(".ex-plane");
    if (!group) return;
    const [n, c] = [Number(group.dataset.n), Number(group.dataset.c)];
    change({ n, c, ...(target.dataset.p && { p: Number(target.dataset.p) }) });
  });

  // The block itself goes from 0 to the largest value of each channel.
  const largest = channels.map((_, c) =>
    Math.max(...images.flatMap((_, n) => values.slice((n * C + c) * m, (n * C + c + 1) * m))),
  );
  let painted = "";
  function paintCells(y, method, groups, normalised) {
    const key = normalised ? `${method} ${groups}` : "x";
    if (key === painted) return;
    painted = key;
    planes.forEach(({ cells, at: [, c] }, k) => {
      const [source, low, high] = normalised ? [y, -SHOWN, SHOWN] : [values, 0, largest[c]];
      cells.forEach((cell, i) => {
        const grey = Math.min(255, Math.max(0, (255 * (source[k * m + i] - low)) / (high - low)));
        cell.style.fill = `rgb(${grey} ${grey} ${grey})`;
      });
    });
  }

  let [computed, y] = ["", null]; // the block normalised, which depends on two of the settings
  return ({ method, groups, n, c, p, normalised }) => {
    if (computed !== `${method} ${groups}`) {
      computed = `${method} ${groups}`;
      y = normalise(values, shape, method, groups);
    }
    paintCells(y, method, groups, normalised);
    for (const { group, at } of planes) {
      group.classList.toggle("ex-member", shares(at, { n, c }, method, groups, C));
    }
    parts.block.classList.toggle("ex-even", normalised);
    const [left, top] = place(n, c);
    const [across, down] = [((p % W) * SIDE) / W, (Math.floor(p / W) * SIDE) / H];
    parts.cell.setAttribute("x", left + across);
    parts.cell.setAttribute("y", top + down);
    groupsControl.disabled = method !== "GN";

    const { mean, variance } = setMoments(values, shape, { n, c }, method, groups);
    const { sets, size } = count(shape, method, groups);
    const k = (n * C + c) * m + p;
    return {
      values: { n: images[n], c: channels[c] },
      numbers: {
        size,
        sets,
        mean: fixed(mean),
        std: fixed(Math.sqrt(variance)),
        here: `${fixed(values[k])} → ${fixed(y[k])}`,
      },
      summary:
        `${METHODS[method]} norm, image ${images[n]}, channel ${channels[c]}: ` +
        `${size} activations share one mean, ${fixed(mean)}.`,
    };
  };
}

export default explorable({
  start: { method: "IN", groups: 2, n: 0, c: 1, p: 14, normalised: false },
  html,
  connect,
});
