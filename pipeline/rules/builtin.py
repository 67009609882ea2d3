"""The built-in set: what is watched when the config has no `rules`.

Each entry is a test of one window, or sums over windows, in a file of its own concern; this table
says how patient it is and whom it wakes. Outputs, labels, errors, breaks of the contract and dead
streams page; inputs, resources and volume make tickets. No limit needs tuning: each is an effect
that somebody would mind *and* lies beyond what chance brings within the budget of false alarms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from inferwatch.events.alert import AlertKind, Severity
from pipeline.rules import (
    builtin_beside,
    builtin_columns,
    builtin_drift,
    builtin_quality,
    builtin_resources,
    builtin_schema,
    builtin_service,
)
from pipeline.rules.budget import Allowance, Budget
from pipeline.rules.cusum import Step, advanced, slow_verdict
from pipeline.rules.detector import Case, Detector, Watch, part_of
from pipeline.rules.machine import Timing
from pipeline.rules.scatter import Scatter
from pipeline.rules.verdict import UNKNOWN, Finding, State, Verdict
from pipeline.rules.watched import WatchedModel, smallest_window

Test = Callable[[Case, Allowance], Verdict]
Sums = Callable[[Case, Allowance], Sequence[Step]]
Levels = Callable[[Case], list[tuple[str, float]]]
Counts = Callable[[Case], tuple[float, int] | None]


@dataclass(frozen=True, slots=True)
class Entry:
    """One built-in detector.

    Attributes:
        test: of one window by itself; None where only sums tell.
        hold, keep: `for` and `keep_firing_for` of what the test says, in windows.
        sums: what each window adds to which sum; they wait for no more windows.
        learns: levels whose usual range the test asks the case's past for.
        starts: levels that are remembered of the first windows for good.
        counts: what is remembered of each window, good or bad, for the versions beside it.
        kind: of its alerts, where the test itself says more than the metric.
    """

    name: str
    metric: str
    severity: Severity
    test: Test | None
    hold: int = 0
    keep: int = 2
    sums: Sums | None = None
    learns: Levels | None = None
    starts: Levels | None = None
    counts: Counts | None = None
    kind: AlertKind | None = None


PAGE, TICKET = Severity.PAGE, Severity.TICKET
ENTRIES = (
    Entry("quality-drop", "quality.*", PAGE, builtin_quality.drop, hold=1,
          sums=builtin_quality.decay),
    Entry("version-worse", "quality.accuracy", PAGE, None,
          sums=builtin_beside.worse, counts=builtin_beside.right_answers),
    Entry("overfit", "quality.accuracy", TICKET, builtin_quality.overfit, hold=4,
          kind=AlertKind.OVERFIT),
    Entry("underfit", "quality.accuracy", TICKET, builtin_quality.underfit, hold=4,
          kind=AlertKind.UNDERFIT),
    Entry("prediction-collapse", "prediction.entropy", PAGE, builtin_columns.collapse),
    Entry("schema-break", "features.*", PAGE, builtin_schema.schema_break),
    Entry("schema-change", "features.*.count", TICKET, builtin_schema.changed, hold=2,
          starts=builtin_schema.columns),
    Entry("data-quality", "features.*.rates", TICKET, builtin_columns.bad_values, hold=1),
    Entry("input-drift", "features.*.drift", TICKET, builtin_drift.input_drift, hold=2,
          sums=builtin_drift.input_sums),
    Entry("output-drift", "prediction.drift", TICKET, builtin_drift.output_drift, hold=2,
          sums=builtin_drift.output_sums),
    Entry("error-rate", "latency.error_rate", PAGE, builtin_service.errors, hold=1),
    Entry("version-errors", "latency.error_rate", PAGE, None,
          sums=builtin_beside.failing, counts=builtin_beside.failures),
    Entry("latency-high", "latency.p95_ms", PAGE, builtin_service.slow, hold=2,
          learns=builtin_service.latency_levels),
    Entry("latency-creep", "latency.p95_ms", TICKET, builtin_service.creep, hold=9,
          starts=builtin_service.latency_levels),
    Entry("resources-high", "resources.*", TICKET, builtin_resources.high, hold=2,
          starts=builtin_resources.levels),
    Entry("incomplete", "completeness", TICKET, builtin_service.incomplete, hold=1),
)  # fmt: skip
OTHERS = {PAGE: 1, TICKET: 1}
"""Detectors of `volume.py`, which have a share in the budget too: dead streams, odd volume."""


@dataclass(frozen=True, slots=True)
class BuiltinDetector:
    """One entry, bound to one model; judges whole versions, not segments."""

    entry: Entry
    watch: Watch
    allowance: Allowance
    beside: str | None = None

    def applies(self, version: str, segment: str | None) -> bool:
        """The whole of every version: forty segments of one fault are one incident."""
        return segment is None

    def judge(self, case: Case) -> Verdict:
        """The window by itself first; where it is not bad, what the sums say with it in."""
        alone = self._alone(case)
        if self.entry.sums is None:
            return alone
        slow = slow_verdict(case.past.runs, self.entry.sums(case, self.allowance))
        if alone.state is State.BREACHED:
            # Its findings say more; but what has added up for long enough waits no longer.
            return replace(alone, urgent=alone.urgent or slow.urgent, since=slow.since)
        return alone if slow.state is State.UNKNOWN else slow

    def rejudge(self, case: Case, held: tuple[Finding, ...]) -> Verdict:
        """The window's own test again: it is a pure function of the window and the reference.

        What rests on the model's own past, or on a sum, can't be tested again: that has moved on.
        """
        if self.entry.learns is not None or self.entry.starts is not None:
            return UNKNOWN
        again = self._alone(case)
        if self.entry.sums is None or again.state is not State.CLEAR:
            return again
        limits = {(found.metric, found.threshold) for found in again.findings}
        if not limits & {(found.metric, found.threshold) for found in held}:
            return UNKNOWN
        # What it added up is not true either: the sums begin anew.
        case.past.runs = {}
        return again

    def learn(self, case: Case, verdict: Verdict) -> None:
        """Sums take every window; levels only those that are not bad: no fault may be usual."""
        entry, past = self.entry, case.past
        steps = entry.sums(case, self.allowance) if entry.sums is not None else ()
        if steps:
            past.runs = advanced(past.runs, steps)
        if entry.counts is not None:
            builtin_beside.remember(case, steps, entry.counts(case))
        if verdict.state is State.BREACHED:
            return
        for key, score in (step.raw for step in steps if step.raw is not None):
            past.scatters[key] = past.scatters.get(key, Scatter()).after(score)
        for metric, value in entry.learns(case) if entry.learns else ():
            past.keep(metric, value)
        for metric, value in entry.starts(case) if entry.starts else ():
            past.keep_first(metric, value)

    def _alone(self, case: Case) -> Verdict:
        return UNKNOWN if self.entry.test is None else self.entry.test(case, self.allowance)


def builtin_detectors(model: WatchedModel, budget: Budget) -> list[Detector]:
    """The built-in set for one model, on its smallest window, within a budget."""
    window = smallest_window(model)
    return [
        BuiltinDetector(
            entry,
            Watch(
                name=entry.name,
                metric=entry.metric,
                part=part_of(entry.metric),
                severity=entry.severity,
                kind=entry.kind,
                window=window.text,
                timing=Timing(
                    entry.hold * window.slide, entry.keep * window.slide, window.size, window.slide
                ),
            ),
            allowance_of(entry.severity, budget, window.slide),
        )
        for entry in ENTRIES
    ]


def allowance_of(severity: Severity, budget: Budget, slide: int) -> Allowance:
    """The share of each detector that pages, or makes tickets."""
    detectors = sum(entry.severity is severity for entry in ENTRIES) + OTHERS[severity]
    alarms = budget.pages if severity is PAGE else budget.tickets
    return Allowance.of(alarms, detectors=detectors, slide=slide)
