"""Digest: what a route holds is told in one message at its time, with what came and went."""

from __future__ import annotations

from collections.abc import Sequence

from consumers.notifier.lane import Lane, Told
from consumers.notifier.stages.collect import Arrival, heard_the_end
from inferwatch.settings.notify.schedule import Schedule


def period_start(told: Told | None, schedule: Schedule, now: int) -> int:
    """From when on a digest at `now` tells (ms since the epoch): the last one, or its time.

    >>> period_start(None, Schedule(every="1h"), 7_200_005)
    3600000
    """
    if told is not None:
        return told.at
    return schedule.last_before(schedule.last_before(now) - 1)


def is_due(told: Told | None, schedule: Schedule, now: int) -> bool:
    """Whether its time has come; a group of which nothing was told is looked at by then only.

    >>> [is_due(Told(3_600_005), Schedule(every="1h"), at) for at in (7_199_999, 7_200_000)]
    [False, True]
    """
    return told is None or schedule.next_after(told.at) <= now


def gather(lane: Lane, inbox: Sequence[Arrival], since: int) -> tuple[Lane, int]:
    """The lane with new transitions, also of what came and went, and how many were used.

    What was over before `since` (ms since the epoch) is history, where it was read late: the time
    of an event may lag behind the clock.
    """
    alerts = dict(lane.alerts)
    for arrival in inbox:
        new = arrival.transition
        ended = new.ends_at is not None and new.ends_at < since
        if arrival.backlog and ended and not lane.knows(new.incident):
            alerts.pop(new.incident, None)
        elif new.incident in alerts or not heard_the_end(lane, new):
            alerts[new.incident] = new
    return lane.with_alerts(alerts), len(inbox)
