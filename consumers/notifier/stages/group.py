"""Group: alerts with equal `group_by` labels share a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consumers.notifier.lane import Address
from consumers.notifier.stages.route import Route
from inferwatch.settings.notify import NotifySettings


@dataclass(frozen=True, slots=True)
class Destination:
    """A lane that a transition goes into.

    Attributes:
        address: which lane.
        wait: how long a new group waits for more alerts (ms).
        prompt: whether each transition leaves at once.
    """

    address: Address
    wait: int
    prompt: bool


def group_labels(route: Route, labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that decide which group of a route an alert belongs to."""
    if route.group_by is None:
        return dict(labels)
    return {k: v for k, v in labels.items() if k in route.group_by}


def destinations(
    routes: Sequence[Route], notify: NotifySettings, labels: Mapping[str, str], now: int
) -> list[Destination]:
    """The lanes of an alert: one for each channel of each receiver that it may reach.

    A step of an escalation looks at each alert when it comes: from then on it waits. A digest looks
    at its time only (`now` is ms since the epoch).
    """
    found: list[Destination] = []
    for route in (r for taken in routes for r in (taken, *taken.steps)):
        own = group_labels(route, labels)
        for kind, index, settings in notify.receiver(route.receiver).channels():
            timing = route.for_channel(settings.renew)
            address = Address(route.key, route.receiver, kind, index, own)
            wait = timing.group_wait
            if timing.digest is not None:
                wait = timing.digest.next_after(now) - now
            found.append(Destination(address, wait, timing.prompt or route.escalation is not None))
    return found
