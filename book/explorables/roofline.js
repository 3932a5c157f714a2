// Roofline: which team of threads takes a plane, how many bytes three programs move, and how long
// that takes at least on a GPU of a given memory speed. A model throughout; nothing is measured.
//
// Model: optionally device, dtype, direction, side (2 to its power) and planes (likewise).

// Peak figures from NVIDIA's data sheets: bytes and float32 operations a second. Shared memory is the
// most that one block can have, in bytes.
export const DEVICES = {
  h100: {
    name: "H100 SXM",
    bandwidth: 3.35e12,
    operations: 67e12,
    multiprocessors: 132,
    sharedMemory: 227 * 1024,
    hasClusters: true,
  },
  h200: {
    name: "H200 SXM",
    bandwidth: 4.8e12,
    operations: 67e12,
    multiprocessors: 132,
    sharedMemory: 227 * 1024,
    hasClusters: true,
  },
  a100: {
    name: "A100 SXM 80 GB",
    bandwidth: 2.039e12,
    operations: 19.5e12,
    multiprocessors: 108,
    sharedMemory: 163 * 1024,
    hasClusters: false,
  },
};
const ITEMSIZES = { float32: 4, float16: 2, bfloat16: 2 };
// Additions and multiplications for each number: in one program as in another, about so many.
const OPERATIONS = { forward: 8, backward: 14 };
const ARRAYS = { forward: 1, backward: 2 };
// Sweeps over an array of x's size. Step by step: one array operation after the other.
const SWEEPS = {
  forward: { steps: [5, 3], torch: [2, 1], ours: [1, 1] },
  backward: { steps: [14, 8], torch: [4, 1], ours: [2, 1] },
};
const PROGRAMS = {
  steps: { name: "Step by step", hue: "muted", shape: "M-5 -5H5V5H-5Z" },
  torch: { name: "PyTorch", hue: "blue", shape: "M0 -6L6 5H-6Z" },
  ours: { name: "Ours", hue: "accent", shape: "M-6 0A6 6 0 1 1 6 0A6 6 0 1 1 -6 0Z" },
};
const TEAMS = {
  WARP: "some lanes of a warp",
  BLOCK: "a block of threads",
  CLUSTER: "a cluster of 8 blocks",
  GRID: "a share of the whole GPU",
};

// As in src/instnorm/rows/teams.py.
const VECTOR = 16;
const CLUSTER_BLOCKS = 8;
const SHORT = 256;
const VECTORS_EACH = 8;
const SMALL = 16 * 1024;
const MOST_THREADS = 512;

const ceil = (a, b) => Math.floor((a + b - 1) / b);
const powerOfTwo = (n) => 2 ** Math.ceil(Math.log2(Math.max(1, n)));

/** The team for rows of `length` numbers, as `instnorm.rows.teams.plan` chooses it (lanes = 1). */
export function plan(device, rows, length, itemsize, arrays) {
  const vectors = ceil(length * itemsize, VECTOR);

  function team(kind, blocks) {
    const share = ceil(vectors, blocks);
    let threads = Math.max(64, Math.floor(share / VECTORS_EACH), blocks);
    threads = Math.min(ceil(threads, 32) * 32, MOST_THREADS);
    const numbers = Math.max((threads / 32) * (1 + arrays), 1 + 2 * arrays);
    const scratch = ceil(numbers * Math.max(4, itemsize), VECTOR);
    let room = ceil(share, threads);
    if (kind === "GRID") {
      const free = Math.max(0, Math.floor(device.sharedMemory / VECTOR) - scratch);
      room = Math.min(room, Math.floor(free / (arrays * threads)));
    }
    const sharedMemory = VECTOR * (scratch + room * arrays * threads);
    return { kind, teams: rows, blocks, threads, room, sharedMemory };
  }

  if (vectors <= SHORT) {
    const members = Math.min(Math.max(4, powerOfTwo(ceil(vectors, 4))), 32);
    let columns = Math.max(32 / members, powerOfTwo(Math.floor(rows / device.multiprocessors)));
    columns = Math.min(columns, 256 / members);
    const room = ceil(vectors, members);
    const sharedMemory = VECTOR * room * arrays * members * columns;
    const teams = ceil(rows, columns);
    return { kind: "WARP", teams, blocks: 1, threads: members * columns, room, sharedMemory };
  }
  for (const [kind, blocks] of [["BLOCK", 1], ["CLUSTER", CLUSTER_BLOCKS]]) {
    const candidate = team(kind, blocks);
    const part = (VECTOR * vectors * arrays) / blocks;
    const busy = 2 * candidate.teams * blocks >= device.multiprocessors;
    const fits = candidate.sharedMemory <= device.sharedMemory;
    const exists = kind === "BLOCK" || device.hasClusters;
    if (exists && fits && (busy || Math.floor(part) < SMALL)) return candidate;
  }
  const oneBlock = team("GRID", 1);
  const waiting = oneBlock.room * oneBlock.threads;
  const atATime = Math.floor((device.multiprocessors * waiting) / vectors);
  const teams = Math.max(1, Math.min(rows, atATime));
  const blocks = Math.min(Math.floor(device.multiprocessors / teams), MOST_THREADS);
  return { ...team("GRID", blocks), teams };
}

/** The part of a row that finds no room to wait and has to be read again. */
export function readAgain(device, rows, length, itemsize, arrays) {
  const { kind, room, threads, blocks } = plan(device, rows, length, itemsize, arrays);
  if (kind !== "GRID") return 0;
  return Math.max(0, 1 - (room * threads * blocks) / ceil(length * itemsize, VECTOR));
}

/** Bytes read and written by each program. */
export function traffic(device, rows, length, itemsize, direction) {
  const bytes = rows * length * itemsize;
  const again = readAgain(device, rows, length, itemsize, ARRAYS[direction]);
  return Object.fromEntries(
    Object.entries(SWEEPS[direction]).map(([program, [reads, writes]]) => {
      const more = program === "ours" ? again * ARRAYS[direction] : 0;
      return [program, (reads + more + writes) * bytes];
    }),
  );
}

/** Operations a second that memory and arithmetic allow, at so many operations for each byte. */
export function attainable(device, intensity) {
  return Math.min(device.operations, device.bandwidth * intensity);
}

const digits = (value) => Number(value.toPrecision(3)).toString();

function bytesText(bytes) {
  const power = Math.min(3, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  return `${digits(bytes / 1000 ** power)} ${["B", "kB", "MB", "GB"][power]}`;
}

function timeText(seconds) {
  return seconds < 1e-3 ? `${digits(seconds * 1e6)} µs` : `${digits(seconds * 1e3)} ms`;
}

// The drawing: intensity 0.05 to 200 operations a byte, 0.1 to 200 million million a second.
const BOX = { left: 46, right: 350, top: 14, bottom: 214 };
const X = [0.05, 200];
const Y = [0.05e12, 200e12];
const along = (v, [low, high]) => Math.log(v / low) / Math.log(high / low);
const px = (v) => BOX.left + along(v, X) * (BOX.right - BOX.left);
const py = (v) => BOX.bottom - along(v, Y) * (BOX.bottom - BOX.top);

function axes() {
  const x = [0.1, 1, 10, 100].map(
    (v) => `<path class="ex-grid" d="M${px(v)} ${BOX.top}V${BOX.bottom}"/>
      <text x="${px(v)}" y="${BOX.bottom + 17}" text-anchor="middle">${v}</text>`,
  );
  const y = [0.1, 1, 10, 100].map(
    (v) => `<path class="ex-grid" d="M${BOX.left} ${py(v * 1e12)}H${BOX.right}"/>
      <text x="${BOX.left - 6}" y="${py(v * 1e12) + 5}" text-anchor="end">${v}</text>`,
  );
  return x.join("") + y.join("");
}

const select = (key, label, options) => `
<label class="ex-select"><span>${label}</span>
  <select name="${key}">${Object.entries(options)
    .map(([value, text]) => `<option value="${value}">${text}</option>`)
    .join("")}</select></label>`;

const slider = (key, label, max) => `
<div class="ex-slider">
  <label><span>${label}</span>
    <input type="range" name="${key}" min="0" max="${max}" step="1"></label>
  <output aria-live="off"></output>
</div>`;

const SIDES = [4, 8, 14, 16, 28, 32, 56, 64, 112, 128, 224, 256, 512, 1024, 2048, 4096, 8192];
const STATE = { device: "h100", dtype: "float32", direction: "forward", side: 11, planes: 10 };

const TEMPLATE = `
<div class="ex-selects">
  ${select("device", "GPU", Object.fromEntries(Object.entries(DEVICES).map(([k, d]) => [k, d.name])))}
  ${select("dtype", "Numbers", { float32: "float32", float16: "float16", bfloat16: "bfloat16" })}
  ${select("direction", "Direction", { forward: "forward", backward: "backward" })}
</div>
<div class="ex-controls">
  ${slider("side", "Side of a plane", SIDES.length - 1)}
  ${slider("planes", "Planes", 14)}
</div>
<p class="ex-teams">${Object.keys(TEAMS)
  .map((kind) => `<span data-team="${kind}">${kind}</span>`)
  .join("")}</p>
<p class="ex-note" data-name="team"></p>
<svg class="ex-drawing ex-plot" role="img" viewBox="0 0 360 252">
  ${axes()}
  <path class="ex-roof ex-curve"/>
  ${Object.entries(PROGRAMS)
    .map(([k, { shape, hue }]) => `<path class="ex-mark ex-hue-${hue}" data-mark="${k}" d="${shape}"/>`)
    .join("")}
  <text x="${(BOX.left + BOX.right) / 2}" y="248" text-anchor="middle">operations for each byte</text>
  <text x="${BOX.left + 4}" y="${BOX.top + 4}">10¹² operations a second</text>
</svg>
<table class="ex-table">
  <thead><tr><th></th><th>bytes moved</th><th>ops/byte</th><th>at least</th></tr></thead>
  <tbody>${Object.entries(PROGRAMS)
    .map(
      ([key, { name, hue, shape }]) => `<tr data-program="${key}">
      <th><svg class="ex-key-mark" viewBox="-8 -8 16 16" aria-hidden="true">
        <path class="ex-mark ex-hue-${hue}" d="${shape}"/></svg>${name}</th>
      <td></td><td></td><td></td></tr>`,
    )
    .join("")}</tbody>
</table>
<p class="ex-note">A model from data-sheet figures, not a measurement.</p>
<p class="ex-summary" aria-live="polite"></p>`;

function render({ model, el }) {
  el.classList.add("ex", "ex-roofline");
  el.innerHTML = TEMPLATE;
  const fields = Object.fromEntries(
    Object.keys(STATE).map((key) => [key, el.querySelector(`[name=${key}]`)]),
  );
  const outputs = el.querySelectorAll("output");
  const drawing = el.querySelector(".ex-plot");
  const summary = el.querySelector(".ex-summary");
  const value = (key) => model.get(key) ?? STATE[key];

  function draw() {
    const state = Object.fromEntries(Object.keys(STATE).map((key) => [key, value(key)]));
    for (const key of Object.keys(STATE)) fields[key].value = state[key];
    const device = DEVICES[state.device];
    const side = SIDES[state.side];
    const [rows, length] = [2 ** state.planes, side * side];
    const itemsize = ITEMSIZES[state.dtype];
    const arrays = ARRAYS[state.direction];
    const operations = OPERATIONS[state.direction] * rows * length;
    outputs[0].textContent = `${side} × ${side}`;
    outputs[1].textContent = rows;

    const { kind } = plan(device, rows, length, itemsize, arrays);
    const again = readAgain(device, rows, length, itemsize, arrays);
    for (const node of el.querySelectorAll("[data-team]")) {
      node.classList.toggle("ex-chosen", node.dataset.team === kind);
    }
    const repeat = again > 0 ? ` ${digits(100 * again)} % of it finds no room, and is read again.` : "";
    el.querySelector("[data-name=team]").textContent =
      `A plane has ${bytesText(length * itemsize)}; ${TEAMS[kind]} takes it.${repeat}`;

    const ridge = device.operations / device.bandwidth;
    el.querySelector(".ex-roof").setAttribute(
      "d",
      `M${px(X[0])} ${py(attainable(device, X[0]))}L${px(ridge)} ${py(device.operations)}H${BOX.right}`,
    );
    const moved = traffic(device, rows, length, itemsize, state.direction);
    const times = {};
    for (const [program, bytes] of Object.entries(moved)) {
      const intensity = operations / bytes;
      const speed = attainable(device, intensity);
      times[program] = timeText(operations / speed);
      const at = `translate(${px(intensity).toFixed(1)} ${py(speed).toFixed(1)})`;
      el.querySelector(`[data-mark=${program}]`).setAttribute("transform", at);
      const cells = el.querySelectorAll(`[data-program=${program}] td`);
      const texts = [bytesText(bytes), digits(intensity), times[program]];
      cells.forEach((cell, i) => (cell.textContent = texts[i]));
      cells[0].dataset.value = bytes;
    }
    const spoken =
      `${device.name}, ${rows} planes of ${side} by ${side}: ${kind}. ` +
      `At least ${times.ours}; PyTorch ${times.torch}; step by step ${times.steps}.`;
    drawing.setAttribute("aria-label", `Roofline. ${spoken}`);
    return spoken;
  }

  let frame = 0;
  function schedule() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
  }

  for (const [key, field] of Object.entries(fields)) {
    const isNumber = field.type === "range";
    field.addEventListener("input", () => model.set(key, isNumber ? Number(field.value) : field.value));
    // Spoken once a control comes to rest.
    field.addEventListener("change", () => {
      model.save_changes();
      summary.textContent = draw();
    });
    model.on(`change:${key}`, schedule);
  }
  draw();
  return () => {
    cancelAnimationFrame(frame);
    for (const key of Object.keys(STATE)) model.off(`change:${key}`, schedule);
  };
}

export default { render };
