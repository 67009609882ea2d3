// Numbers, names and times as people read them.

const SHARES = /(accuracy|precision|recall|f1|roc_auc|coverage|completeness|_rate|missing_rate|low|high|share|collapsed)$/;

export function isShare(metric) {
  return SHARES.test(metric) || metric.startsWith("prediction.share.");
}

export function number(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 1e6) return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 || size === 0 ? 2 : 3;
  return new Intl.NumberFormat("en", { maximumFractionDigits: digits }).format(value);
}

export function percent(value) {
  if (value === null || value === undefined) return "–";
  const p = value * 100;
  const digits = p !== 0 && Math.abs(p) < 1 ? 2 : 1;
  return `${p === 100 || p === 0 ? p : p.toFixed(digits)} %`;
}

export function milliseconds(value) {
  if (value === null || value === undefined) return "–";
  return value >= 10_000 ? `${number(value / 1000)} s` : `${number(value)} ms`;
}

/** PSI and its like: as many decimals for all, so that columns line up. */
export function distance(value) {
  if (value === null || value === undefined) return "–";
  return value.toFixed(value >= 1 ? 2 : 3);
}

/** A value in the unit of its metric. */
export function inUnit(metric, value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (metric.endsWith("_ms")) return milliseconds(value);
  if (/\.(psi|ks|js)$/.test(metric)) return distance(value);
  return isShare(metric) ? percent(value) : number(value);
}

/** quality.accuracy: "Accuracy". */
export function words(metric) {
  const text = metric.replace(/^(quality|latency|estimated)\./, "").replace(/_ms$/, "").replace(/\.burn$/, " burn").replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The two largest units: 45 s, 12 min, 1 h 11 min, 3 d 4 h. */
export function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 90) return `${s} s`;
  const m = Math.round(s / 60);
  if (m < 60) return `${m} min`;
  const two = (big, unit, small, smallUnit) => (small ? `${big} ${unit} ${small} ${smallUnit}` : `${big} ${unit}`);
  if (m < 48 * 60) return two(Math.floor(m / 60), "h", m % 60, "min");
  return two(Math.floor(m / 1440), "d", Math.floor((m % 1440) / 60), "h");
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const CLOCK_S = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

export const clock = (ms) => CLOCK.format(ms);
export const clockSeconds = (ms) => CLOCK_S.format(ms);
export const day = (ms) => DAY.format(ms);
export const utc = (ms) => `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;

/** Local time, with the day when it is not today. */
export function moment(ms, now = Date.now()) {
  const sameDay = new Date(ms).toDateString() === new Date(now).toDateString();
  return sameDay ? clock(ms) : `${day(ms)}, ${clock(ms)}`;
}
