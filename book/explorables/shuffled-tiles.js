// Shuffled tiles: cut a photograph into tiles, shuffle them, and see how much its Gram matrix moves.
//
// Model: image, a square grey photograph whose side is a multiple of 32; optionally tile and seed.

import {
  button, buttons, canvas, explorable, fixed, numbers, paint, photograph, select,
} from "./explorable.js";

const TILES = [96, 48, 32, 16, 8, 4, 2, 1];
const CELL = 24; // pixels of a cell of the drawn matrix
export const FEATURES = ["grey", "upright", "level", "rising", "falling"];

/** Numbers in [0, 1) from a seed (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The same tiles in another order. */
export function shuffle(x, width, tile, seed) {
  const across = width / tile;
  const order = Array.from({ length: across * across }, (_, i) => i);
  const next = random(seed);
  for (let i = order.length - 1; i > 0; i -= 1) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  const y = new Float64Array(x.length);
  for (let i = 0; i < x.length; i += 1) {
    const [row, column] = [Math.floor(i / width), i % width];
    const from = order[Math.floor(row / tile) * across + Math.floor(column / tile)];
    const sourceRow = Math.floor(from / across) * tile + (row % tile);
    y[i] = x[sourceRow * width + (from % across) * tile + (column % tile)];
  }
  return y;
}

/** Intensity, and strength of edges in four directions, at every pixel not on the border. */
export function features(x, width) {
  const height = x.length / width;
  const maps = FEATURES.map(() => []);
  for (let row = 1; row < height - 1; row += 1) {
    for (let column = 1; column < width - 1; column += 1) {
      const at = (dr, dc) => x[(row + dr) * width + column + dc];
      const here = [
        at(0, 0),
        Math.abs(at(0, 1) - at(0, -1)),
        Math.abs(at(1, 0) - at(-1, 0)),
        Math.abs(at(1, 1) - at(-1, -1)),
        Math.abs(at(-1, 1) - at(1, -1)),
      ];
      here.forEach((value, k) => maps[k].push(value));
    }
  }
  return maps;
}

/** Mean products of all pairs of maps. */
export function gram(maps) {
  const m = maps[0].length;
  return maps.map((a) => maps.map((b) => a.reduce((sum, value, i) => sum + value * b[i], 0) / m));
}

/** Length of the difference of two matrices, in lengths of the second. */
export function apart(a, b) {
  const square = (matrix) => matrix.flat().reduce((sum, value) => sum + value * value, 0);
  return Math.sqrt(square(a.map((row, i) => row.map((value, j) => value - b[i][j]))) / square(b));
}

const HTML = `
<div class="ex-panels">
  ${canvas("picture", "The tiles", "The photograph, its tiles shuffled")}
  ${canvas("matrix", "Their Gram matrix", "Five by five squares: intensity and edges in four directions")}
</div>
<p class="ex-note">Rows and columns: ${FEATURES.join(", ")}; every map scaled by its size in the
  photograph. White is 2.</p>
<div class="ex-selects">
  ${select("tile", "Side of a tile", Object.fromEntries(TILES.map((t) => [`t${t}`, `${t} pixels`])))}
</div>
${buttons(button("again", "Shuffle again"))}
${numbers({ moved: "Pixels moved by", gram: "Gram matrix moved by" }, "gram")}`;

function connect({ model, parts, state, change }) {
  const { width, pixels } = photograph(model.get("image"));
  const original = features(pixels, width);
  const sizes = original.map((map) => Math.sqrt(map.reduce((s, v) => s + v * v, 0) / map.length));
  const scaled = (maps) => maps.map((map, k) => map.map((value) => value / sizes[k]));
  const reference = gram(scaled(original));
  parts.again.addEventListener("click", () => change({ seed: state().seed + 1 }));

  return ({ tile, seed }) => {
    const side = Number(tile.slice(1));
    const x = side === width ? pixels : shuffle(pixels, width, side, seed);
    const found = gram(scaled(features(x, width)));
    const drawn = new Float64Array((CELL * FEATURES.length) ** 2);
    for (let i = 0; i < drawn.length; i += 1) {
      const [row, column] = [Math.floor(i / (CELL * FEATURES.length)), i % (CELL * FEATURES.length)];
      drawn[i] = found[Math.floor(row / CELL)][Math.floor(column / CELL)];
    }
    paint(parts.picture, x, [0, 1], width);
    paint(parts.matrix, drawn, [0, 2], CELL * FEATURES.length);
    let squares = 0;
    for (let i = 0; i < x.length; i += 1) squares += (x[i] - pixels[i]) ** 2;
    const moved = Math.sqrt(squares / x.length);
    const far = apart(found, reference);
    parts.gram.dataset.value = far;
    return {
      numbers: { moved: fixed(moved, 3), gram: fixed(far, 3) },
      summary: `Tiles of ${side} pixels: the Gram matrix moved by ${fixed(far, 3)}.`,
    };
  };
}

export default explorable({ start: { tile: "t32", seed: 1 }, html: HTML, connect });
