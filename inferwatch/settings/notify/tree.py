"""The whole `notify` section, and what must agree between its parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails

from inferwatch.settings.notify import patterns, templates
from inferwatch.settings.notify.heartbeat import HeartbeatSettings
from inferwatch.settings.notify.inhibit import InhibitRule
from inferwatch.settings.notify.intervals import NamedIntervals
from inferwatch.settings.notify.receiver import ReceiverSettings
from inferwatch.settings.notify.route import RouteSettings
from inferwatch.settings.section import Remark, Section, SectionError

_ROOT_LACKS = ("matchers", "match", "match_re", "continue")
_ROOT_ALWAYS_ON = ("mute_time_intervals", "active_time_intervals")


# Where only what goes on is shown, and a sign of life is over from its begin.
_SHOW_NO_HEARTBEAT = {"pagerduty", "opsgenie", "alertmanager"}


class NotifySettings(Section):
    """Who is told of which alert, when, and how: Alertmanager's own keys and meaning."""

    route: RouteSettings
    """The root of the routing tree: it takes every alert."""
    inhibit_rules: tuple[InhibitRule, ...] = ()
    """Which alerts hold others back."""
    time_intervals: tuple[NamedIntervals, ...] = ()
    """Times that routes refer to by name."""
    mute_time_intervals: tuple[NamedIntervals, ...] = ()
    """The older name of `time_intervals`."""
    heartbeat: HeartbeatSettings | None = None
    """A sign of life by the clock, so that silence is known to be health."""
    receivers: tuple[ReceiverSettings, ...]
    """Who can be told."""

    @model_validator(mode="wrap")
    @classmethod
    def _parts_agree(
        cls, value: Any, handler: ModelWrapValidatorHandler[NotifySettings]
    ) -> NotifySettings:
        """Report disagreements beside the mistakes of single keys, not after they are mended."""
        if not isinstance(value, dict):
            return handler(value)
        remarks = tuple(_disagreements(value))
        mistakes: list[InitErrorDetails] = []
        try:
            section = handler(value)
        except ValidationError as error:
            mistakes = [_again(e) for e in error.errors()]
        else:
            if not remarks:
                return section
        if remarks:
            told = SectionError(*remarks)
            mistakes.append(
                InitErrorDetails(type="value_error", loc=(), input=None, ctx={"error": told})
            )
        raise ValidationError.from_exception_data("notify", mistakes)

    def receiver(self, name: str) -> ReceiverSettings:
        """The receiver of this name; KeyError when there is none."""
        for receiver in self.receivers:
            if receiver.name == name:
                return receiver
        raise KeyError(name)

    def intervals(self) -> dict[str, NamedIntervals]:
        """All named intervals by name."""
        return {i.name: i for i in (*self.time_intervals, *self.mute_time_intervals)}

    def used_receivers(self) -> dict[str, ReceiverSettings]:
        """The receivers that a route names, in the order of the config."""
        named = {route.receiver for _, route in self.route.walk()}
        named |= {step.receiver for _, r in self.route.walk() for step in r.escalate or ()}
        if self.heartbeat is not None:
            named.add(self.heartbeat.receiver)
        falls = {r.name: r.fallback.receiver for r in self.receivers if r.fallback is not None}
        used = named.union(*(_chain(name, falls) for name in named if name is not None))
        return {r.name: r for r in self.receivers if r.name in used}

    def surprises(self) -> Iterator[Remark]:
        """Receivers and intervals that nobody refers to."""
        used = self.used_receivers()
        for i, receiver in enumerate(self.receivers):
            if receiver.name not in used:
                yield Remark(("receivers", i, "name"), f"no route sends to {receiver.name!r}")
        yield from self._idle_intervals()
        if self.heartbeat is not None:
            kinds = {kind for kind, _, _ in self.receiver(self.heartbeat.receiver).channels()}
            for kind in sorted(kinds & _SHOW_NO_HEARTBEAT):
                yield Remark(
                    ("heartbeat", "receiver"),
                    f"{kind}_configs show nothing of it: it is no incident; choose a chat or mail",
                )
        if not patterns.can_check():
            yield Remark(
                ("route",),
                "regular expressions were not checked; that takes "
                "pip install 'inferwatch[consumers]'",
            )
        if not templates.can_check() and any(self._templates()):
            yield Remark(
                ("receivers",),
                "templates were not checked; that takes pip install 'inferwatch[consumers]'",
            )

    def _templates(self) -> Iterator[str]:
        for receiver in self.receivers:
            for _, _, channel in receiver.channels():
                yield from channel.templates()

    def _idle_intervals(self) -> Iterator[Remark]:
        named = {
            name
            for _, route in self.route.walk()
            for name in (*route.mute_time_intervals, *route.active_time_intervals)
        }
        for key in ("time_intervals", "mute_time_intervals"):
            for i, interval in enumerate(getattr(self, key)):
                if interval.name not in named:
                    yield Remark((key, i, "name"), f"no route refers to {interval.name!r}")


def _again(error: ErrorDetails) -> InitErrorDetails:
    return InitErrorDetails(
        type=error["type"], loc=error["loc"], input=error["input"], ctx=error.get("ctx", {})
    )


def _disagreements(notify: dict[str, Any]) -> Iterator[Remark]:
    """What does not fit together, read from the plain tree, whatever else is wrong in it."""
    receivers = _names(notify, "receivers")
    intervals = [*_names(notify, "time_intervals"), *_names(notify, "mute_time_intervals")]
    yield from _twice(receivers, "receiver")
    yield from _twice(intervals, "time interval")
    root = notify.get("route")
    if not isinstance(root, dict):
        return
    if not root.get("receiver"):
        yield Remark(("route",), "`receiver` is missing; the root route takes what no other takes")
    for key in _ROOT_LACKS:
        if root.get(key) not in (None, [], (), {}, False, "false", "False", "FALSE"):
            yield Remark(("route", key), "the root route takes every alert, so it has no such key")
    for key in _ROOT_ALWAYS_ON:
        if root.get(key) not in (None, [], ()):
            yield Remark(("route", key), "the root route is always on, so it has no such key")
    known = ({n for _, n in receivers}, {n for _, n in intervals})
    yield from _undefined(root, ("route",), *known)
    yield from _wrong_fallbacks(notify, known[0])
    heartbeat = notify.get("heartbeat")
    name = heartbeat.get("receiver") if isinstance(heartbeat, dict) else None
    if isinstance(name, str) and name not in known[0]:
        yield Remark(("heartbeat", "receiver"), _unknown("receiver", name, known[0]))


def _wrong_fallbacks(notify: dict[str, Any], receivers: set[str]) -> Iterator[Remark]:
    """Receivers that fall to nobody, or in a circle."""
    places: dict[str, tuple[str | int, ...]] = {}
    falls: dict[str, str] = {}
    for i, item in enumerate(_items(notify.get("receivers"))):
        fallback = item.get("fallback") if isinstance(item, dict) else None
        name = fallback.get("receiver") if isinstance(fallback, dict) else None
        if not isinstance(name, str):
            continue
        where: tuple[str | int, ...] = ("receivers", i, "fallback", "receiver")
        falls[str(item.get("name"))] = name
        places[str(item.get("name"))] = where
        if name not in receivers:
            yield Remark(where, _unknown("receiver", name, receivers))
    for own, where in places.items():
        if own in _chain(own, falls):
            yield Remark(where, f"{own!r} falls back to itself in the end; allowed is another")


def _chain(receiver: str, falls: Mapping[str, str]) -> list[str]:
    """The receivers that stand in for one, in their order; a circle is passed once."""
    found: list[str] = []
    while receiver in falls and falls[receiver] not in found:
        receiver = falls[receiver]
        found.append(receiver)
    return found


def _undefined(
    route: Any, where: tuple[str | int, ...], receivers: set[str], intervals: set[str]
) -> Iterator[Remark]:
    if not isinstance(route, dict):
        return
    receiver = route.get("receiver")
    if isinstance(receiver, str) and receiver and receiver not in receivers:
        yield Remark((*where, "receiver"), _unknown("receiver", receiver, receivers))
    for i, step in enumerate(_items(route.get("escalate"))):
        name = step.get("receiver") if isinstance(step, dict) else None
        if isinstance(name, str) and name not in receivers:
            yield Remark((*where, "escalate", i, "receiver"), _unknown("receiver", name, receivers))
    # On the root the key itself is the mistake.
    for key in () if where == ("route",) else _ROOT_ALWAYS_ON:
        for i, name in enumerate(_items(route.get(key))):
            if isinstance(name, str) and name not in intervals:
                yield Remark((*where, key, i), _unknown("time interval", name, intervals))
    for i, child in enumerate(_items(route.get("routes"))):
        yield from _undefined(child, (*where, "routes", i), receivers, intervals)


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    defined = ", ".join(sorted(known)) or "none"
    return f"there is no {what} {name!r}; defined are {defined}"


def _names(notify: dict[str, Any], key: str) -> list[tuple[tuple[str | int, ...], str]]:
    return [
        ((key, i, "name"), str(item["name"]))
        for i, item in enumerate(_items(notify.get(key)))
        if isinstance(item, dict) and item.get("name") is not None
    ]


def _twice(named: list[tuple[tuple[str | int, ...], str]], what: str) -> Iterator[Remark]:
    counts = Counter(name for _, name in named)
    seen: set[str] = set()
    for where, name in named:
        if counts[name] > 1 and name in seen:
            yield Remark(where, f"there are two {what}s {name!r}; names are unique")
        seen.add(name)


def _items(value: Any) -> Iterable[Any]:
    return value if isinstance(value, (list, tuple)) else ()
