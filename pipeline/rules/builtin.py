"""The built-in set: what is watched when the config has no `rules`.

Each entry is a pure test of one window in a file of its own concern; this table says how patient
it is and whom it wakes. Outputs, labels, errors and breaks of the contract page; inputs make
tickets. Every limit holds without tuning: an effect that matters *and* six standard errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from inferwatch.events.alert import Severity
from pipeline.rules import builtin_columns, builtin_quality, builtin_service
from pipeline.rules.detector import Case, Detector, Watch, part_of
from pipeline.rules.machine import Timing
from pipeline.rules.verdict import Finding, State, Verdict
from pipeline.rules.watched import WatchedModel, smallest_window

Test = Callable[[Case], Verdict]


@dataclass(frozen=True, slots=True)
class Entry:
    """One built-in detector.

    Attributes:
        hold, keep: `for` and `keep_firing_for`, in windows.
        learns: metrics whose usual level the test asks the case's past for.
    """

    name: str
    metric: str
    severity: Severity
    test: Test
    hold: int = 0
    keep: int = 2
    learns: Callable[[Case], list[tuple[str, float]]] | None = None


ENTRIES = (
    Entry("quality-drop", "quality.*", Severity.PAGE, builtin_quality.drop, hold=1),
    Entry("overfit", "quality.accuracy", Severity.TICKET, builtin_quality.overfit, hold=4),
    Entry("prediction-collapse", "prediction.entropy", Severity.PAGE, builtin_columns.collapse),
    Entry("schema-break", "features.*", Severity.PAGE, builtin_columns.schema_break),
    Entry("data-quality", "features.*.rates", Severity.TICKET, builtin_columns.bad_values, hold=1),
    Entry("input-drift", "features.*.drift", Severity.TICKET, builtin_columns.input_drift, hold=2),
    Entry(
        "output-drift", "prediction.drift", Severity.TICKET, builtin_columns.output_drift, hold=2
    ),
    Entry("error-rate", "latency.error_rate", Severity.PAGE, builtin_service.errors, hold=1),
    Entry(
        "latency-high",
        "latency.p95_ms",
        Severity.PAGE,
        builtin_service.slow,
        hold=2,
        learns=builtin_service.latency_levels,
    ),
    Entry("incomplete", "completeness", Severity.TICKET, builtin_service.incomplete, hold=1),
)


@dataclass(frozen=True, slots=True)
class BuiltinDetector:
    """One entry, bound to one model; judges whole versions, not segments."""

    entry: Entry
    watch: Watch
    beside: str | None = None

    def applies(self, version: str, segment: str | None) -> bool:
        """The whole of every version: forty segments of one fault are one incident."""
        return segment is None

    def judge(self, case: Case) -> Verdict:
        """The entry's test."""
        return self.entry.test(case)

    def rejudge(self, case: Case, held: tuple[Finding, ...]) -> Verdict:
        """The test again: it is a pure function of the window and the reference.

        A test against the model's own past can't be made again: that past has moved on.
        """
        return self.entry.test(case) if self.entry.learns is None else Verdict(State.UNKNOWN)

    def learn(self, case: Case, verdict: Verdict) -> None:
        """Remember levels, of windows that are not bad: a fault must not become usual."""
        if self.entry.learns is not None and verdict.state is not State.BREACHED:
            for metric, value in self.entry.learns(case):
                case.past.keep(metric, value)


def builtin_detectors(model: WatchedModel) -> list[Detector]:
    """The built-in set for one model, on its smallest window."""
    window = smallest_window(model)
    return [
        BuiltinDetector(
            entry,
            Watch(
                name=entry.name,
                metric=entry.metric,
                part=part_of(entry.metric),
                severity=entry.severity,
                window=window.text,
                timing=Timing(
                    entry.hold * window.slide, entry.keep * window.slide, window.size, window.slide
                ),
            ),
        )
        for entry in ENTRIES
    ]
