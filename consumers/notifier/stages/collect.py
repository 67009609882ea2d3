"""Collect: new transitions join their group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consumers.notifier.lane import Lane
from consumers.notifier.transition import Transition
from inferwatch.events.alert import Status

# How many of an inbox are looked at in one go.
INBOX_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """A transition that waits in a lane's inbox.

    Attributes:
        transition: what happened.
        backlog: whether it was already old when it was read.
    """

    transition: Transition
    backlog: bool


def collect(lane: Lane, inbox: Sequence[Arrival], *, prompt: bool) -> tuple[Lane, int]:
    """The lane with new transitions, and how many of the inbox were used.

    A prompt lane takes one at a time, so that each becomes a message. An incident that was over
    before it was even read is not told: nobody is paged for what is past. The end of an incident
    that the group never held stays silent, and what the receiver heard the end of is not told anew
    when it is read again after a loss.
    """
    closed_later = {a.transition.incident: i for i, a in enumerate(inbox) if not a.transition.open}
    alerts = dict(lane.alerts)
    used = 0
    for i, arrival in enumerate(inbox):
        used += 1
        new = arrival.transition
        if new.open and arrival.backlog and closed_later.get(new.incident, -1) > i:
            continue
        if not new.open and new.incident not in alerts and not lane.knows(new.incident):
            continue
        if new.incident not in alerts and heard_the_end(lane, new):
            continue
        alerts[new.incident] = new
        if prompt:
            break
    return lane.with_alerts(alerts), used


def heard_the_end(lane: Lane, new: Transition) -> bool:
    """Whether the receiver knows that the incident is over, so that this is no news to it."""
    if lane.told is None:
        return False
    if new.status == Status.FIRING:
        return f"{new.incident}/{Status.RESOLVED}" in lane.told.heard
    return not new.open and new.id in lane.told.heard
