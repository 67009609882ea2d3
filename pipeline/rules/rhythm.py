"""How much comes, and when: the usual number of rows of a window, by hour of the day.

The last windows tell while nothing else is known. From the second day on each hour has the means
of the same hour, and of those beside it, on up to seven days before: so a night is no fault after
the first, and neither is a Sunday.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean, median, pvariance
from typing import Any

HOUR_MS = 3_600_000
DAYS = 7
RECENT = 60
WARM_UP = 30
"""Windows before anything is called usual."""
TRUSTED = 6
"""Hours known: from so many on the lowest and the highest are left out, as an outage may be."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What a window of this hour usually holds.

    Attributes:
        low, high: rows, the least and the most of the levels known.
        spread: variance of the rows over their mean; 1 for independent arrivals.
    """

    low: float
    high: float
    spread: float


@dataclass(slots=True)
class Rhythm:
    """Rows a window of one stream.

    Attributes:
        recent: of the last 60 ordinary windows.
        hours: by hour since the epoch, windows and rows; those of eight days.
        seen: ordinary windows in all.
    """

    recent: list[float] = field(default_factory=list)
    hours: dict[int, list[float]] = field(default_factory=dict)
    seen: int = 0

    def take(self, start: int, rows: float, *, ordinary: bool) -> None:
        """The window that began then; what is not ordinary is no model for the next windows."""
        if ordinary:
            self.recent = [*self.recent, rows][-RECENT:]
            self.seen += 1
        hour = self.hours.setdefault(start // HOUR_MS, [0.0, 0.0])
        hour[0] += 1
        hour[1] += rows
        while len(self.hours) > 24 * (DAYS + 1):
            del self.hours[min(self.hours)]

    def usual(self, start: int) -> Usual | None:
        """For a window that begins then; None during the first 30 windows.

        >>> rhythm = Rhythm()
        >>> for minute in range(30):
        ...     rhythm.take(minute * 60_000, 100 + minute % 2, ordinary=True)
        >>> rhythm.usual(30 * 60_000)
        Usual(low=100.5, high=100.5, spread=1.0)
        """
        if self.seen < WARM_UP:
            return None
        mean = fmean(self.recent)
        spread = max(1.0, pvariance(self.recent) / mean) if mean > 0 else 1.0
        levels = self._levels(start // HOUR_MS) or [median(self.recent)]
        return Usual(levels[0], levels[-1], spread)

    def _levels(self, hour: int) -> list[float]:
        """The means of this hour and those beside it on the days before, rising."""
        near = [hour - 24 * day + by for day in range(1, DAYS + 1) for by in (-1, 0, 1)]
        found = (self.hours.get(at) for at in near)
        levels = sorted(rows / windows for windows, rows in filter(None, found))
        return levels[1:-1] if len(levels) >= TRUSTED else levels

    def as_plain(self) -> list[Any]:
        """For a snapshot."""
        return [list(self.recent), [[at, *hour] for at, hour in self.hours.items()], self.seen]

    @classmethod
    def from_plain(cls, plain: list[Any]) -> Rhythm:
        """What `as_plain` wrote."""
        recent, hours, seen = plain
        return cls(list(recent), {at: [windows, rows] for at, windows, rows in hours}, seen)
