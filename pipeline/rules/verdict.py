"""What a detector says of one window: clear, breached (by what), or that it cannot tell."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from inferwatch.events.alert import Evidence, Suggestion
from inferwatch.settings.conditions import Comparison


class State(StrEnum):
    """The three answers. `UNKNOWN` (too few rows, no value) neither fires nor resolves."""

    CLEAR = "clear"
    BREACHED = "breached"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One metric that breached, or would have.

    Attributes:
        baseline: what it was compared with, None for a fixed threshold.
        threshold: the absolute limit on the value.
        excess: by what the findings of a window are ordered, the worst first: how far beyond
            the threshold, in threshold's own size.
        difference: 95 % interval of what lies between value and baseline, where both are shares
            of rows (a version against another).
    """

    metric: str
    value: float
    baseline: float | None
    threshold: float
    comparison: Comparison
    rows: int | None
    excess: float
    difference: tuple[float, float] | None = None

    def as_plain(self) -> list[Any]:
        """For a snapshot."""
        return [
            self.metric,
            self.value,
            self.baseline,
            self.threshold,
            self.comparison,
            self.rows,
            self.excess,
            self.difference,
        ]


@dataclass(frozen=True, slots=True)
class Told:
    """What a detector has to say itself of a breach, where its numbers alone say too little.

    Attributes:
        fact: the beginning of the alert's summary, for "since 14:05 UTC" to follow; None: as the
            findings say.
        more: what follows that.
        began: since when, milliseconds, where that is known better than by the first bad window: a
            slow test fires long after the bad time began.
        findings: the same breach in metrics that the causes know; none: as in the verdict.
    """

    evidence: tuple[Evidence, ...]
    suggestions: tuple[Suggestion, ...] = ()
    fact: str | None = None
    more: str = ""
    began: int | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one window.

    Attributes:
        findings: what breached, the worst first; when clear, what came nearest to it.
        urgent: so gross that the rule does not wait for more windows.
        told: the detector's own words for a breach.
        since: when it began, where that is before this window; None where it is this window.
    """

    state: State
    findings: tuple[Finding, ...] = ()
    urgent: bool = False
    told: Told | None = None
    since: int | None = None


UNKNOWN = Verdict(State.UNKNOWN)


def holds(value: float, comparison: Comparison, limit: float) -> bool:
    """Whether `value comparison limit`.

    >>> holds(0.71, "<", 0.80), holds(0.80, "<", 0.80)
    (True, False)
    """
    match comparison:
        case "<":
            return value < limit
        case "<=":
            return value <= limit
        case ">":
            return value > limit
        case ">=":
            return value >= limit


def finding(
    metric: str,
    value: float,
    comparison: Comparison,
    threshold: float,
    *,
    rows: int | None,
    baseline: float | None = None,
    difference: tuple[float, float] | None = None,
) -> Finding:
    """A finding with its excess worked out: signed, positive beyond the threshold."""
    sign = 1.0 if comparison in (">", ">=") else -1.0
    excess = sign * (value - threshold) / max(abs(threshold), 1e-9)
    return Finding(metric, value, baseline, threshold, comparison, rows, excess, difference)


def judged(readings: list[tuple[Finding, bool]], *, urgent: bool = False) -> Verdict:
    """A verdict of (finding, whether it breached) pairs; none at all is unknown."""
    if not readings:
        return UNKNOWN
    breached = [found for found, is_breach in readings if is_breach]
    state = State.BREACHED if breached else State.CLEAR
    ranked = sorted(
        breached or [found for found, _ in readings], key=lambda f: (-f.excess, f.metric)
    )
    return Verdict(state, tuple(ranked if breached else ranked[:1]), urgent and bool(breached))
