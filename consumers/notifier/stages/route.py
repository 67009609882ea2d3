"""Route: which receivers an alert reaches.

The tree is walked as Alertmanager walks it: the children of a matching route are asked first, in
order; a child that matches ends the search unless it says `continue`; a route none of whose
children match takes the alert itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from consumers.notifier.stages.escalate import Escalation
from inferwatch.settings.notify import NotifySettings
from inferwatch.settings.notify.matchers import Matcher, all_match
from inferwatch.settings.notify.route import ALL_LABELS, RouteSettings
from inferwatch.settings.notify.schedule import Schedule

GROUP_WAIT_MS = 30_000
GROUP_INTERVAL_MS = 300_000
REPEAT_INTERVAL_MS = 14_400_000
# Between the key of a route and the number of one of its steps.
STEP = "!escalate/"
# The key of the route of signs of life, which no alert takes.
HEARTBEAT = "!heartbeat"


@dataclass(frozen=True, slots=True)
class Route:
    """A node of the tree, with what it has from its parents filled in.

    Attributes:
        key: the conditions from the root down to here, as a stable name.
        receiver: whose it is.
        group_by: the labels that make a group; None stands for all of them.
        group_wait, group_interval, repeat_interval: milliseconds.
        mute, active: names of time intervals.
        steps: who hears of what nobody acknowledges, each as a route of its own.
        escalation: which step this is, where it is one.
        digest: when all of it is told in one message, instead of one after the other.
    """

    key: str
    receiver: str
    group_by: frozenset[str] | None
    group_wait: int
    group_interval: int
    repeat_interval: int
    mute: tuple[str, ...]
    active: tuple[str, ...]
    conditions: tuple[Matcher, ...]
    go_on: bool
    children: tuple[Route, ...]
    steps: tuple[Route, ...] = ()
    escalation: Escalation | None = None
    digest: Schedule | None = None

    @property
    def prompt(self) -> bool:
        """Whether every transition is a message of its own, at once."""
        return self.group_interval == 0

    def for_channel(self, renew: int | None) -> Route:
        """The route's timing for a channel that has to hear of what fires every `renew` ms."""
        if renew is None:
            return self
        return replace(self, group_wait=0, group_interval=0, repeat_interval=renew, digest=None)

    def reached(self, labels: Mapping[str, str]) -> list[Route]:
        """The routes that take an alert with these labels, in the order of the tree."""
        if not all_match(self.conditions, labels):
            return []
        taken: list[Route] = []
        for child in self.children:
            found = child.reached(labels)
            taken += found
            if found and not child.go_on:
                break
        return taken or [self]

    def all(self) -> dict[str, Route]:
        """This route with its steps, and all below it, by key."""
        found = {route.key: route for route in (self, *self.steps)}
        for child in self.children:
            found |= child.all()
        return found


def build_tree(notify: NotifySettings) -> Route:
    """The routing tree of a config."""
    return _build(notify.route, None, "", written_interval=False)


def heartbeat_route(notify: NotifySettings) -> Route | None:
    """The route of signs of life, each of which is told by itself; None without any."""
    if notify.heartbeat is None:
        return None
    return Route(
        key=HEARTBEAT,
        receiver=notify.heartbeat.receiver,
        group_by=frozenset(),
        group_wait=0,
        group_interval=GROUP_INTERVAL_MS,
        repeat_interval=REPEAT_INTERVAL_MS,
        mute=(),
        active=(),
        conditions=(),
        go_on=False,
        children=(),
        digest=notify.heartbeat,
    )


def _build(
    settings: RouteSettings, parent: Route | None, path: str, *, written_interval: bool
) -> Route:
    conditions = settings.conditions
    key = path + "{" + ",".join(sorted(str(m) for m in conditions)) + "}"
    group_wait = _inherit(settings.group_wait, parent.group_wait if parent else None, GROUP_WAIT_MS)
    written_interval = written_interval or settings.group_interval is not None
    if settings.group_by is not None:
        group_by = None if ALL_LABELS in settings.group_by else frozenset(settings.group_by)
    else:
        group_by = parent.group_by if parent else frozenset()
    if group_by is None and group_wait == 0 and not written_interval:
        # "One message a transition": Alertmanager would hold the second one back for 5 minutes.
        group_interval = 0
    elif parent is not None and not written_interval:
        group_interval = GROUP_INTERVAL_MS
    else:
        group_interval = _inherit(
            settings.group_interval, parent.group_interval if parent else None, GROUP_INTERVAL_MS
        )
    route = Route(
        key=key,
        receiver=settings.receiver or (parent.receiver if parent else ""),
        group_by=group_by,
        group_wait=group_wait,
        group_interval=group_interval,
        repeat_interval=_inherit(
            settings.repeat_interval, parent.repeat_interval if parent else None, REPEAT_INTERVAL_MS
        ),
        mute=settings.mute_time_intervals,
        active=settings.active_time_intervals,
        conditions=conditions,
        go_on=settings.go_on,
        children=(),
    )
    route = replace(route, steps=_steps(settings, route, parent))
    children: list[Route] = []
    for place, child in enumerate(settings.routes):
        built = _build(child, route, f"{key}/", written_interval=written_interval)
        if built.key in {c.key for c in children}:
            # Siblings with the same conditions are told apart by their place.
            built = _build(child, route, f"{key}/{place}", written_interval=written_interval)
        children.append(built)
    route = replace(route, children=tuple(children))
    # Last: the routes below have no digest by this, so they have the times of one without it.
    return route if settings.digest is None else _in_a_digest(settings, settings.digest, route)


def _in_a_digest(settings: RouteSettings, digest: Schedule, route: Route) -> Route:
    """One group, unless it says otherwise itself; no message leaves by any other time."""
    return replace(
        route,
        group_by=frozenset() if settings.group_by is None else route.group_by,
        group_wait=0,
        group_interval=GROUP_INTERVAL_MS,
        steps=(),
        digest=digest,
    )


def _steps(settings: RouteSettings, route: Route, parent: Route | None) -> tuple[Route, ...]:
    if settings.escalate is not None:
        steps = [(step.receiver, step.after) for step in settings.escalate]
    else:
        above = parent.steps if parent else ()
        steps = [(s.receiver, s.escalation.after) for s in above if s.escalation is not None]
    return tuple(
        replace(
            route,
            key=f"{route.key}{STEP}{number}",
            receiver=receiver,
            escalation=Escalation(number, after),
        )
        for number, (receiver, after) in enumerate(steps, 1)
    )


def _inherit(own: int | None, parents: int | None, default: int) -> int:
    if own is not None:
        return own
    return default if parents is None else parents
