"""Numbers, times and lists as on-call reads them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime


def number(value: float | None) -> str:
    """Three digits that count, thousands with commas.

    >>> number(5942.3), number(0.7149), number(-2.0), number(0.00001234)
    ('5,940', '0.715', '-2', '0.0000123')
    """
    if value is None:
        return "nothing"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e15 or size < 1e-6:
        return f"{value:.2e}"
    if size >= 100:
        rounded = float(f"{value:.3g}")
        return f"{rounded:,.0f}"
    text = f"{float(f'{value:.3g}'):.10f}"
    return text.rstrip("0").rstrip(".")


def percent(share: float) -> str:
    """A share in per cent; what is there is never written as 0.

    >>> percent(0.1234), percent(0.0004), percent(1.0)
    ('12 %', '0.04 %', '100 %')
    """
    value = share * 100
    if value >= 10:
        return f"{value:.0f} %"
    return f"{float(f'{value:.2g}'):g} %"


def times(ratio: float) -> str:
    """A ratio in words.

    >>> times(59.6), times(0.0167), times(2.04)
    ('about 60 times', 'about 1/60 of', 'about 2 times')
    """
    if ratio >= 1:
        return f"about {number(float(f'{ratio:.2g}'))} times"
    return f"about 1/{number(float(f'{1 / ratio:.2g}'))} of"


def clock(ms: int, *, beside: int | None = None, seconds: bool = False) -> str:
    """A time of day in UTC; with the date when `beside` is on another day.

    >>> clock(1764000300000), clock(1764000300000, beside=1764100000000)
    ('16:05 UTC', '2025-11-24 16:05 UTC')
    """
    at = datetime.fromtimestamp(ms / 1000, UTC)
    text = at.strftime("%H:%M:%S UTC" if seconds else "%H:%M UTC")
    other = None if beside is None else datetime.fromtimestamp(beside / 1000, UTC).date()
    return text if other in (None, at.date()) else f"{at:%Y-%m-%d} {text}"


def names(items: Sequence[str], limit: int = 3) -> str:
    """A list in words, cut where it gets long.

    >>> names(["a", "b"]), names(["a", "b", "c", "d", "e"])
    ('a and b', 'a, b, c and 2 more')
    """
    shown, more = list(items[:limit]), len(items) - limit
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def lasted(ms: int) -> str:
    """A duration in words.

    >>> lasted(90_000), lasted(7_200_000), lasted(5_000)
    ('2 minutes', '2 hours', '5 seconds')
    """
    for unit, size in (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000)):
        if ms >= 1.5 * size or ms == size:
            count = round(ms / size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    count = max(1, round(ms / 1000))
    return f"{count} second{'' if count == 1 else 's'}"
