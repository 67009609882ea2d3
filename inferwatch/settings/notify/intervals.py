"""Named time intervals: when a route is quiet, or when it is on duty.

Alertmanager's own keys and meaning. Every key that is present must hold; of one key's ranges any
may. Source: Alertmanager, `timeinterval`.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema, model_validator

from inferwatch.settings.notify.ranges import DaysOfMonth, Months, Range, Weekdays, Years
from inferwatch.settings.section import Remark, Section
from inferwatch.settings.types import Text, scalar_text

_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")


def parse_time_of_day(value: Any) -> int:
    """Minutes since midnight of `HH:MM`, quoted or not; `24:00` is the end of the day.

    >>> parse_time_of_day("17:30"), parse_time_of_day("24:00")
    (1050, 1440)
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = scalar_text(value, "a time of day").strip()
    if not _TIME_OF_DAY.fullmatch(text):
        raise ValueError(f"{text!r} is no time of day; allowed are 00:00 to 24:00")
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _zone(value: Any) -> str:
    text = scalar_text(value, "a time zone").strip()
    if text != "Local":
        try:
            ZoneInfo(text)
        except (KeyError, ValueError, OSError):
            raise ValueError(
                f"{text!r} is no time zone; allowed are the IANA names, such as Europe/Paris"
            ) from None
    return text


TimeOfDay = Annotated[
    int,
    BeforeValidator(parse_time_of_day),
    PlainSerializer(lambda m: f"{m // 60:02}:{m % 60:02}", return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$"}),
]
Zone = Annotated[str, BeforeValidator(_zone), WithJsonSchema({"type": "string"})]


class TimeRange(Section):
    """A part of the day, from `start_time` until just before `end_time`."""

    start_time: TimeOfDay
    """HH:MM."""
    end_time: TimeOfDay
    """HH:MM; 24:00 is the end of the day."""

    @model_validator(mode="after")
    def _in_order(self) -> TimeRange:
        if self.start_time >= self.end_time:
            raise ValueError(
                "the end is not after the start; "
                "a night is two ranges, such as 17:30 to 24:00 and 00:00 to 08:30"
            )
        return self


class TimeInterval(Section):
    """One interval: every key that is present must hold."""

    times: tuple[TimeRange, ...] | None = None
    """Parts of the day."""
    weekdays: tuple[Weekdays, ...] | None = None
    """monday:friday, saturday."""
    days_of_month: tuple[DaysOfMonth, ...] | None = None
    """1:5, -1 (the last day)."""
    months: tuple[Months, ...] | None = None
    """may:august, december, 1:3."""
    years: tuple[Years, ...] | None = None
    """2025:2027."""
    location: Zone = "UTC"
    """IANA name of the time zone that all of it is meant in; Local is the machine's own."""

    def contains(self, at: datetime) -> bool:
        """Whether a moment (with a time zone) lies in the interval.

        >>> night = TimeInterval(times=({"start_time": "22:00", "end_time": "24:00"},))
        >>> night.contains(datetime(2026, 1, 1, 22, 0, tzinfo=UTC))
        True
        """
        local = at.astimezone(None if self.location == "Local" else ZoneInfo(self.location))
        minute = local.hour * 60 + local.minute
        return (
            (self.times is None or any(t.start_time <= minute < t.end_time for t in self.times))
            and _any_holds(self.weekdays, local.isoweekday() % 7)
            and self._day_fits(local)
            and _any_holds(self.months, local.month)
            and _any_holds(self.years, local.year)
        )

    def _day_fits(self, local: datetime) -> bool:
        if self.days_of_month is None:
            return True
        length = calendar.monthrange(local.year, local.month)[1]
        for begin, end in self.days_of_month:
            first, last = (length + day + 1 if day < 0 else day for day in (begin, end))
            # A range that begins after this month's end is not clamped into it.
            if first <= length and first <= local.day <= min(last, length):
                return True
        return False

    def surprises(self) -> Iterator[Remark]:
        """An interval that is always on: most likely a stray dash cut it in two."""
        if not any((self.times, self.weekdays, self.days_of_month, self.months, self.years)):
            yield Remark(
                (), "an interval without times, weekdays, days, months or years is always on"
            )


def _any_holds(ranges: Iterable[Range] | None, value: int) -> bool:
    return ranges is None or any(begin <= value <= end for begin, end in ranges)


class NamedIntervals(Section):
    """Intervals under a name that routes refer to; any of them may hold."""

    name: Text
    """What `mute_time_intervals` and `active_time_intervals` of a route refer to."""
    time_intervals: tuple[TimeInterval, ...] = ()
    """The intervals."""

    def contains(self, at_ms: int) -> bool:
        """Whether a time (ms since the epoch) lies in any of the intervals."""
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
        return any(interval.contains(at) for interval in self.time_intervals)

    def surprises(self) -> Iterator[Remark]:
        """A name for no time at all."""
        if not self.time_intervals:
            yield Remark((), f"{self.name!r} has no time intervals, so it never holds")
