"""Slow faults: small deviations that chance explains in one window, and not in ten in a row.

A CUSUM adds the standard scores of the windows up, less a slack, and never falls below zero. In
good times it hovers near zero; a shift that is larger than the slack makes it rise window by
window until it is beyond its limit (Page, "Continuous Inspection Schemes", 1954). State is a few
numbers, which survive a restart with the rest of what a detector remembers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from inferwatch.settings.conditions import Comparison
from pipeline.rules.verdict import Finding, Verdict, finding, judged

AT_ONCE = 0.55
"""The most that one window adds, in limits: whatever it says, one odd window is no slow fault."""
CAP = 1.5
"""In limits; a sum goes no higher, so that a fault which ended is soon over here too."""
MAX_SUMS = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one window adds to one sum.

    Attributes:
        key: of the sum.
        metric: the path that is told.
        score: in standard errors (or another unit of the limit's); positive is worse.
        slack: what each window takes off.
        limit: beyond it the sum tells.
        value: of the metric, in this window; `baseline`: as it should be.
        effect: how much it matters; `enough`: the least that somebody would mind.
        start: of the window.
        at_once: the most that one window adds, in limits.
        raw: the score before it was divided by the stream's own scatter, and what it is of.
    """

    key: str
    metric: str
    score: float
    slack: float
    limit: float
    value: float
    baseline: float
    effect: float
    enough: float
    rows: int
    start: int
    comparison: Comparison = ">"
    at_once: float = AT_ONCE
    raw: tuple[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A sum since it was last zero.

    Attributes:
        total: the sum; `windows`: how many are in it.
        scores, values, effects: sums over these windows, for their means.
        since: start of the first of them.
        told: it went beyond its limit; it is over at half of it, so that it does not flap.
    """

    total: float = 0.0
    windows: int = 0
    scores: float = 0.0
    values: float = 0.0
    effects: float = 0.0
    since: int = 0
    told: bool = False

    def after(self, step: Step) -> Run:
        """With one window more.

        >>> step = Step(key="a", metric="rows", score=3.0, slack=1.0, limit=5.0, value=1.0,
        ...             baseline=0.0, effect=1.0, enough=0.0, rows=10, start=0)
        >>> Run().after(step).after(step).total
        4.0
        """
        if not isfinite(step.score):
            return self
        gain = min(step.score - step.slack, step.at_once * step.limit)
        total = min(self.total + gain, CAP * step.limit)
        if total <= 0:
            return Run()
        windows, effects = self.windows + 1, self.effects + step.effect
        # Of a fault that grows the last window shows more than the mean.
        minded = total > step.limit and max(effects / windows, step.effect) >= step.enough
        return Run(
            total,
            windows,
            self.scores + step.score,
            self.values + step.value,
            effects,
            self.since if self.windows else step.start,
            minded or (self.told and total > step.limit / 2),
        )

    def finding(self, step: Step) -> Finding:
        """The mean over the run, against what the slack alone would have let pass."""
        windows = max(1, self.windows)
        value, score = self.values / windows, self.scores / windows
        part = min(1.0, step.slack / score) if score > 0 else 1.0
        threshold = step.baseline + (value - step.baseline) * part
        return finding(
            step.metric, value, step.comparison, threshold, rows=step.rows, baseline=step.baseline
        )

    def as_plain(self) -> list[Any]:
        """For a snapshot."""
        sums = [self.total, self.windows, self.scores, self.values, self.effects]
        return [*sums, self.since, self.told]

    @classmethod
    def from_plain(cls, plain: list[Any]) -> Run:
        """What `as_plain` wrote."""
        return cls(*plain)


def advanced(runs: Mapping[str, Run], steps: Sequence[Step]) -> dict[str, Run]:
    """All sums after a window; those without a step in it stay."""
    after = dict(runs)
    for step in steps:
        run = after.get(step.key, Run()).after(step)
        if run.windows:
            after[step.key] = run
        else:
            after.pop(step.key, None)
    # A bound, for models whose columns change all the time: the smallest sums go.
    if len(after) > MAX_SUMS:
        kept = sorted(after, key=lambda key: (-after[key].total, key))[:MAX_SUMS]
        after = {key: after[key] for key in kept}
    return after


def slow_verdict(runs: Mapping[str, Run], steps: Sequence[Step]) -> Verdict:
    """What the sums say with this window in; each metric is told once, by its largest sum."""
    after = advanced(runs, steps)
    worst: dict[str, tuple[Finding, bool]] = {}
    for step in steps:
        run = after.get(step.key, Run())
        found = (run.finding(step), run.told)
        known = worst.get(step.metric)
        if known is None or (found[1], found[0].excess) > (known[1], known[0].excess):
            worst[step.metric] = found
    # It has waited for several windows already.
    verdict = judged(list(worst.values()), urgent=True)
    told = [run.since for step in steps if (run := after.get(step.key, Run())).told]
    return replace(verdict, since=min(told)) if told else verdict
