"""What the terminal shows: one screen of a status, whatever its size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from inferwatch.printable import printable
from inferwatch.top.rates import window_rows_per_s

if TYPE_CHECKING:
    from inferwatch.events.alert import Alert
    from pipeline.status import ModelStatus, SystemStatus

_SEVERITIES = {"page": "bold red", "ticket": "yellow", "info": "cyan"}
_FRAME_LINES = 11
"""Lines that are neither a model nor an alert."""

_NAME_WIDTH = 40

COMPLETE = 0.98
"""Below this share of the sent rows a window is in doubt, as the diagnosis has it."""


def screen(
    status: SystemStatus, rate: float | None, *, height: int, trouble: str = ""
) -> RenderableType:
    """One screen of at most `height` lines.

    Args:
        status: what is shown.
        rate: rows a second; None where it is not known yet.
        height: lines of the terminal.
        trouble: why what is shown is old, if it is.
    """
    room = max(2, height - _FRAME_LINES)
    firing = sorted(status.firing, key=lambda alert: (alert.severity != "page", -alert.starts_at))
    alert_lines = min(len(firing), max(1, room // 2))
    model_lines = max(1, room - alert_lines)
    parts: list[RenderableType] = [_head(status, rate)]
    if trouble:
        parts.append(_line().append(printable(trouble), style="bold red"))
    if status.rebuild is not None:
        counted, of = status.rebuild.counted, status.rebuild.of
        parts.append(
            _line().append(
                f"reading the log again: {counted:,} of {of:,} records",
                style="yellow",
            )
        )
    parts += [Text(), _models(status, model_lines), Text()]
    parts += _alerts(firing, alert_lines, status.at)
    foot = _foot(status)
    if foot:
        parts += [Text(), _line().append(foot, style="dim")]
    return Group(*parts)


def _head(status: SystemStatus, rate: float | None) -> Text:
    unowned = sum(partition.worker is None for partition in status.partitions)
    line = _line().append("inferwatch ", style="bold")
    line.append(f"{datetime.fromtimestamp(status.at / 1000, UTC):%H:%M:%S} UTC")
    line.append(f"   {_many(status.workers, 'worker')}", style="" if status.workers else "red")
    line.append("   - rows/s" if rate is None else f"   {rate:,.0f} rows/s")
    line.append(f"   {_many(status.lag, 'record')} to go")
    if unowned:
        line.append(f"   {_many(unowned, 'partition')} without a worker", style="red")
    line.append("   q ends", style="dim")
    return line


def _models(status: SystemStatus, lines: int) -> RenderableType:
    if not status.models:
        return Text("no model has sent anything yet")
    firing = Counter(alert.model for alert in status.firing)
    table = Table(box=None, padding=(0, 2, 0, 0))
    # Cut by itself, so that a long name takes no room from the numbers.
    table.add_column("model", no_wrap=True, overflow="ellipsis", max_width=_NAME_WIDTH)
    for name in ("rows/s", "watermark", "window", "rows", "complete", "firing"):
        table.add_column(name, justify="right", no_wrap=True)
    # What fires stands first: a screen may be too small for all.
    ranked = sorted(status.models, key=lambda model: (-firing[model.model], model.model))
    for model in ranked[:lines]:
        table.add_row(*_model(model, firing[model.model]))
    if len(ranked) <= lines:
        return table
    return Group(table, Text(f"… and {len(ranked) - lines:,} more", style="dim"))


def _model(model: ModelStatus, firing: int) -> Sequence[Text | str]:
    rate, complete = window_rows_per_s(model), model.completeness
    doubtful = complete is not None and complete < COMPLETE
    return (
        Text(printable(model.model), style="bold red" if firing else ""),
        "-" if rate is None else f"{rate:,.1f}",
        "-" if model.behind_ms is None else f"{ago(model.behind_ms)} ago",
        model.window or "-",
        "-" if model.rows is None else f"{model.rows:,}",
        Text("-" if complete is None else f"{complete:.1%}", style="yellow" if doubtful else ""),
        Text(str(firing) if firing else "-", style="bold red" if firing else ""),
    )


def _alerts(firing: Sequence[Alert], lines: int, now_ms: int) -> list[RenderableType]:
    if not firing:
        return [Text("nothing fires", style="green")]
    found: list[RenderableType] = [Text(f"{_many(len(firing), 'incident')} firing")]
    for alert in firing[:lines]:
        severity = str(alert.severity)
        line = _line().append(f"{severity:<8}", style=_SEVERITIES.get(severity, ""))
        line.append(f"for {ago(now_ms - alert.starts_at):<10}  {printable(alert.incident)}  ")
        line.append(printable(alert.summary))
        found.append(line)
    if len(firing) > lines:
        found.append(Text(f"… and {len(firing) - lines:,} more", style="dim"))
    return found


def _foot(status: SystemStatus) -> str:
    rejected: Counter[str] = Counter()
    for partition in status.partitions:
        rejected.update(partition.rejected)
    counts = [f"{count:,} {reason}" for reason, count in sorted(rejected.items())]
    too_late = sum(partition.too_late for partition in status.partitions)
    parts = [f"rejected: {', '.join(counts)}"] if counts else []
    return "   ".join(parts + [f"{too_late:,} too late"] * bool(too_late))


def ago(ms: int) -> str:
    """A time span, as short as it can be read.

    >>> ago(900), ago(61_000), ago(7_500_000), ago(200_000_000)
    ('0 s', '61 s', '2 h 5 min', '2 d 7 h')
    """
    seconds = max(0, ms) // 1000
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def _line() -> Text:
    """One line, cut where the terminal ends."""
    return Text(no_wrap=True, overflow="ellipsis")


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
