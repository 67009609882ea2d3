// A sparkline: the last windows of one number, without axes.
import { svg } from "./dom.js";

const WIDTH = 92;
const HEIGHT = 26;

/** `points` are {at, value}; a hole wider than `slide` is a gap. */
export function spark(points, slide, bad = false) {
  const known = points.filter((p) => p.value !== null && p.value !== undefined);
  const root = svg("svg", { class: bad ? "spark bad" : "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" });
  if (known.length < 2) return root;
  const values = known.map((p) => p.value);
  const low = Math.min(...values);
  const high = Math.max(...values);
  // A flat line stays flat: noise is not blown up to the full height.
  const span = Math.max(high - low, Math.abs(high) * 0.08, 1e-9);
  const middle = (high + low) / 2;
  const first = known[0].at;
  const width = Math.max(known.at(-1).at - first, 1);
  const x = (p) => 2 + ((p.at - first) / width) * (WIDTH - 6);
  const y = (p) => HEIGHT / 2 - ((p.value - middle) / span) * (HEIGHT - 6);
  let line = "";
  known.forEach((p, i) => {
    const gap = i === 0 || p.at - known[i - 1].at > slide * 1.5;
    line += `${gap ? "M" : "L"}${x(p).toFixed(1)} ${y(p).toFixed(1)}`;
  });
  const last = known.at(-1);
  if (!line.slice(1).includes("M")) {
    root.append(svg("path", { class: "fill", d: `${line}L${x(last).toFixed(1)} ${HEIGHT}L2 ${HEIGHT}Z` }));
  }
  root.append(svg("path", { d: line }), svg("circle", { cx: x(last), cy: y(last), r: 2 }));
  return root;
}
