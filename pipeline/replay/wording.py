"""The numbers of a replay in words, for the terminal and the report."""

from __future__ import annotations

from datetime import UTC, datetime

from inferwatch.events.alert import Severity
from pipeline.replay.summary import Summary

_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))


def sentence(summary: Summary) -> str:
    """What was read, and what came out of it.

    >>> sentence(Summary(rows=1200, windows=3, deadletter={"future": 2}, too_late=1, duplicates=0,
    ...                  lost=0, episodes=(), models=("m",), span_ms=60_000, score=None))
    '1,200 rows in 3 windows; 0 pages and 0 tickets. Left out: 2 future, 1 too late.'
    """
    left_out = {
        **dict(sorted(summary.deadletter.items())),
        "too late": summary.too_late,
        "duplicates": summary.duplicates,
        "lost": summary.lost,
    }
    told = ", ".join(f"{count:,} {what}" for what, count in left_out.items() if count)
    pages, tickets = (summary.severities(s) for s in (Severity.PAGE, Severity.TICKET))
    return (
        f"{summary.rows:,} rows in {summary.windows:,} windows; {pages} pages and "
        f"{tickets} tickets." + (f" Left out: {told}." if told else "")
    )


def per_month(rate: float | None) -> str:
    """A number a month, short."""
    return "–" if rate is None else f"{rate:,.1f}"


def duration(ms: int) -> str:
    """A length of time in its largest units.

    >>> duration(90_000), duration(400)
    ('1.5 min', '0.4 s')
    """
    size, unit = next(((s, u) for s, u in _UNITS if abs(ms) >= s), _UNITS[-1])
    return f"{ms / size:.1f} {unit}".replace(".0 ", " ")


def moment(ms: int) -> str:
    """A moment in UTC; a time outside the calendar as its number."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return str(ms)
