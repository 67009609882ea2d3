// One plot over time (uPlot): lines, bands, incidents as shaded spans, values at the cursor.
import { css, h } from "./dom.js";
import { clock, clockSeconds, day, utc } from "./format.js";

const drawn = new Set();
const SYNC = "inferwatch";

/** `lines`: {label, values, color, format, hidden, fill, width}; `bands`: [[upper, lower, color]]. */
export function plot({ title, note, at, step, lines, bands = [], format, range, spans = [], nothing, wide }) {
  const keys = h("div.keys");
  const about = h("span.muted.note", note);
  const box = h("div.canvas");
  const panel = h(
    wide ? "section.panel.plot.wide" : "section.panel.plot",
    { "aria-label": title },
    h("header", h("h3", title), about, keys),
    box,
  );
  if (!lines.length || !lines.some((l) => l.values.some((v) => v !== null))) {
    box.append(h("div.nothing", nothing));
    return panel;
  }
  const show = (index) => {
    keys.replaceChildren(
      ...lines
        .filter((l) => !l.hidden)
        .map((l) => {
          const swatch = h("i");
          swatch.style.background = css(l.color);
          return h("span", swatch, `${l.label} `, h("b", format(valueAt(l, index))));
        }),
    );
    // Beneath the cursor the note gives way to the time, here and in UTC.
    about.textContent = index === null ? (note ?? "") : `${clockSeconds(at[index])} · ${utc(at[index])}`;
  };
  show(null);
  const options = {
    width: 10,
    height: 186,
    ms: 1,
    legend: { show: false },
    padding: [10, 8, 0, 0],
    cursor: { sync: { key: SYNC }, points: { size: 6 }, drag: { setScale: false, x: false, y: false } },
    scales: { x: { time: true }, y: { range: range ?? fromZero } },
    axes: [timeAxis(), valueAxis(format)],
    series: [{}, ...lines.map(toSeries)],
    bands: bands.map(([upper, lower, color, alpha]) => ({ series: [upper + 1, lower + 1], fill: shade(css(color), alpha ?? 0.18) })),
    hooks: {
      drawClear: [(u) => spans.forEach((s) => shadeSpan(u, s))],
      setCursor: [(u) => show(u.cursor.idx ?? null)],
    },
  };
  // A screen reader gets the newest numbers; the drawing is for eyes.
  box.setAttribute("aria-hidden", "true");
  drawn.add({ box, options, data: [at, ...lines.map((l) => l.values)], chart: null });
  return panel;
}

/** Draw what has been put into the page, and forget what has left it. */
export function settle() {
  for (const entry of drawn) {
    if (entry.chart !== null) {
      if (!entry.box.isConnected) {
        entry.chart.destroy();
        drawn.delete(entry);
      }
    } else if (entry.box.isConnected) {
      entry.options.width = Math.max(120, entry.box.clientWidth);
      entry.chart = new window.uPlot(entry.options, entry.data, entry.box);
    } else {
      drawn.delete(entry);
    }
  }
}

addEventListener("resize", () => {
  for (const { box, chart } of drawn) chart?.setSize({ width: Math.max(120, box.clientWidth), height: 186 });
});

/** At the cursor; without one the newest that is known. */
function valueAt({ shown, values }, index) {
  const column = shown ?? values;
  return index === null ? column.findLast((v) => v !== null) : column[index];
}

function toSeries(line) {
  return {
    label: line.label,
    stroke: line.hidden ? "transparent" : css(line.color),
    width: line.width ?? 1.6,
    fill: line.fill ? shade(css(line.color), line.fill) : undefined,
    points: { show: (u, s, first, last) => last - first < 3 },
  };
}

function timeAxis() {
  return {
    stroke: css("--muted"),
    font: "11px system-ui, sans-serif",
    size: 28,
    space: 64,
    grid: { stroke: css("--line"), width: 1 },
    ticks: { show: false },
    values: (u, ticks, axis, space, increment) =>
      ticks.map((t) => {
        const midnight = new Date(t).getHours() === 0 && new Date(t).getMinutes() === 0;
        if (increment >= 86_400_000 || midnight) return day(t);
        return increment < 60_000 ? clockSeconds(t) : clock(t);
      }),
  };
}

function valueAxis(format) {
  return {
    stroke: css("--muted"),
    font: "11px system-ui, sans-serif",
    size: 58,
    gap: 4,
    space: 34,
    grid: { stroke: css("--line"), width: 1 },
    ticks: { show: false },
    values: (u, ticks) => ticks.map((t) => format(t)),
  };
}

const fromZero = (u, low, high) => [Math.min(0, low ?? 0), (high || 1) * 1.08];

/** A range for shares that shows a small fall, and never leaves 0 to 1. */
export function shareRange(u, low, high) {
  if (low === null) return [0, 1];
  const middle = (low + high) / 2;
  const half = Math.max((high - low) * 0.58, 0.025);
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

/** A range around what there is. */
export function closeRange(u, low, high) {
  if (low === null) return [0, 1];
  const pad = Math.max((high - low) * 0.1, Math.abs(high) * 0.01, 1e-6);
  return [low - pad, high + pad];
}

function shadeSpan(u, { from, to }) {
  const { left, top, width, height } = u.bbox;
  const clamp = (x) => Math.min(left + width, Math.max(left, x));
  const a = clamp(u.valToPos(from, "x", true));
  const b = clamp(to === null ? left + width : u.valToPos(to, "x", true));
  if (b <= a) return;
  u.ctx.fillStyle = css("--span");
  u.ctx.fillRect(a, top, b - a, height);
  u.ctx.fillStyle = css("--span-edge");
  u.ctx.fillRect(a, top, Math.max(1, devicePixelRatio), height);
}

/** `#rrggbb` with an alpha. */
export function shade(color, alpha) {
  return color + Math.round(alpha * 255).toString(16).padStart(2, "0");
}
