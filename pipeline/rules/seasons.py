"""What is usual for a metric at this hour of the week: its levels of the last four weeks.

Robust: an hour is remembered by its median and spread, and of the same hour of several weeks the
median and the spread between them count; the hours beside it count too, so that a slope, or a clock
that was changed for the summer, is nothing unusual. Once the hours of the week are known, what is
unusual is not learned any more.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from pipeline.rules.usual import FLOOR, REMEMBERED, SPREADS, WARM_UP, usual_range

HOUR = 3_600_000
DAY, WEEK = 24, 168
"""In hours."""
WEEKS, MIN_WEEKS = 4, 3
"""An hour of the week is known once it was seen in three of the last four weeks."""
DAYS, MIN_DAYS = 7, 3
"""An hour of the day: on three of the last seven days."""
LARGEST = 3e38
"""What is remembered fits four bytes."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual of a metric now.

    Attributes:
        middle: what it usually is; below `low` and above `high` it is unusual.
        past: what that is known from, in words.
    """

    middle: float
    low: float
    high: float
    past: str


@dataclass(slots=True)
class Season:
    """The hours of the last four weeks of one metric.

    Cost: 6 kB in a snapshot; 3 µs a window.

    Attributes:
        hours: median and spread (a standard deviation) by hour since the epoch.
        hour, values: the hour that is not over, and its windows, at most the last 240.
    """

    hours: dict[int, tuple[float, float]] = field(default_factory=dict)
    hour: int | None = None
    values: list[float] = field(default_factory=list)

    def add(self, end: int, value: float) -> None:
        """Take the value of the window that ended then; they come in order."""
        hour = (end - 1) // HOUR
        if self.hour is not None and hour > self.hour:
            self._close(self.hour, hour)
        self.hour = hour if self.hour is None else max(hour, self.hour)
        self.values = [*self.values, value][-REMEMBERED:]

    def of_week(self, end: int) -> tuple[float, float, float] | None:
        """Middle, lower and upper limit at this hour of the week; None where it is not known."""
        return self._at(end, WEEK, WEEKS, MIN_WEEKS)

    def of_day(self, end: int) -> tuple[float, float, float] | None:
        """The same of this hour of the day, whatever the day."""
        return self._at(end, DAY, DAYS, MIN_DAYS)

    def knows_weeks(self) -> bool:
        """Whether it reaches three weeks back: what is unusual is known by then."""
        return self.days >= MIN_WEEKS * 7

    @property
    def days(self) -> float:
        """How far back it reaches."""
        return (max(self.hours) - min(self.hours) + 1) / DAY if self.hours else 0.0

    def _close(self, hour: int, now: int) -> None:
        middle, deviation = _spread(self.values)
        self.hours[hour] = _rounded(middle), _rounded(deviation)
        self.values = []
        # An hour more than four weeks: what is beside the oldest hour of the week counts too.
        oldest = now - WEEKS * WEEK - 1
        if min(self.hours) < oldest:
            self.hours = {at: known for at, known in self.hours.items() if at >= oldest}

    def _at(self, end: int, step: int, count: int, least: int) -> tuple[float, float, float] | None:
        hour = (end - 1) // HOUR
        ranges = []
        for beside in (0, -1, 1):
            wanted = (hour + beside - step * k for k in range(1, count + 1))
            known = [self.hours[at] for at in wanted if at in self.hours]
            if len(known) >= least:
                ranges.append(_range(known))
            elif beside == 0:
                return None
        return ranges[0][0], min(low for _, low, _ in ranges), max(high for *_, high in ranges)

    def as_plain(self) -> list[Any]:
        """For a snapshot: the hours in a row, four bytes a number, NaN where there is none."""
        nothing = (float("nan"), float("nan"))
        first, last = (min(self.hours), max(self.hours)) if self.hours else (0, -1)
        row = [part for at in range(first, last + 1) for part in self.hours.get(at, nothing)]
        return [first, struct.pack(f"<{len(row)}f", *row), self.hour, list(self.values)]

    @classmethod
    def from_plain(cls, plain: list[Any]) -> Season:
        """What `as_plain` wrote."""
        first, packed, hour, values = plain
        row = zip(*[iter(struct.unpack(f"<{len(packed) // 4}f", packed))] * 2, strict=True)
        hours = {first + at: known for at, known in enumerate(row) if known[0] == known[0]}
        return cls(hours, hour, list(values))


def usual_at(values: Sequence[float], season: Season | None, end: int) -> Usual | None:
    """What is usual at the end of a window; None while too little is known.

    By the hour of the week once that is known. Before that by the last windows, and by the hour of
    the day where that is known: what either of them is used to is not unusual.
    """
    weekly = None if season is None else season.of_week(end)
    if weekly is not None:
        return Usual(*weekly, f"the same hour of the week in the last {WEEKS} weeks")
    recent = usual_range(values)
    if recent is None:
        return None
    past = f"the last {len(values)} windows"
    daily = None if season is None else season.of_day(end)
    if daily is None:
        return Usual(*recent, past)
    low, high = min(recent[1], daily[1]), max(recent[2], daily[2])
    return Usual(daily[0], low, high, f"{past} and the same hour of the last {DAYS} days")


def warming_up(values: Sequence[float], season: Season | None) -> str | None:
    """What is not learned yet, in words; None where all is.

    >>> warming_up([1.0] * 12, None)
    '12 of 30 windows seen, before that nothing is unusual'
    """
    if len(values) < WARM_UP:
        return f"{len(values)} of {WARM_UP} windows seen, before that nothing is unusual"
    if season is None or not season.knows_weeks():
        days = 0.0 if season is None else season.days
        return (
            f"it compares with the last {REMEMBERED} windows, after {MIN_DAYS} days with the hour "
            f"of the day too, and after {MIN_WEEKS} weeks with the hour of the week; "
            f"{days:.0f} days seen"
        )
    return None


def _range(known: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    middle, between = _spread([level for level, _ in known])
    within = median(deviation for _, deviation in known)
    reach = max(SPREADS * (within + between), FLOOR * abs(middle))
    return middle, round(middle - reach, 12), round(middle + reach, 12)


def _spread(values: Sequence[float]) -> tuple[float, float]:
    """Median, and the standard deviation that its median absolute deviation stands for."""
    middle = median(values)
    return middle, 1.4826 * median(abs(v - middle) for v in values)


def _rounded(value: float) -> float:
    """As a snapshot holds it, so that a restart changes nothing."""
    held: float = struct.unpack("<f", struct.pack("<f", min(max(value, -LARGEST), LARGEST)))[0]
    return held
