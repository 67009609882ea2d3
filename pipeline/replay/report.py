"""The report of a replay: one HTML file, plots drawn in it, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from inferwatch.events.alert import Severity
from inferwatch.events.window import WindowResult
from inferwatch.settings import Settings
from pipeline.replay.known import BadTime, Episode
from pipeline.replay.plot import Band, Line, plot
from pipeline.replay.summary import Summary
from pipeline.replay.wording import duration, moment, per_month, sentence
from pipeline.rules.watched import smallest_window

Point = tuple[int, float | None]

MEASURES = {
    "rows": "Rows a window",
    "accuracy": "Accuracy",
    "mae": "Mean absolute error",
    "psi": "Largest PSI of a feature",
    "p95": "Latency, 95th percentile (ms)",
    "error_rate": "Share of failed requests",
}

_STYLE = """
:root{color-scheme:light dark;--fg:#1d2733;--bg:#fff;--mute:#6b7785;--grid:#e3e8ee;--line:#2563a8;
--page:#d64545;--ticket:#d99a2b;--known:#7a8794}
@media(prefers-color-scheme:dark){:root{--fg:#e4e9ef;--bg:#12171d;--mute:#93a0ae;--grid:#27303a;
--line:#6aa9e9}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);max-width:70rem;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{margin-top:2.5rem;font-size:1.2rem}h3{font-size:.95rem;margin:1.2rem 0 .2rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--grid);vertical-align:top}
.n{text-align:right;font-variant-numeric:tabular-nums}.mute{color:var(--mute)}
svg{width:100%;height:auto;display:block}
svg text{font-size:11px;fill:var(--mute)}.grid{stroke:var(--grid)}
.line{fill:none;stroke:var(--line);stroke-width:1.5}.dot{fill:var(--line)}
.page{fill:var(--page);opacity:.22}.ticket{fill:var(--ticket);opacity:.22}
.known{fill:var(--known);opacity:.45}
"""


class Curves:
    """What is plotted: a few measures of each model's smallest window, as they were last."""

    def __init__(self, settings: Settings) -> None:
        """Look at the windows of these settings."""
        self._settings = settings
        self._smallest: dict[str, str] = {}
        self._points: dict[tuple[str, str, str], dict[int, float | None]] = {}

    def see(self, result: WindowResult) -> None:
        """Take a result in; a revision replaces the one before."""
        if result.segment is not None:
            return
        if result.model not in self._smallest:
            smallest = smallest_window(self._settings.for_model(result.model))
            self._smallest[result.model] = smallest.text
        if result.window != self._smallest[result.model]:
            return
        for measure, value in measured(result).items():
            key = (result.model, result.version, measure)
            self._points.setdefault(key, {})[result.end] = value

    def models(self) -> list[tuple[str, str]]:
        """The models and versions that were seen."""
        return sorted({(model, version) for model, version, _ in self._points})

    def line(self, model: str, version: str, measure: str) -> list[Point]:
        """The points of a measure, by time."""
        return sorted(self._points.get((model, version, measure), {}).items())


def measured(result: WindowResult) -> dict[str, float | None]:
    """The measures of a result that are plotted; what it has not is absent."""
    found: dict[str, float | None] = {"rows": result.rows}
    if result.quality is not None:
        for name in ("accuracy", "mae"):
            if hasattr(result.quality, name):
                found[name] = getattr(result.quality, name)
    distances = [block.psi for block in (result.features or {}).values() if block.psi is not None]
    if distances:
        found["psi"] = max(distances)
    if result.latency is not None:
        found["p95"] = result.latency.p95_ms
        found["error_rate"] = result.latency.error_rate
    return found


def write_report(summary: Summary, curves: Curves, bad_times: Sequence[BadTime]) -> str:
    """The whole page."""
    body = [
        "<h1>Replay</h1>",
        f"<p>{escape(sentence(summary))}</p>",
        _models(summary),
        _known(summary),
        _incidents(summary.episodes),
        *(_plots(m, v, summary.episodes, curves, bad_times) for m, v in curves.models()),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<title>Replay: inferwatch</title>"
        f"<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _models(summary: Summary) -> str:
    rows = []
    for model in summary.models:
        counts = [summary.severities(s, model) for s in (Severity.PAGE, Severity.TICKET)]
        cells = [text for n in counts for text in (str(n), per_month(summary.a_month(n)))]
        rows.append([model, *cells])
    return _table(["Model", "Pages", "a month", "Tickets", "a month"], rows, numbers=range(1, 5))


def _known(summary: Summary) -> str:
    if summary.score is None:
        return ""
    rows = [[bad.name, bad.model, duration(delay)] for bad, delay in summary.score.found]
    rows += [[bad.name, bad.model, "missed"] for bad in summary.score.missed]
    false = f"<p>{len(summary.score.false)} incidents of no known bad time.</p>"
    return "<h2>Known bad times</h2>" + _table(["Bad time", "Model", "Found after"], rows) + false


def _incidents(episodes: Sequence[Episode]) -> str:
    if not episodes:
        return "<h2>Incidents</h2><p>None.</p>"
    rows = []
    for one in episodes:
        ended = "still firing" if one.ends_at is None else duration(one.ends_at - one.starts_at)
        state = "corrected" if one.corrected else ended
        rows.append([moment(one.fired_at), one.severity, one.model, one.rule, state, one.summary])
    head = ["Fired (UTC)", "Severity", "Model", "Rule", "Lasted", "What happened"]
    return "<h2>Incidents</h2>" + _table(head, rows)


def _plots(
    model: str,
    version: str,
    episodes: Sequence[Episode],
    curves: Curves,
    bad_times: Sequence[BadTime],
) -> str:
    bands = [Band("known", bad.start, bad.end) for bad in bad_times if bad.model == model]
    bands += [
        Band(str(one.severity), one.starts_at, one.ends_at)
        for one in episodes
        if one.model == model and one.severity is not Severity.INFO
    ]
    parts = [f'<h2>{escape(model)} <span class="mute">version {escape(version)}</span></h2>']
    for measure, title in MEASURES.items():
        points = curves.line(model, version, measure)
        if any(value is not None for _, value in points):
            parts.append(f"<h3>{escape(title)}</h3>{plot(Line(points), bands)}")
    return "".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    right = set(numbers)

    def row(cells: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=n' if n in right else ''}>{escape(str(cell))}</{tag}>"
            for n, cell in enumerate(cells)
        )

    lines = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in rows)
    return f"<table><thead><tr>{row(head, 'th')}</tr></thead><tbody>{lines}</tbody></table>"
