// RevIN on a jump: a series with a season jumps to another level. A forecaster that knows the season
// is shown the last two years, with reversible instance normalisation around it or without.
//
// Model: optionally jump (in deviations of the season) and since (months since the jump).

import { buttons, explorable, fixed, numbers, slider } from "./explorable.js";
import { axes } from "./plot.js";

const WINDOW = 24;
const HORIZON = 12;
const PERIOD = 12;
const LEVEL = 10;
const PLOT = axes(
  { label: "month", range: [-WINDOW, HORIZON], ticks: [-24, -12, 0, 12] },
  { range: [4, 22], ticks: [5, 10, 15, 20] },
);

/** The season, with mean 0 and variance 1 over a year; t in months. */
export function season(t) {
  return Math.SQRT2 * Math.sin((2 * Math.PI * t) / PERIOD);
}

/** The series at month t (0 is the first month of the forecast), which jumped `since` months before. */
export function series(t, { jump, since }) {
  return LEVEL + season(t) + (t >= -since ? jump : 0);
}

const months = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);

/** Mean and standard deviation of what the forecaster is shown. */
export function statistics(state) {
  const window = months(-WINDOW, 0).map((t) => series(t, state));
  const mean = window.reduce((sum, value) => sum + value, 0) / WINDOW;
  const variance = window.reduce((sum, value) => sum + (value - mean) ** 2, 0) / WINDOW;
  return { mean, deviation: Math.sqrt(variance) };
}

/** Forecasts for a year, and what follows: the plain one has learned the old level. */
export function forecasts(state) {
  const { mean, deviation } = statistics(state);
  const ahead = months(0, HORIZON);
  return {
    real: ahead.map((t) => series(t, state)),
    plain: ahead.map((t) => LEVEL + season(t)),
    revin: ahead.map((t) => mean + deviation * season(t)),
  };
}

/** Mean absolute difference. */
export function error(a, b) {
  return a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;
}

const HTML = `
${PLOT.svg(
  "plot",
  "Two years, and a year's forecast",
  "A series with a season that jumps, and two forecasts of its next year",
  `<path class="ex-line ex-muted" data-name="seen"/>
   <path class="ex-line ex-muted" data-name="real" stroke-dasharray="2 4"/>
   <path class="ex-line ex-accent" data-name="plain" stroke-dasharray="7 4"/>
   <path class="ex-line ex-blue" data-name="revin"/>`,
)}
<p class="ex-note">Dotted: what follows. <span class="ex-swatch ex-accent"></span>dashed: plain;
  <span class="ex-swatch ex-blue"></span>solid: with RevIN</p>
${slider("jump", "Jump", -4, 8, 0.5)}
${slider("since", "Months since the jump", 0, 36, 1)}
${buttons()}
${numbers(
  {
    mean: "Mean of the window",
    deviation: "Its deviation",
    plainError: "Mean error, plain",
    revinError: "Mean error, RevIN",
  },
  "revinError",
)}`;

function connect({ parts }) {
  return (now) => {
    const found = forecasts(now);
    const line = (from, values) => PLOT.path(values.map((value, i) => [from + i, value]));
    const shown = months(-WINDOW, 0).map((t) => series(t, now));
    parts.seen.setAttribute("d", line(-WINDOW, shown));
    for (const name of ["real", "plain", "revin"]) {
      parts[name].setAttribute("d", line(0, found[name]));
    }
    const { mean, deviation } = statistics(now);
    const errors = ["plain", "revin"].map((name) => error(found[name], found.real));
    parts.revinError.dataset.value = errors[1];
    return {
      values: { jump: fixed(now.jump, 1), since: String(now.since) },
      numbers: {
        mean: fixed(mean),
        deviation: fixed(deviation),
        plainError: fixed(errors[0]),
        revinError: fixed(errors[1]),
      },
      summary:
        `A jump of ${fixed(now.jump, 1)}, ${now.since} months ago: mean error ${fixed(errors[0])} ` +
        `plain, ${fixed(errors[1])} with RevIN.`,
    };
  };
}

export default explorable({ start: { jump: 6, since: 12 }, html: HTML, connect });
