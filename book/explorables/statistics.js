// What more than one explorable computes.

/** Mean and biased variance, of the values less the first one: large offsets then cost nothing. */
export function moments(x) {
  const shift = x[0];
  let sum = 0;
  for (let i = 0; i < x.length; i += 1) sum += x[i] - shift;
  const offset = sum / x.length; // of the mean from the first value
  let squares = 0;
  for (let i = 0; i < x.length; i += 1) squares += (x[i] - shift - offset) ** 2;
  return { shift, offset, mean: shift + offset, variance: squares / x.length };
}

/** Instance normalisation of one plane, as `instnorm.instance_norm` computes it. */
export function instanceNorm(x, eps = 1e-5) {
  const { shift, offset, variance } = moments(x);
  const s = Math.sqrt(variance + eps);
  const rstd = s > 0 ? 1 / s : 0;
  const y = new Float64Array(x.length);
  for (let i = 0; i < x.length; i += 1) y[i] = (x[i] - shift - offset) * rstd;
  return y;
}

/** How many values fall into each of equal bins on [low, high]; the end bins take what is beyond. */
export function histogram(x, bins, [low, high]) {
  const counts = new Array(bins).fill(0);
  const scale = bins / (high - low);
  for (let i = 0; i < x.length; i += 1) {
    counts[Math.min(bins - 1, Math.max(0, Math.floor((x[i] - low) * scale)))] += 1;
  }
  return counts;
}
