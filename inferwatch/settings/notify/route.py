"""One route of the tree: which alerts it takes, to whom they go, and how they are grouped."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator, model_validator

from inferwatch.settings.notify.labels import LabelName, MatcherText, Pattern, all_matchers
from inferwatch.settings.notify.matchers import Matcher
from inferwatch.settings.notify.schedule import ShortSchedule
from inferwatch.settings.section import Remark, Section
from inferwatch.settings.types import Bool, Duration, Text, format_duration

ALL_LABELS = "..."


def _not_zero(value: int) -> int:
    if value == 0:
        raise ValueError("0 is not allowed here; leave the key out, or write a time such as 5m")
    return value


Interval = Annotated[Duration, AfterValidator(_not_zero)]


class EscalationSettings(Section):
    """One step: who is told of what nobody has acknowledged for a while."""

    after: Annotated[Duration, AfterValidator(_not_zero)]
    """How long nobody acknowledged, from when the route told of it."""
    receiver: Text
    """Who is told then."""


class RouteSettings(Section):
    """A node of the routing tree. What a route does not say, it has from its parent."""

    receiver: Text | None = None
    """Who is told; the parent's receiver by default."""
    matchers: tuple[MatcherText, ...] = ()
    """Conditions that must all hold: severity="page", model=~"fraud-.*"."""
    match: dict[LabelName, Text] = Field(default={})
    """Labels that must be equal (the older form of `matchers`)."""
    match_re: dict[LabelName, Pattern] = Field(default={})
    """Labels that must match a regular expression (the older form)."""
    go_on: Bool = Field(default=False, alias="continue")
    """Whether the siblings after this route are asked too."""
    group_by: tuple[LabelName, ...] | None = None
    """Labels whose equal values make one message; ["..."] is a message for each alert."""
    group_wait: Duration | None = None
    """How long a first message waits for more alerts of its group; 30s by default."""
    group_interval: Interval | None = None
    """How long the next message of a group waits; 5m by default."""
    repeat_interval: Interval | None = None
    """How long until an alert that still fires is told again; 4h by default."""
    mute_time_intervals: tuple[Text, ...] = ()
    """Names of the times at which this route is quiet."""
    active_time_intervals: tuple[Text, ...] = ()
    """Names of the times outside of which this route is quiet."""
    escalate: tuple[EscalationSettings, ...] | None = None
    """Who else is told of what nobody acknowledges, step by step; [] ends the parent's steps."""
    digest: ShortSchedule | None = None
    """When all of it is told in one message, instead of one after the other: 24h, or 09:00."""
    routes: tuple[RouteSettings, ...] = ()
    """Routes that are asked first."""

    @field_validator("group_by")
    @classmethod
    def _labels_fit(cls, value: Any) -> Any:
        if value is not None and ALL_LABELS in value and len(value) > 1:
            raise ValueError('"..." means all labels; it stands alone')
        for name in value or ():
            if value.count(name) > 1:
                raise ValueError(f"the label {name!r} stands here twice")
        return value

    @field_validator("escalate")
    @classmethod
    def _steps_in_order(cls, value: Any) -> Any:
        for before, step in pairwise(value or ()):
            if step.after < before.after:
                raise ValueError(
                    f"a step after {format_duration(step.after)} follows one after "
                    f"{format_duration(before.after)}; allowed are steps in order of their time"
                )
        return value

    @model_validator(mode="after")
    def _either_or(self) -> RouteSettings:
        if self.digest is not None and self.escalate:
            raise ValueError(
                "`digest` and `escalate` exclude each other: nobody can acknowledge in time what "
                "is told later"
            )
        return self

    @property
    def conditions(self) -> tuple[Matcher, ...]:
        """All conditions of the route, in whatever form they were written."""
        return all_matchers(self.match, self.match_re, self.matchers)

    def walk(
        self, where: tuple[str | int, ...] = ()
    ) -> Iterator[tuple[tuple[str | int, ...], RouteSettings]]:
        """This route and all below it, each with its path of keys."""
        yield where, self
        for i, child in enumerate(self.routes):
            yield from child.walk((*where, "routes", i))

    def surprises(self) -> Iterator[Remark]:
        """Routes that no alert can reach, and times that mean nothing."""
        for key in ("group_wait", "group_interval", "repeat_interval"):
            # Routes below have no digest by this; they have its times.
            if self.digest is not None and not self.routes and getattr(self, key) is not None:
                yield Remark((key,), "a digest comes at its own time; this key changes nothing")
        for i, child in enumerate(self.routes):
            if not child.conditions and not child.go_on and i + 1 < len(self.routes):
                yield Remark(
                    ("routes", i),
                    "this route takes every alert, so the routes after it are never asked; "
                    "add matchers, or `continue: true`",
                )
                break
