"""Escalate: who comes after the first hears of an alert once nobody acknowledged it for a while.

A step of a route has lanes of its own, into which every transition of the route goes. There an
alert waits, from when the route first could tell of it; what is acknowledged or over by then is not
told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from consumers.notifier.lane import Lane
from consumers.notifier.reason import Hold
from consumers.notifier.stages.retry import LOOK_AGAIN_MS


@dataclass(frozen=True, slots=True)
class Escalation:
    """One step of a route.

    Attributes:
        step: which one, counted from 1.
        after: how long nobody acknowledged (ms).
    """

    step: int
    after: int


def wait(
    lane: Lane,
    held: Mapping[str, Hold],
    escalation: Escalation,
    acknowledged: Collection[str],
    now: int,
) -> tuple[Lane, dict[str, Hold]]:
    """The lane of a step, knowing since when each alert waits, and all that is held back in it.

    Args:
        lane: its state, with the new alerts.
        held: what silences, inhibition and mute times hold back; of these nobody was told, so
            their time does not begin yet.
        escalation: which step it is.
        acknowledged: the incidents that somebody works on.
        now: ms since the epoch.
    """
    alerts, since, why = {}, {}, dict(held)
    for incident, alert in lane.alerts.items():
        known = lane.told is not None and lane.told.knows(incident)
        if not known and not alert.open:
            continue
        alerts[incident] = alert
        if incident not in held or incident in lane.since:
            since[incident] = lane.since.get(incident, now)
        if known or incident in held:
            continue
        if incident in acknowledged:
            why[incident] = Hold.ACKNOWLEDGED
        elif now < since[incident] + escalation.after:
            why[incident] = Hold.NOT_YET
    return replace(lane, alerts=alerts, since=since), why


def next_check(lane: Lane, escalation: Escalation, repeat_interval: int, now: int) -> int | None:
    """When the lane of a step is looked at again (ms since the epoch); None when it is empty."""
    times = []
    for incident, alert in lane.alerts.items():
        soon = now + LOOK_AGAIN_MS
        if lane.told is not None and alert.id in lane.told.heard:
            times.append(max(lane.told.at + repeat_interval, soon))
        elif lane.since.get(incident, 0) + escalation.after > now:
            times.append(lane.since[incident] + escalation.after)
        else:
            times.append(soon)
    return min(times, default=None)
