// The first view: what fires, all models, what has been.
import { get } from "./api.js";
import { h } from "./dom.js";
import { distance, duration, inUnit, milliseconds, number, percent, words } from "./format.js";
import { card, command, past } from "./incident.js";
import { Slots } from "./slots.js";
import { spark } from "./spark.js";

const FILTER_FROM = 8;

export class Overview {
  constructor(root, state) {
    this.root = root;
    this.state = state;
    this.rows = new Map();
    this.wanted = "";
  }

  async load() {
    const [models, incidents] = await Promise.all([get("models"), get("incidents")]);
    this.state.setNow(models.now);
    this.models = new Map(models.models.map((m) => [key(m), { ...m, steps: stepsOf(m.trail) }]));
    this.incidents = new Map(incidents.incidents.map((i) => [i.incident, i]));
    this.draw();
  }

  onIncident(incident) {
    this.incidents.set(incident.incident, incident);
    for (const model of this.models.values()) model.firing = this.firingOf(model);
    this.draw();
  }

  onWindow(event) {
    const model = this.models.get(key(event));
    // A shorter window or another model may be the one to show now: the server decides.
    if (!model) return event.segment === null ? this.state.reloadSoon() : undefined;
    if (event.segment !== null || event.window !== model.window) return undefined;
    if (event.step) model.steps.set(event.changed, event.step);
    Object.assign(model, event, { firing: model.firing });
    const row = this.row(model);
    this.rows.get(key(model))?.replaceWith(row);
    this.rows.set(key(model), row);
    return undefined;
  }

  firingOf(model) {
    return [...this.incidents.values()].filter((i) => i.firing && i.model === model.model && i.version === model.version).length;
  }

  draw() {
    if (!this.models.size && !this.incidents.size) return this.root.replaceChildren(noData());
    const now = this.state.now();
    const all = [...this.incidents.values()];
    const firing = all.filter((i) => i.firing).sort(urgency);
    const over = all.filter((i) => !i.firing).sort((a, b) => b.starts_at - a.starts_at);
    if (!this.root.querySelector("[data-slot='models']")) this.slots = new Slots(this.root, ["firing", "models", "resolved"]);
    this.slots.fill("firing", firing, () => [
      h("h1.sr", "Models and incidents"),
      firing.length
        ? h("section", { "aria-label": "Firing incidents" }, firing.map((i) => card(i, now)))
        : h("p.panel.quiet", { id: "quiet" }, h("span.dot"), "All quiet: nothing is firing."),
    ]);
    this.slots.fill("models", [[...this.models.values()], this.state.now()], () => [this.list()]);
    this.slots.fill("resolved", over, () => [
      h("h2", "Resolved ", h("span.count", String(over.length))),
      over.length
        ? h("section.panel", { id: "resolved" }, over.map((i) => past(i, now)))
        : h("p.panel.quiet", "No incident has ended yet."),
    ]);
    return undefined;
  }

  list() {
    const models = [...this.models.values()].sort((a, b) => b.firing - a.firing || (a.model < b.model ? -1 : a.model > b.model ? 1 : b.end - a.end));
    this.rows = new Map(models.map((m) => [key(m), this.row(m)]));
    const filter = h("input", { type: "search", placeholder: "Filter by name", "aria-label": "Filter models by name", value: this.wanted });
    filter.value = this.wanted;
    filter.addEventListener("input", () => {
      this.wanted = filter.value;
      this.applyFilter();
    });
    const section = h(
      "section",
      h("div.list-head", h("h2", "Models ", h("span.count", String(models.length))), models.length >= FILTER_FROM && filter),
      h(
        "div.panel",
        h(
          "table.models",
          { id: "models" },
          h("thead", h("tr", ["Model", "Quality", "Latency p95", "Errors", "Rows", "Largest drift", "Last window"].map((t, i) => h("th", { scope: "col", class: i === 6 ? "hide-small" : "" }, t)))),
          h("tbody", [...this.rows.values()]),
        ),
      ),
    );
    this.applyFilter();
    return section;
  }

  applyFilter() {
    for (const [name, row] of this.rows) {
      row.hidden = !this.models.get(name).model.toLowerCase().includes(this.wanted.toLowerCase());
    }
  }

  row(model) {
    const url = `#/model/${encodeURIComponent(model.model)}/${encodeURIComponent(model.version)}`;
    const steps = [...model.steps.values()].sort((a, b) => a.start - b.start).slice(-60);
    const trail = (name) => steps.map((s) => ({ at: s.start, value: s[name] }));
    const { latest } = model;
    const age = this.state.now() - model.end;
    const stale = age > 5 * model.slide_ms + 300_000;
    const drift = latest.drift >= 0.25 ? "bad" : latest.drift >= 0.1 ? "warn" : "";
    const number_ = (label, text, kind, points, bad) =>
      h("td.num", { "data-label": label }, h("span.value", { class: kind }, text), points && spark(points, model.slide_ms, bad));
    const metric = model.quality_metric;
    const row = h(
      "tr",
      { class: [model.firing ? "firing" : "", stale ? "stale" : ""].join(" "), onclick: (e) => e.target.closest("a") || (location.hash = url) },
      h("td.name", h("a", { href: url }, model.model), h("small", `${model.version} · ${model.window}${model.firing ? ` · ${model.firing} firing` : ""}`)),
      number_(metric ? words(metric) : "Quality", metric ? inUnit(metric, latest.quality) : "no labels", "", trail("quality"), model.firing > 0),
      number_("Latency p95", milliseconds(latest.p95_ms), "", trail("p95_ms")),
      number_("Errors", percent(latest.error_rate), latest.error_rate > 0.05 ? "bad" : "", null),
      number_("Rows", number(latest.rows), "", null),
      number_("Largest drift", distance(latest.drift), drift, trail("drift"), drift === "bad"),
      h("td.num.muted.hide-small", h("span", { "data-since": model.end }, duration(age)), " ago"),
    );
    row.hidden = !model.model.toLowerCase().includes(this.wanted.toLowerCase());
    return row;
  }
}

const key = (m) => JSON.stringify([m.model, m.version]);

function stepsOf(trail) {
  return new Map(trail.start.map((start, i) => [start, Object.fromEntries(Object.entries(trail).map(([name, column]) => [name, column[i]]))]));
}

const WEIGHT = { page: 0, ticket: 1, info: 2 };
const urgency = (a, b) => WEIGHT[a.severity] - WEIGHT[b.severity] || b.starts_at - a.starts_at;

function noData() {
  return h(
    "section.panel.empty",
    { id: "no-data" },
    h("h2", "No data yet"),
    h("p.muted", "The first picture appears when the first window closes: a minute or two after the first request."),
    h(
      "ol",
      h("li", "Put a sidecar in front of your model server, and send requests to its port 9000:", command("inferwatch sidecar --upstream http://127.0.0.1:8080 --listen 127.0.0.1:9000 --broker HOST:PORT")),
      h("li", "Run a worker on the same config:", command("inferwatch worker -c config.yaml")),
      h("li", "Nothing comes? See where it stands:", command("inferwatch status")),
    ),
  );
}
