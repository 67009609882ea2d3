"""Intervals: a route is quiet in its mute times, and outside of its active times."""

from __future__ import annotations

from collections.abc import Mapping

from consumers.notifier.reason import Hold
from consumers.notifier.stages.route import Route
from inferwatch.settings.notify.intervals import NamedIntervals


class TimeTable:
    """The named time intervals of a config."""

    def __init__(self, intervals: Mapping[str, NamedIntervals]) -> None:
        """Keep the intervals by name."""
        self._intervals = intervals

    def muted_by(self, route: Route, now: int) -> list[str]:
        """The intervals that keep a route quiet at a time (ms since the epoch).

        Outside of all its active intervals, these are what it is quiet for.
        """
        muting = [name for name in route.mute if self._intervals[name].contains(now)]
        if route.active and not any(self._intervals[name].contains(now) for name in route.active):
            muting += route.active
        return muting

    def hold(self, route: Route, labels: Mapping[str, str], now: int) -> Hold | None:
        """Whether the route is quiet now."""
        if any(self._intervals[name].contains(now) for name in route.mute):
            return Hold.MUTED
        return Hold.OFF_DUTY if self.muted_by(route, now) else None
