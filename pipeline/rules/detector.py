"""What watches a model: a rule of the config, or one of the built-in set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from inferwatch.events.alert import AlertKind, Severity
from inferwatch.events.reference import ReferenceProfile
from inferwatch.events.window import WindowResult
from pipeline.rules.baselines import Past
from pipeline.rules.machine import Timing
from pipeline.rules.verdict import Finding, Verdict
from pipeline.rules.watched import WatchedModel

Part = Literal["final", "quality"]
"""When a metric is judged: as the window becomes final, or once its labels are in."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What a detector is, apart from how it judges.

    Attributes:
        name: stands in the alert as `rule`.
        metric: the path that it watches, wildcards and all; part of the fingerprint.
        part: when it is judged.
        window: the config text of the window it is judged on.
        kind: of its alerts; None where metric and diagnosis say it.
    """

    name: str
    metric: str
    part: Part
    severity: Severity
    window: str
    timing: Timing
    labels: Mapping[str, str] = field(default_factory=dict)
    runbook_url: str | None = None
    kind: AlertKind | None = None

    @property
    def key(self) -> str:
        """What its state is kept under; like the fingerprint, of name and metric."""
        return f"{self.name}/{self.metric}"


@dataclass(frozen=True, slots=True)
class Case:
    """One window before a detector.

    Attributes:
        past: what the detector remembers of this version and segment.
        beside: what it remembers of the version that it compares with; None without one.
        elders: what it remembers of the versions that came before this one and still serve.
    """

    model: WatchedModel
    result: WindowResult
    reference: ReferenceProfile | None
    past: Past
    beside: Past | None = None
    elders: Mapping[str, Past] = field(default_factory=dict)


class Detector(Protocol):
    """Judges windows of one model. Holds no state: what it learns is in the case's past."""

    @property
    def watch(self) -> Watch:
        """Its name, metric, window and patience."""

    @property
    def beside(self) -> str | None:
        """The version that it compares with, if it does."""

    def applies(self, version: str, segment: str | None) -> bool:
        """Whether it judges this version and segment at all."""

    def judge(self, case: Case) -> Verdict:
        """The verdict of a window that is judged for the first time."""

    def rejudge(self, case: Case, held: tuple[Finding, ...]) -> Verdict:
        """The verdict of a later revision, against the limits that held when it was judged."""

    def learn(self, case: Case, verdict: Verdict) -> None:
        """Remember the window, after it was judged."""


def part_of(metric: str) -> Part:
    """When a metric is judged.

    >>> part_of("quality.accuracy"), part_of("latency.p99_ms")
    ('quality', 'final')
    """
    return "quality" if metric.startswith(("quality.", "estimated.")) else "final"
