// One model: what it does over time, and what has happened to it.
import { get } from "./api.js";
import { h } from "./dom.js";
import { distance, duration, inUnit, milliseconds, number, percent, words } from "./format.js";
import { heat, paintAll } from "./heat.js";
import { card, past } from "./incident.js";
import { closeRange, plot, settle, shareRange } from "./plot.js";
import { Slots } from "./slots.js";

const RANGES = { "1h": "1 h", "6h": "6 h", "24h": "24 h", "7d": "7 d" };
const POINTS = 360;
const COLORS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8"];
const CORE = [
  "rows", "completeness", "latency.p50_ms", "latency.p95_ms", "latency.p99_ms", "latency.error_rate",
  "latency.requests_per_s", "quality.*", "estimated.*", "prediction.*", "features.*",
];

const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;

export class Model {
  constructor(root, state, place) {
    this.root = root;
    this.state = state;
    Object.assign(this, place); // model, version, segment, window, range
    this.seen = { open: new Set(), all: false }; // what has been opened in the heat map
  }

  async load() {
    const found = await get("models", { model: this.model });
    this.versions = found.versions.sort((a, b) => b.newest - a.newest);
    const version = this.versions.find((v) => v.version === this.version) ?? this.versions[0];
    this.version = version.version;
    if (!version.windows.includes(this.window)) this.window = version.windows[0];
    if (!version.segments.includes(this.segment)) this.segment = "";
    this.choice = version;
    this.range ??= "24h";
    const at = { model: this.model, version: this.version, segment: this.segment, window: this.window };
    const [series, incidents] = await Promise.all([
      get("series", { ...at, last: this.range, points: POINTS, metric: CORE }),
      get("incidents", { model: this.model }),
    ]);
    this.series = series;
    this.incidents = incidents.incidents.filter((i) => i.version === this.version || i.version === "");
    this.state.setNow(incidents.now);
    this.draw();
  }

  onIncident(incident) {
    if (incident.model === this.model) this.state.reloadSoon();
  }

  onWindow(event) {
    if (event.model === this.model && event.version === this.version && (event.segment ?? "") === this.segment && event.window === this.window) this.state.reloadSoon();
  }

  draw() {
    const now = this.state.now();
    const firing = this.incidents.filter((i) => i.firing);
    const over = this.incidents.filter((i) => !i.firing);
    this.slots ??= new Slots(this.root, ["head", "firing", "data", "resolved"]);
    const { model, version, segment, window: size, range } = this;
    this.slots.fill("head", [version, segment, size, range, this.choice, this.versions.map((v) => v.version)], () => [
      h("p.crumb", h("a", { href: "#/" }, "All models")),
      h("div.model-head", h("div", h("h1", model), h("p.muted", { id: "subtitle" })), this.picks()),
    ]);
    document.getElementById("subtitle").replaceChildren(...this.subtitle(now));
    this.slots.fill("firing", firing, () => [h("section", { id: "firing" }, firing.map((i) => card(i, now)))]);
    this.slots.fill("data", [this.series, this.incidents.map((i) => i.updated_at), dark()], () => [
      this.tiles(),
      h("div.plots", { id: "plots" }, this.plots()),
    ]);
    this.slots.fill("resolved", over, () => [
      h("h2", "Resolved ", h("span.count", String(over.length))),
      over.length ? h("section.panel", over.map((i) => past(i, now))) : h("p.panel.quiet", "No incident of this model has ended yet."),
    ]);
    settle();
    paintAll(this.root);
  }

  subtitle(now) {
    const { end, provisional, reference } = this.series;
    const against = reference === null ? " · no reference yet" : provisional ? " · measured against a learned reference" : "";
    return ["Last window ended ", h("span", { "data-since": end }, duration(now - end)), ` ago${against}`];
  }

  picks() {
    const pick = (name, label, options, text = (o) => o) =>
      h(
        "label",
        label,
        h(
          "select",
          { "data-pick": name, onchange: (e) => this.go({ [name]: e.target.value }) },
          options.map((o) => h("option", { value: o, selected: o === this[name] }, text(o))),
        ),
      );
    return h(
      "div.picks",
      pick("version", "Version", this.versions.map((v) => v.version)),
      pick("segment", "Segment", this.choice.segments, (s) => s || "whole model"),
      pick("window", "Window", this.choice.windows),
      h(
        "div.range",
        { role: "group", "aria-label": "How far back" },
        Object.entries(RANGES).map(([value, text]) =>
          h("button", { type: "button", "data-pick": `range-${value}`, "aria-pressed": String(value === this.range), onclick: () => this.go({ range: value }) }, text),
        ),
      ),
    );
  }

  go(change) {
    const { model, version, segment, window: size, range } = { ...this, ...change };
    const query = new URLSearchParams({ segment, window: size, range });
    location.hash = `#/model/${encodeURIComponent(model)}/${encodeURIComponent(version)}?${query}`;
  }

  tiles() {
    const { latest, quality_metric: metric } = this.series;
    const tile = (name, text, kind = "") => h("div.tile", h("small", name), h("b", { class: kind }, text));
    const drift = latest.drift >= 0.25 ? "bad" : latest.drift >= 0.1 ? "warn" : "";
    return h(
      "div.panel.tiles",
      { id: "tiles" },
      tile(metric ? words(metric) : "Quality", metric ? inUnit(metric, latest.quality) : "no labels"),
      tile("Latency p95", milliseconds(latest.p95_ms)),
      tile("Errors", percent(latest.error_rate), latest.error_rate > 0.05 ? "bad" : ""),
      tile(`Rows per ${this.series.window}`, number(latest.rows)),
      tile(`PSI of ${this.mostDrifted() ?? "features"}`, distance(latest.drift), drift),
      tile("Completeness", percent(latest.completeness), latest.completeness < 0.98 ? "warn" : ""),
    );
  }

  mostDrifted() {
    const now = this.features().map((f) => ({ name: f.name, psi: f.psi.at(-1) ?? -1 }));
    return now.sort((a, b) => b.psi - a.psi)[0]?.name;
  }

  plots() {
    const { at, step_ms: step } = this.series;
    const spans = this.incidents
      .filter((i) => !i.segment || i.segment === this.segment)
      .map((i) => ({ from: i.starts_at, to: i.firing ? null : (i.ends_at ?? i.updated_at) }));
    const common = { at, step, spans, nothing: "Nothing in this range." };
    const column = (name) => this.series.metrics[name];
    const line = (name, label, color, more = {}) => (column(name) ? [{ label, values: column(name), color, ...more }] : []);
    return [
      this.quality(common, column, line),
      plot({
        ...common,
        title: "Latency",
        format: milliseconds,
        lines: [...line("latency.p50_ms", "p50", "--c3"), ...line("latency.p95_ms", "p95", "--c1"), ...line("latency.p99_ms", "p99", "--c4")],
        nothing: "No requests in this range. Latencies come from the sidecar.",
      }),
      plot({ ...common, title: "Error rate", format: percent, lines: line("latency.error_rate", "errors", "--c6", { fill: 0.15 }), nothing: "No requests in this range." }),
      plot({ ...common, title: "Volume", note: `rows per ${this.series.window}`, format: number, lines: line("rows", "rows", "--c1", { fill: 0.12 }) }),
      this.mix(common, column, line),
      plot({
        ...common,
        title: "Completeness and labels",
        format: percent,
        range: (u, low) => [Math.max(0, Math.min(low ?? 0, 0.9) - 0.03), 1.005],
        lines: [...line("completeness", "rows seen", "--c3"), ...line("quality.label_coverage", "rows with a label", "--c1")],
      }),
      heat({ at, step, spans, features: this.features(), nothing: this.noDrift(), seen: this.seen }),
    ];
  }

  quality(common, column, line) {
    const metric = this.series.quality_metric;
    const nothing = [h("b", "No labels yet"), h("span", "Send what really happened to the labels topic, or from a file:"), h("code", "inferwatch labels send FILE -c config.yaml")];
    if (!metric) return plot({ ...common, title: "Quality", lines: [], nothing });
    const band = { "quality.accuracy": ["quality.accuracy_low", "quality.accuracy_high"], "estimated.accuracy": ["estimated.low", "estimated.high"] }[metric];
    const lines = line(metric, words(metric), "--c1", { width: 2 });
    const bands = [];
    if (band && column(band[0])) {
      lines.push({ label: "high", values: column(band[1]), color: "--c1", hidden: true }, { label: "low", values: column(band[0]), color: "--c1", hidden: true });
      bands.push([1, 2, "--c1"]);
    }
    if (metric === "quality.mae") lines.push(...line("quality.rmse", "RMSE", "--c3"));
    const share = metric.endsWith("accuracy");
    return plot({ ...common, title: "Quality", note: band ? "with 95 % interval" : "", format: share ? percent : number, range: share ? shareRange : undefined, lines, bands, nothing });
  }

  mix(common, column, line) {
    const names = Object.keys(this.series.metrics).filter((n) => n.startsWith("prediction.share."));
    if (!names.length) {
      const lines = [...line("prediction.p50", "median", "--c1", { width: 2 }), ...line("prediction.p95", "p95", "--c8", { width: 1 }), ...line("prediction.p05", "p5", "--c8", { width: 1 })];
      return plot({ ...common, title: "Predictions", note: "median, 5 % to 95 %", format: number, range: closeRange, lines, bands: lines.length === 3 ? [[1, 2, "--c1"]] : [] });
    }
    // Stacked from the largest up, at most eight: what is over stays white.
    const mean = (n) => column(n).reduce((sum, v) => sum + (v ?? 0), 0);
    const top = names.sort((a, b) => mean(b) - mean(a)).slice(0, COLORS.length);
    let below = new Array(common.at.length).fill(0);
    const lines = top.map((name, i) => {
      const values = column(name);
      const any = (k) => top.some((n) => column(n)[k] !== null);
      const stacked = below.map((b, k) => (any(k) ? b + (values[k] ?? 0) : null));
      below = stacked.map((v) => v ?? 0);
      return { label: name.slice("prediction.share.".length) || "(empty)", values: stacked, shown: values, color: COLORS[i], width: 1, fill: i === 0 ? 0.35 : undefined };
    });
    const bands = lines.slice(1).map((l, i) => [i + 1, i, l.color, 0.35]);
    return plot({ ...common, title: "Prediction mix", format: percent, range: () => [0, 1], lines, bands });
  }

  features() {
    const prefix = "features.";
    return Object.entries(this.series.metrics)
      .filter(([name]) => name.startsWith(prefix) && name.endsWith(".psi"))
      .map(([name, psi]) => {
        const path = name.slice(0, -".psi".length);
        return { name: path.slice(prefix.length), psi, ks: this.series.metrics[`${path}.ks`], missing: this.series.metrics[`${path}.missing_rate`] };
      });
  }

  noDrift() {
    return this.series.reference === null
      ? [h("b", "Nothing to compare with yet"), h("span", "A reference is learned by itself, or built from training data:"), h("code", `inferwatch reference build --model M --model-version V --data FILE`)]
      : "No features in this range.";
  }
}
