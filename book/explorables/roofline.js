// Roofline: which team of threads takes a plane, how many bytes three programs move, and how long
// that takes at least on a GPU of a given memory speed. A model throughout; nothing is measured.
//
// Model: optionally device, dtype, direction, side (2 to its power) and planes (likewise).

import { buttons, explorable, select, slider } from "./explorable.js";
import { axes } from "./plot.js";

// Peak figures from NVIDIA's data sheets: bytes and float32 operations a second, and bytes of memory.
// Shared memory is the most that one block can have, in bytes.
export const DEVICES = {
  h100: {
    name: "H100 SXM",
    bandwidth: 3.35e12,
    memory: 80e9,
    operations: 67e12,
    multiprocessors: 132,
    sharedMemory: 227 * 1024,
    hasClusters: true,
  },
  h200: {
    name: "H200 SXM",
    bandwidth: 4.8e12,
    memory: 141e9,
    operations: 67e12,
    multiprocessors: 132,
    sharedMemory: 227 * 1024,
    hasClusters: true,
  },
  a100: {
    name: "A100 SXM 80 GB",
    bandwidth: 2.039e12,
    memory: 80e9,
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
// Shapes begin at their middle.
const PROGRAMS = {
  steps: { name: "Step by step", hue: "muted", shape: "m-5-5h10v10h-10z" },
  torch: { name: "PyTorch", hue: "blue", shape: "m0-6l6 11h-12z" },
  ours: { name: "Ours", hue: "accent", shape: "m-6 0a6 6 0 1 1 12 0a6 6 0 1 1-12 0z" },
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

/** The most planes, a power of two, whose arrays (x and y, or x, dy and dx) fit the memory. */
export function mostPlanes(device, length, itemsize, direction) {
  const each = (ARRAYS[direction] + 1) * length * itemsize;
  return 2 ** Math.floor(Math.log2(device.memory / each));
}

/** Operations a second that memory and arithmetic allow, at so many operations for each byte. */
export function attainable(device, intensity) {
  return Math.min(device.operations, device.bandwidth * intensity);
}

// --- drawing --------------------------------------------------------------------------------------

const SIDES = [4, 8, 14, 16, 28, 32, 56, 64, 112, 128, 224, 256, 512, 1024, 2048, 4096, 8192];
const INTENSITIES = [0.05, 200];
const PLOT = axes(
  { label: "operations for each byte", range: INTENSITIES, ticks: [0.1, 1, 10, 100], log: true },
  { range: [0.05, 200], ticks: [0.1, 1, 10, 100], log: true },
);
const TERA = 1e12; // of the vertical axis, in operations a second

const digits = (value) => Number(value.toPrecision(3)).toString();

function bytesText(bytes) {
  const power = Math.floor(Math.log10(bytes) / 3);
  return `${digits(bytes / 1000 ** power)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}

function timeText(seconds) {
  const power = Math.max(-3, Math.min(0, Math.floor(Math.log10(seconds) / 3)));
  return `${digits(seconds / 1000 ** power)} ${["s", "ms", "µs", "ns"][-power]}`;
}

const names = (things) =>
  Object.fromEntries(Object.entries(things).map(([key, { name }]) => [key, name]));
const mark = (attributes, { shape, hue }) =>
  `<path class="ex-dot ex-${hue}" ${attributes} d="M0 0${shape}"/>`;

const HTML = `
<div class="ex-drawings">
  ${PLOT.svg(
    "plot",
    "10¹² operations a second",
    "Roofline: a slope, where memory is the limit, and a flat roof, where arithmetic is; and a " +
      "mark for each program",
    `<path class="ex-line ex-blue" data-name="roof"/>
     ${Object.entries(PROGRAMS)
       .map(([key, program]) => mark(`data-name="${key}-mark"`, program))
       .join("")}`,
  )}
  <div>
    <div class="ex-title">Who takes a plane</div>
    <p class="ex-teams">${Object.keys(TEAMS)
      .map((kind) => `<span data-name="${kind}">${kind}</span>`)
      .join("")}</p>
    <p class="ex-note" data-name="team"></p>
    <p class="ex-note">A model from data-sheet figures, not a measurement.</p>
  </div>
</div>
<div class="ex-selects">
  ${select("device", "GPU", names(DEVICES))}
  ${select("dtype", "Numbers", { float32: "float32", float16: "float16", bfloat16: "bfloat16" })}
  ${select("direction", "Direction", { forward: "forward", backward: "backward" })}
</div>
${slider("side", "Side of a plane", 0, SIDES.length - 1, 1)}
${slider("planes", "Planes", 0, 14, 1)}
${buttons()}
<table class="ex-table">
  <thead><tr><th><span class="ex-hidden">Program</span></th>
    <th>bytes moved</th><th>ops/byte</th><th>at least</th></tr></thead>
  <tbody>${Object.entries(PROGRAMS)
    .map(
      ([key, program]) => `<tr>
      <th><svg class="ex-drawing ex-mark" viewBox="-8 -8 16 16" aria-hidden="true">
        ${mark("", program)}</svg>${program.name}</th>
      <td data-name="${key}-bytes"></td><td data-name="${key}-intensity"></td>
      <td data-name="${key}-time"></td></tr>`,
    )
    .join("")}</tbody>
</table>`;

function connect({ parts }) {
  return ({ device: deviceName, dtype, direction, side: step, planes }) => {
    const device = DEVICES[deviceName];
    const side = SIDES[step];
    const length = side * side;
    const itemsize = ITEMSIZES[dtype];
    const most = mostPlanes(device, length, itemsize, direction);
    const rows = Math.min(2 ** planes, most);
    const operations = OPERATIONS[direction] * rows * length;

    const { kind } = plan(device, rows, length, itemsize, ARRAYS[direction]);
    const again = readAgain(device, rows, length, itemsize, ARRAYS[direction]);
    for (const each of Object.keys(TEAMS)) parts[each].classList.toggle("ex-chosen", each === kind);
    const repeat = again > 0 ? ` ${digits(100 * again)} % of it finds no room, and is read again.` : "";

    const roof = [INTENSITIES[0], device.operations / device.bandwidth, INTENSITIES[1]];
    const speed = (intensity) => attainable(device, intensity);
    parts.roof.setAttribute("d", PLOT.path(roof.map((v) => [v, speed(v) / TERA])));
    const numbers = {
      team: `A plane has ${bytesText(length * itemsize)}; ${TEAMS[kind]} takes it.${repeat}`,
    };
    const moved = traffic(device, rows, length, itemsize, direction);
    for (const [program, bytes] of Object.entries(moved)) {
      const intensity = operations / bytes;
      const place = [PLOT.x(intensity), PLOT.y(speed(intensity) / TERA)];
      parts[`${program}-mark`].setAttribute("d", `M${place}${PROGRAMS[program].shape}`);
      numbers[`${program}-bytes`] = bytesText(bytes);
      numbers[`${program}-intensity`] = digits(intensity);
      numbers[`${program}-time`] = timeText(operations / speed(intensity));
    }
    return {
      values: {
        side: `${side} × ${side}`,
        planes: rows < 2 ** planes ? `${rows} (all that fit)` : String(rows),
      },
      numbers,
      summary:
        `${device.name}, ${rows} planes of ${side} by ${side}: ${kind}. At least ` +
        `${numbers["ours-time"]}; PyTorch ${numbers["torch-time"]}; ` +
        `step by step ${numbers["steps-time"]}.`,
    };
  };
}

export default explorable({
  start: { device: "h100", dtype: "float32", direction: "forward", side: 11, planes: 10 },
  html: HTML,
  connect,
});
