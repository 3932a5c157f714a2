// Line plots and histograms, as SVG.

const [WIDTH, HEIGHT] = [320, 214];
const [LEFT, RIGHT, TOP, BOTTOM] = [50, 302, 12, 170];

const raised = (k) => [...String(k)].map((d) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(d)]).join("");
const tickText = (v) =>
  v > 0 && (v < 1e-3 || v > 1e3)
    ? `10${raised(Math.round(Math.log10(v)))}`
    : String(v).replace("-", "−");

// As short as a path needs it; toFixed takes several times as long.
const tenths = (v) => Math.round(10 * v) / 10;
const hundredths = (v) => Math.round(100 * v) / 100;

function scale({ range: [low, high], log = false }, [from, to]) {
  const along = (v) => (log ? Math.log(v / low) / Math.log(high / low) : (v - low) / (high - low));
  return (v) => from + Math.min(1, Math.max(0, along(v))) * (to - from);
}

/**
 * A pair of axes, each {label, range, ticks, log}. Gives x(value) and y(value), places in the
 * drawing (values beyond the ends are drawn there); path([[x, y], ...]) and upright(x), what draws a
 * line; and svg(name, title, label, contents).
 */
export function axes(horizontal, vertical) {
  const x = scale(horizontal, [LEFT, RIGHT]);
  const y = scale(vertical, [BOTTOM, TOP]);
  const ticks = [
    ...horizontal.ticks.map(
      (v) => `<path class="ex-grid" d="M${x(v)} ${TOP}V${BOTTOM}"/>
        <text x="${x(v)}" y="${BOTTOM + 20}" text-anchor="middle">${tickText(v)}</text>`,
    ),
    ...vertical.ticks.map(
      (v) => `<path class="ex-grid" d="M${LEFT} ${y(v)}H${RIGHT}"/>
        <text x="${LEFT - 6}" y="${y(v) + 5}" text-anchor="end">${tickText(v)}</text>`,
    ),
  ].join("");
  const path = (points) =>
    `M${points.map(([u, v]) => `${tenths(x(u))} ${tenths(y(v))}`).join("L")}`;
  const svg = (name, title, label, contents) => `
<div>
  <div class="ex-title">${title}</div>
  <svg class="ex-drawing" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img"
       data-name="${name}" aria-label="${label}">
    ${ticks}${contents}
    <text x="${(LEFT + RIGHT) / 2}" y="${HEIGHT - 5}" text-anchor="middle">${horizontal.label}</text>
  </svg>
</div>`;
  const upright = (value) => `M${tenths(x(value))} ${TOP}V${BOTTOM}`;
  return { x, y, top: TOP, path, upright, svg };
}

/** A frame for a histogram, and the numbers below it. `contents` stands before its bars. */
export const histogramPlot = (name, bins, ends, label) => `
<svg class="ex-histogram" viewBox="0 0 ${bins} 24" preserveAspectRatio="none" role="img"
     aria-label="${label}"><path class="ex-bars" data-name="${name}"/><path class="ex-ghost"
     data-name="${name}-ghost"/></svg>
<div class="ex-axis">${ends.map((end) => `<span>${String(end).replace("-", "−")}</span>`).join("")}</div>`;

/** Bars whose heights follow the roots of the counts: small bins stay in sight beside tall ones. */
export function outline(counts, total, height) {
  const bars = counts.map((n, i) => `V${hundredths(24 - height * Math.sqrt(n / total))}H${i + 1}`);
  return `M0 24${bars.join("")}V24`;
}
