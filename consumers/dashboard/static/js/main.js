// Starts the page: the address decides the view, events keep it fresh.
import { get, listen } from "./api.js";
import { h } from "./dom.js";
import { duration, percent, utc } from "./format.js";
import { Model } from "./model.js";
import { Overview } from "./overview.js";
import { settle } from "./plot.js";
import { Single } from "./single.js";

const root = document.getElementById("main");
const RELOAD_AFTER_MS = 700;
const TICK_MS = 5_000;

/** What the views share: the server's clock, and a reload that many events cause only once. */
const state = {
  skew: 0,
  timer: null,
  now: () => Date.now() + state.skew,
  setNow: (serverNow) => (state.skew = serverNow - Date.now()),
  reloadSoon: () => {
    state.timer ??= setTimeout(() => {
      state.timer = null;
      reload();
    }, RELOAD_AFTER_MS);
  },
};

let view = null;
let status = null;

function viewOf(hash) {
  const [path, query] = hash.replace(/^#/, "").split("?");
  const [, kind, model, version] = path.split("/").map(decodeURIComponent);
  const chosen = new URLSearchParams(query);
  if (kind === "incident") return new Single(root, state, model);
  if (kind !== "model") return new Overview(root, state);
  return new Model(root, state, {
    model,
    version,
    segment: chosen.get("segment") ?? "",
    window: chosen.get("window"),
    range: chosen.get("range") ?? undefined,
  });
}

async function show() {
  try {
    const next = viewOf(location.hash);
    document.title = next.model ? `${next.model} · inferwatch` : "inferwatch";
    // The same model over another range: what was open stays open.
    if (view?.seen && view.model === next.model) next.seen = view.seen;
    await next.load();
    view = next;
    settle();
  } catch (error) {
    view = null;
    root.replaceChildren(h("section.panel.empty", h("h2", "This cannot be shown"), h("p", error.message), h("p", h("a", { href: "#/" }, "All models"))));
  }
}

async function reload() {
  try {
    await Promise.all([view ? view.load() : show(), loadStatus()]);
    settle();
  } catch {
    state.reloadSoon(); // the connection's own line says what is wrong
  }
}

async function loadStatus() {
  status = await get("status");
  state.setNow(status.now);
  drawStatus();
}

function drawStatus() {
  const firing = status.firing.page + status.firing.ticket + status.firing.info;
  const lag = status.newest_window_end === null ? null : state.now() - status.newest_window_end;
  const chip = (kind, name, value, title) => h("li.chip", { class: kind, title }, h("span.dot"), name, h("b", value));
  document.getElementById("state").replaceChildren(
    chip(firing ? "bad" : "", "Firing", String(firing), `${status.firing.page} pages, ${status.firing.ticket} tickets, ${status.firing.info} infos`),
    lag === null ? "" : chip(lag > 600_000 ? "warn" : "", "Data", `${duration(lag)} ago`, `The newest window ended at ${utc(status.newest_window_end)}`),
    status.completeness === null ? "" : chip(status.completeness < 0.98 ? "warn" : "", "Complete", percent(status.completeness), "Rows seen of rows sent, in the newest windows"),
    status.trouble ? chip("bad", "Trouble", "reading", status.trouble) : status.ready ? "" : chip("warn", "Catching up", `${status.lag_records} records`),
  );
}

setInterval(() => {
  document.querySelectorAll("[data-since]").forEach((e) => (e.textContent = duration(state.now() - Number(e.dataset.since))));
  if (status) drawStatus();
}, TICK_MS);

addEventListener("hashchange", async () => {
  await show();
  scrollTo(0, 0);
  root.focus({ preventScroll: true });
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", reload);

const lost = document.getElementById("lost");
await Promise.all([show(), loadStatus().catch(() => {})]);
listen({
  onWindow: (event) => {
    if (status && event.end > (status.newest_window_end ?? 0)) {
      status.newest_window_end = event.end;
      drawStatus();
    }
    view ? view.onWindow(event) : state.reloadSoon();
  },
  onIncident: (incident) => {
    loadStatus().catch(() => {});
    view ? view.onIncident(incident) : state.reloadSoon();
  },
  onReset: () => state.reloadSoon(),
  onLost: () => (lost.hidden = false),
  onBack: () => {
    lost.hidden = true;
    state.reloadSoon();
  },
});
