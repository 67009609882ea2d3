"""When something comes by the clock: every so often, or at a time of the day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from inferwatch.settings.notify.intervals import TimeOfDay, Zone
from inferwatch.settings.section import Section
from inferwatch.settings.types import Duration, format_duration

SHORTEST_MS = 1_000


def _not_too_short(value: int) -> int:
    if value < SHORTEST_MS:
        raise ValueError(
            f"{format_duration(value)} is too short; allowed is {format_duration(SHORTEST_MS)} or "
            "more"
        )
    return value


class Schedule(Section):
    """A time that comes again and again; `24h` is short for `{every: 24h}`, `09:00` for `{at: …}`.

    >>> Schedule.model_validate("24h") == Schedule(every="24h")
    True
    """

    every: Annotated[Duration, AfterValidator(_not_too_short)] | None = None
    """At whole multiples of it since 1970 UTC: 24h is midnight UTC."""
    at: TimeOfDay | None = None
    """Each day at HH:MM."""
    location: Zone = Field(default="UTC")
    """IANA name of the time zone that `at` is meant in; Local is the machine's own."""

    @model_validator(mode="before")
    @classmethod
    def _from_short(cls, value: Any) -> Any:
        if isinstance(value, (dict, Schedule)) or value is None:
            return value
        return {"at" if ":" in str(value) else "every": value}

    @model_validator(mode="after")
    def _one_of_both(self) -> Schedule:
        if (self.every is None) == (self.at is None):
            raise ValueError("one of `every` (24h) and `at` (09:00) is wanted")
        return self

    def next_after(self, now: int) -> int:
        """The first time after `now` (both ms since the epoch).

        >>> Schedule(every="1h").next_after(7_200_000), Schedule(at="00:10").next_after(0)
        (10800000, 600000)
        """
        if self.every is not None:
            return (now // self.every + 1) * self.every
        # A day of a changing clock is up to 25 hours long.
        return next(at for days in (-1, 0, 1, 2) if (at := self._on(now, days)) > now)

    def last_before(self, now: int) -> int:
        """The last time that is not after `now` (both ms since the epoch).

        >>> Schedule(every="1h").last_before(7_200_000), Schedule(at="00:10").last_before(0)
        (7200000, -85800000)
        """
        if self.every is not None:
            return now // self.every * self.every
        return next(at for days in (1, 0, -1, -2) if (at := self._on(now, days)) <= now)

    def _on(self, now: int, days: int) -> int:
        minutes = self.at or 0
        utc = datetime.fromtimestamp(now / 1000, UTC)
        zone = None if self.location == "Local" else ZoneInfo(self.location)
        day = (utc.astimezone(zone) + timedelta(days=days)).date()
        wall = datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)  # noqa: DTZ001
        at = wall.astimezone() if zone is None else wall.replace(tzinfo=zone)
        return int(at.timestamp() * 1000)


class _Short:
    """The JSON Schema of what may also be written in short."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(schema)]}


ShortSchedule = Annotated[Schedule, _Short]
