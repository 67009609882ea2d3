"""Fall back: who is told instead when a receiver stays dead.

What a channel does not take for long enough, or refuses for good, is handed over into lanes of the
receiver that stands in; the channel itself is tried on. From then on the incident's transitions go
into both, so that whoever heard of its begin hears of its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from consumers.notifier.lane import Address, Lane
from consumers.notifier.stages.collect import Arrival
from consumers.notifier.stages.group import Destination
from consumers.notifier.stages.route import Route
from consumers.notifier.transition import Transition
from inferwatch.settings.notify import NotifySettings

# Between the key of a route and the name of the receiver that is dead.
INSTEAD = "!instead/"


def instead_of(address: Address) -> str | None:
    """The receiver that a lane stands in for, if it does.

    >>> instead_of(Address("{}!instead/ops", "chat", "console", 0, {}))
    'ops'
    """
    _, marked, receiver = address.route.rpartition(INSTEAD)
    return receiver if marked else None


def standing_in(route: Route) -> Route:
    """The route of a lane that stands in: it does not wait, nor does it wait for anybody."""
    return replace(route, escalation=None, steps=())


def falls_at(after: int, made_at: int, failing_since: int) -> int:
    """When a message that is not taken is handed over (ms since the epoch).

    Args:
        after: how long the receiver may be dead (ms).
        made_at: when the message was made.
        failing_since: since when the channel took nothing at all: while it stays dead, later
            messages do not wait again.

    >>> falls_at(300, 1_000, 900)
    1200
    """
    return min(made_at, failing_since) + after


def to_hand_over(lane: Lane, waiting: Sequence[Arrival]) -> list[Transition]:
    """What was not handed over yet: the message's alerts, and what waits behind it."""
    message = lane.pending.alerts if lane.pending else ()
    behind = [arrival.transition for arrival in waiting]
    return [t for t in (*message, *behind) if t.id not in lane.handed]


def substitutes(notify: NotifySettings, dead: Address) -> list[Destination]:
    """The lanes that stand in for a dead one: one for each channel of the other receiver."""
    fallback = notify.receiver(dead.receiver).fallback
    if fallback is None:
        return []
    route = f"{dead.route}{INSTEAD}{dead.receiver}"
    return [
        Destination(Address(route, fallback.receiver, kind, index, dead.labels), 0, prompt=True)
        for kind, index, _ in notify.receiver(fallback.receiver).channels()
    ]
