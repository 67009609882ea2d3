// Drift as a heat map: a row a feature, the largest drift first, time to the right.
import { css, h } from "./dom.js";
import { distance, moment, utc } from "./format.js";
import { plot, settle } from "./plot.js";

const SHOWN = 15;
const NOTABLE = 0.1; // the usual conventions for PSI
const LARGE = 0.25;

const tip = h("div.tip", { hidden: true });

/**
 * `features`: {name, psi: […], ks: […] or undefined}, all over the times `at`. `seen` remembers
 * which rows are open, from one drawing to the next.
 */
export function heat({ at, step, features, spans, nothing, seen }) {
  const panel = h("section.panel.plot.wide", { "aria-label": "Drift of each feature" });
  panel.append(
    h("header", h("h3", "Drift by feature"), h("span.muted", "PSI against the reference"), h("span.scale", "0", h("i"), `${LARGE}+`)),
  );
  const ranked = features
    .filter((f) => f.psi.some((v) => v !== null))
    .map((f) => ({ ...f, now: f.psi.findLast((v) => v !== null), largest: Math.max(...f.psi.filter((v) => v !== null)) }))
    .sort((a, b) => b.largest - a.largest || (a.name < b.name ? -1 : 1));
  if (!ranked.length) {
    panel.append(h("div.nothing", nothing));
    return panel;
  }
  const grid = h("div.heat", h("span.head", "Feature"), h("span.head"), h("span.head.r", "Now"), h("span.head.r.max", "Largest"));
  panel.append(grid);
  const add = (some) => some.forEach((f) => addRow(grid, f, { at, step, spans, seen }));
  add(seen.all ? ranked : ranked.slice(0, SHOWN));
  panel.append(h("div.heat.foot", h("span"), h("span.ends", h("span", moment(at[0])), h("span", moment(at.at(-1) + step))), h("span"), h("span.max")));
  if (ranked.length > SHOWN && !seen.all) {
    const more = h("button.plain", { type: "button" }, `Show all ${ranked.length} features`);
    more.addEventListener("click", () => {
      more.remove();
      seen.all = true;
      add(ranked.slice(SHOWN));
      paintAll(grid);
    });
    panel.append(h("p", more));
  }
  return panel;
}

function addRow(grid, feature, { at, step, spans, seen }) {
  const strip = h("canvas", { "aria-hidden": "true" });
  strip.paint = () => paint(strip, feature.psi);
  strip.addEventListener("pointermove", (event) => showTip(event, strip, feature, at));
  strip.addEventListener("pointerleave", () => (tip.hidden = true));
  const now = h("span.r", { class: level(feature.now) }, distance(feature.now));
  const largest = h("span.r.max", { class: level(feature.largest) }, distance(feature.largest));
  const button = h("button", { type: "button", "data-feature": feature.name, title: feature.name }, feature.name);
  let open = null;
  const show = (wanted) => {
    open?.remove();
    open = wanted ? h("div.open", detail(feature, at, step, spans)) : null;
    if (wanted) largest.after(open);
    button.setAttribute("aria-expanded", String(wanted));
    seen.open[wanted ? "add" : "delete"](feature.name);
  };
  button.addEventListener("click", () => {
    show(open === null);
    settle();
  });
  grid.append(button, strip, now, largest);
  show(seen.open.has(feature.name));
}

function detail(feature, at, step, spans) {
  const lines = [{ label: "PSI", values: feature.psi, color: "--c1" }];
  if (feature.ks) lines.push({ label: "KS", values: feature.ks, color: "--c2" });
  if (feature.missing) lines.push({ label: "Missing", values: feature.missing, color: "--c8" });
  return plot({ title: feature.name, at, step, lines, format: distance, spans, nothing: "" });
}

/** Paint the strips that are in the page. */
export function paintAll(root) {
  if (!tip.isConnected) document.body.append(tip);
  root.querySelectorAll("canvas").forEach((strip) => strip.paint?.());
}

function paint(strip, values) {
  const scale = devicePixelRatio;
  const width = (strip.width = Math.max(1, Math.round(strip.clientWidth * scale)));
  const height = (strip.height = Math.round(20 * scale));
  const context = strip.getContext("2d");
  const [none, some, much] = ["--heat-0", "--heat-1", "--heat-2"].map((n) => css(n).split(" ").map(Number));
  values.forEach((value, i) => {
    if (value === null) return;
    const from = Math.round((i / values.length) * width);
    const to = Math.round(((i + 1) / values.length) * width);
    context.fillStyle = color(value, none, some, much);
    context.fillRect(from, 0, to - from, height);
  });
}

function color(value, none, some, much) {
  const t = Math.min(1, Math.max(0, value - 0.03) / (LARGE - 0.03));
  const [a, b, u] = t < 0.5 ? [none, some, t * 2] : [some, much, t * 2 - 1];
  return `rgb(${a.map((c, i) => Math.round(c + (b[i] - c) * u)).join(" ")})`;
}

const level = (psi) => (psi >= LARGE ? "bad" : psi >= NOTABLE ? "warn" : "");

function showTip(event, strip, feature, at) {
  const box = strip.getBoundingClientRect();
  const i = Math.min(at.length - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * at.length)));
  tip.hidden = false;
  tip.textContent = `${feature.name}: ${distance(feature.psi[i])} at ${moment(at[i])} (${utc(at[i])})`;
  tip.style.left = `${Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${event.clientY + 16}px`;
}
