// An incident as on-call reads it at night: what, since when, why, what to do next.
import { h, link } from "./dom.js";
import { duration, inUnit, moment, percent, utc, words } from "./format.js";

const title = (name) => words(name);

// A feature keeps its own name: features.dep_delay.psi is the PSI of dep_delay.
function metricName(metric) {
  const feature = /^(?:features|scores)\.(.+)\.([^.]+)$/.exec(metric);
  if (feature === null) return words(metric);
  const what = ["psi", "ks", "js", "chi2"].includes(feature[2]) ? feature[2].toUpperCase() : words(feature[2]);
  return `${what} of ${feature[1]}`;
}

export function time(ms, now) {
  return h("time", { datetime: new Date(ms).toISOString(), title: utc(ms) }, moment(ms, now));
}

export const modelUrl = (i) =>
  `#/model/${encodeURIComponent(i.model)}/${encodeURIComponent(i.version)}${i.segment ? `?segment=${encodeURIComponent(i.segment)}` : ""}`;

/** The whole card. */
export function card(incident, now) {
  return h(
    "article.panel.incident",
    { class: incident.severity, "data-incident": incident.incident },
    h(
      "header",
      h("span.badge", { class: incident.severity }, incident.severity),
      h("span", title(incident.kind)),
      h("a", { href: modelUrl(incident) }, `${incident.model} · ${incident.version}`),
      incident.segment && h("span", incident.segment),
      since(incident, now),
    ),
    h("h3", incident.summary),
    facts(incident),
    h("div.two", causes(incident), evidence(incident)),
    steps(incident),
    h(
      "footer",
      h("span", `Rule ${incident.rule}`),
      h("a", { href: `#/incident/${encodeURIComponent(incident.incident)}` }, `Incident ${incident.incident}`),
      h("span", `Window ${incident.window.window}, ${incident.rows.toLocaleString("en")} rows, ${percent(incident.completeness)} complete`),
      incident.transitions.some((t) => t.status === "corrected") && h("span", "Corrected by later data"),
      incident.runbook_url && link(incident.runbook_url, "Runbook"),
    ),
  );
}

/** One line that opens to the card. */
export function past(incident, now) {
  const details = h(
    "details.past",
    h(
      "summary",
      h("span.badge", { class: incident.severity }, incident.severity),
      h("span.what", incident.summary),
      h("span.muted", `${incident.model} · `, time(incident.starts_at, now), ` for ${duration((incident.ends_at ?? now) - incident.starts_at)}`),
    ),
  );
  // The card is made when it is first opened: there may be hundreds.
  details.addEventListener("toggle", () => details.children.length > 1 || details.append(card(incident, now)));
  return details;
}

function since(incident, now) {
  if (!incident.firing) {
    return h("span", time(incident.starts_at, now), ` to `, time(incident.ends_at ?? incident.updated_at, now));
  }
  return h("span.since", "since ", time(incident.starts_at, now), ", ", h("span", { "data-since": incident.starts_at }, duration(now - incident.starts_at)));
}

function facts(incident) {
  const fact = (name, value, kind) =>
    value === null || value === undefined ? null : h("div", h("dt", name), h("dd", { class: kind }, inUnit(incident.metric, value)));
  return h(
    "dl.facts",
    h("div", h("dt", "Metric"), h("dd", metricName(incident.metric))),
    fact("Now", incident.value, incident.firing ? "bad" : ""),
    fact("Usual", incident.baseline),
    fact("Threshold", incident.threshold),
  );
}

function causes(incident) {
  if (!incident.causes.length) return h("section", h("h4", "Likely causes"), h("p.muted", "Nothing points to a cause yet."));
  return h(
    "section",
    h("h4", "Likely causes"),
    incident.causes.map((c) => {
      const bar = h("i");
      bar.style.width = `${Math.round(Math.min(1, Math.max(0, c.confidence)) * 100)}%`;
      return h(
        "div.cause",
        h("div.line", h("span", title(c.cause)), h("span", `${Math.round(c.confidence * 100)} %`)),
        h("div.bar", { "aria-hidden": "true" }, bar),
        h("p", c.why),
      );
    }),
  );
}

function evidence(incident) {
  if (!incident.evidence.length) return null;
  const row = (e) =>
    h(
      "tr",
      h("td", e.text, " ", h("code", e.metric)),
      h("td.r", inUnit(e.metric, e.before)),
      h("td.r", inUnit(e.metric, e.after)),
    );
  return h(
    "section",
    h("h4", "Evidence"),
    h("table.evidence", h("thead", h("tr", h("th", "What"), h("th.r", "Before"), h("th.r", "Now"))), h("tbody", incident.evidence.map(row))),
  );
}

function steps(incident) {
  if (!incident.suggestions.length) return null;
  return h(
    "section",
    h("h4", "Next steps"),
    h(
      "ol.steps",
      incident.suggestions.map((s) => h("li", s.text, s.url && [" ", link(s.url, "Open")], s.command && command(s.command))),
    ),
  );
}

/** A command with a button that copies it. */
export function command(text) {
  const button = h("button", { type: "button", "aria-label": `Copy: ${text}`, onclick: () => copy(text, button) }, "Copy");
  return h("div.command", h("code", { tabindex: 0 }, text), button);
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https the clipboard is closed; the old way still works.
    const area = h("textarea.sr");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 1500);
}
