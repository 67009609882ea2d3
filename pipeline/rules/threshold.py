"""A rule of the config as a detector: its condition against the window's values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from inferwatch.events.window import WindowResult
from inferwatch.settings.conditions import Baseline, Comparison, Condition
from inferwatch.settings.rules import RuleSettings
from inferwatch.settings.types import WindowSpec
from pipeline.rules.baselines import reference_value
from pipeline.rules.detector import Case, Watch, part_of
from pipeline.rules.machine import Timing
from pipeline.rules.readings import Reading, read
from pipeline.rules.usual import usual_range
from pipeline.rules.verdict import UNKNOWN, Finding, State, Verdict, finding, holds, judged
from pipeline.rules.watched import WatchedModel, smallest_window

REFERENCE = Baseline("reference", "reference")


@dataclass(frozen=True, slots=True)
class ThresholdRule:
    """One rule with `metric` and `when`, bound to one model."""

    rule: RuleSettings
    watch: Watch

    @property
    def beside(self) -> str | None:
        """The version of `baseline: version:V`."""
        return self._baseline.version or None

    def applies(self, version: str, segment: str | None) -> bool:
        """By the rule's `segments`; a version is not compared with itself."""
        if version == self.beside:
            return False
        if self.rule.segments is None:
            return segment is None
        return segment is not None and fnmatchcase(segment, self.rule.segments)

    def judge(self, case: Case) -> Verdict:
        """Gate, then hold every value that the metric names against its limit."""
        if not is_sound(self.rule, case.result):
            return UNKNOWN
        judgements = []
        for reading in read(case.result, self.rule.path):
            if reading.rows is not None and reading.rows < self.rule.min_rows:
                continue
            for found in self._limits(reading, case):
                judgements.append((found, holds(found.value, found.comparison, found.threshold)))
        return judged(judgements)

    def rejudge(self, case: Case, held: tuple[Finding, ...]) -> Verdict:
        """Hold the revised values of what breached against the same limits."""
        if not is_sound(self.rule, case.result):
            return UNKNOWN
        now = {r.metric: r for r in read(case.result, self.rule.path)}
        judgements = []
        for old in held:
            reading = now.get(old.metric)
            if reading is None or (reading.rows or self.rule.min_rows) < self.rule.min_rows:
                continue
            found = finding(
                old.metric,
                reading.value,
                old.comparison,
                old.threshold,
                rows=reading.rows,
                baseline=old.baseline,
            )
            judgements.append((found, holds(found.value, found.comparison, found.threshold)))
        return judged(judgements)

    def learn(self, case: Case, verdict: Verdict) -> None:
        """Remember the values that a later window is compared with."""
        unusual = self._condition.operator == "unusual"
        if not unusual and self._baseline.kind not in ("previous", "rolling", "version"):
            return
        for reading in read(case.result, self.rule.path):
            case.past.remember(reading.metric, reading.value, case.result.end, self._baseline)
            # What is unusual must not become usual by lasting.
            if unusual and verdict.state is not State.BREACHED:
                case.past.keep(reading.metric, reading.value)

    @property
    def _condition(self) -> Condition:
        assert self.rule.when is not None
        return self.rule.when

    @property
    def _baseline(self) -> Baseline:
        return self.rule.baseline or REFERENCE

    def _limits(self, reading: Reading, case: Case) -> Iterable[Finding]:
        condition = self._condition
        if condition.operator == "unusual":
            yield from self._unusual(reading, case)
            return
        baseline = self._look_up(reading.metric, case) if condition.needs_baseline else None
        limit = limit_of(condition, baseline)
        if limit is not None:
            comparison, threshold = limit
            yield finding(
                reading.metric,
                reading.value,
                comparison,
                threshold,
                rows=reading.rows,
                baseline=baseline,
            )

    def _unusual(self, reading: Reading, case: Case) -> Iterable[Finding]:
        usual = usual_range(case.past.values.get(reading.metric, ()))
        if usual is None:
            return
        middle, low, high = usual
        comparison: Comparison = "<" if reading.value < middle else ">"
        limit = low if comparison == "<" else high
        yield finding(
            reading.metric, reading.value, comparison, limit, rows=reading.rows, baseline=middle
        )

    def _look_up(self, metric: str, case: Case) -> float | None:
        baseline = self._baseline
        if baseline.kind == "reference":
            return reference_value(metric, case.reference, case.model)
        if baseline.kind == "version":
            return None if case.beside is None else case.beside.previous.get(metric)
        return case.past.look_up(metric, baseline)


def is_sound(rule: RuleSettings, result: WindowResult) -> bool:
    """Whether the window is complete and labelled enough to say anything to the rule."""
    wanted, complete = rule.min_completeness, result.completeness
    # Completeness null: nothing is known to be lost, but nothing is known either.
    if wanted is not None and (complete is None or complete < wanted):
        return False
    labelled = rule.min_label_coverage
    if labelled is None:
        return True
    coverage = None if result.quality is None else result.quality.label_coverage
    return coverage is not None and coverage >= labelled


def limit_of(condition: Condition, baseline: float | None) -> tuple[Comparison, float] | None:
    """The condition as a plain comparison; None when it lacks its baseline.

    >>> from inferwatch.settings.conditions import parse_condition
    >>> limit_of(parse_condition("drop > 10%"), 0.5)
    ('<', 0.45)
    """
    operator, limit = condition.operator, condition.limit
    if operator in ("<", "<=", ">", ">="):
        return condition.comparison, limit
    if baseline is None:
        return None
    change = abs(baseline) * limit if condition.relative else limit
    if operator == "drop":
        return ("<=" if condition.comparison == ">=" else "<"), baseline - change
    if operator == "rise":
        return condition.comparison, baseline + change
    # A ratio to nothing has no size.
    return None if baseline == 0 else (condition.comparison, baseline * limit)


def bind(rule: RuleSettings, model: WatchedModel) -> ThresholdRule | None:
    """The rule as a detector of this model; None where it is about others, or has an SLO."""
    if rule.slo is not None or not fnmatchcase(model.name, rule.models):
        return None
    window = window_of(rule, model)
    watch = Watch(
        name=rule.name,
        metric=rule.path.text,
        part=part_of(rule.path.text),
        severity=rule.severity,
        window=window.text,
        timing=Timing(rule.for_, rule.keep_firing_for, window.size, window.slide),
        labels=rule.labels,
        runbook_url=rule.runbook_url,
    )
    return ThresholdRule(rule, watch)


def window_of(rule: RuleSettings, model: WatchedModel) -> WindowSpec:
    """The model's window that the rule is judged on: `60s` in a rule finds the model's `1m`.

    A rule that says `15m` means the fifteen minutes, however often the model looks at them. A
    window that the model does not have is returned as written: no result of it ever comes.
    """
    if rule.window is None:
        return smallest_window(model)
    wanted = rule.window
    same = [w for w in model.windows if (w.size, w.slide) == (wanted.size, wanted.slide)]
    if not same and wanted.slide == wanted.size:
        same = sorted((w for w in model.windows if w.size == wanted.size), key=lambda w: w.slide)
    return same[0] if same else wanted
