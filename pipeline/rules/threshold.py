"""A rule of the config as a detector: its condition against the window's values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from inferwatch.events.alert import Evidence
from inferwatch.events.window import WindowResult
from inferwatch.settings.conditions import Baseline, Comparison, Condition
from inferwatch.settings.rules import RuleSettings
from inferwatch.settings.types import WindowSpec
from pipeline.diagnosis.wording import number
from pipeline.rules.baselines import Past, reference_value
from pipeline.rules.detector import Case, Watch, part_of
from pipeline.rules.machine import Timing
from pipeline.rules.readings import Reading, read
from pipeline.rules.seasons import Usual, usual_at, warming_up
from pipeline.rules.verdict import UNKNOWN, Finding, State, Told, Verdict, finding, holds, judged
from pipeline.rules.watched import WatchedModel, smallest_window
from pipeline.stats.newcombe import difference

REFERENCE = Baseline("reference", "reference")
SHARES = frozenset({"quality.accuracy", "latency.error_rate"})
"""Metrics that are a share of the rows they are made of."""


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
        verdict = judged(judgements)
        if self.learns and verdict.state is State.BREACHED:
            return replace(verdict, told=self._told(verdict.findings[0], case))
        return verdict

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
        if not self.learns and self._baseline.kind not in ("previous", "rolling", "version"):
            return
        for reading in read(case.result, self.rule.path):
            case.past.remember(
                reading.metric, reading.value, case.result.end, self._baseline, reading.rows
            )
            # What is unusual must not become usual by lasting.
            if self.learns and verdict.state is not State.BREACHED:
                case.past.keep(reading.metric, reading.value)
            season = case.past.seasons.get(reading.metric)
            # But the first mornings look unusual to a rule that knows only nights.
            is_new = season is None or not season.knows_weeks()
            if self.learns and (is_new or verdict.state is not State.BREACHED):
                case.past.keep_season(reading.metric, reading.value, case.result.end)

    @property
    def learns(self) -> bool:
        """Whether it learns from the model's own past (`when: unusual`)."""
        return self._condition.operator == "unusual"

    def warming_up(self, pasts: Iterable[Past]) -> str | None:
        """What is not learned yet of the metric that is known best; None where all is."""
        known = [(past.values[m], past.seasons.get(m)) for past in pasts for m in past.values]
        best = max(known, key=lambda k: (k[1].days if k[1] else 0.0, len(k[0])), default=([], None))
        said = warming_up(*best)
        return said and f"rule {self.rule.name!r} learns {self.rule.path.text}: {said}"

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
                difference=self._difference(reading, case),
            )

    def _difference(self, reading: Reading, case: Case) -> tuple[float, float] | None:
        """How far the two versions are apart, where chance can be told of shares."""
        beside = self._in_same_window(reading.metric, case)
        if beside is None or beside[1] is None or reading.rows is None:
            return None
        if reading.metric not in SHARES:
            return None
        return difference(reading.value, reading.rows, beside[0], beside[1])

    @staticmethod
    def _in_same_window(metric: str, case: Case) -> tuple[float, int | None] | None:
        """Value and rows of the version beside this one: what both suffer is no difference."""
        return None if case.beside is None else case.beside.of_window(metric, case.result.end)

    def _unusual(self, reading: Reading, case: Case) -> Iterable[Finding]:
        usual = self._usual(reading.metric, case)
        if usual is None:
            return
        comparison: Comparison = "<" if reading.value < usual.middle else ">"
        limit = usual.low if comparison == "<" else usual.high
        yield finding(
            reading.metric,
            reading.value,
            comparison,
            limit,
            rows=reading.rows,
            baseline=usual.middle,
        )

    def _usual(self, metric: str, case: Case) -> Usual | None:
        values = case.past.values.get(metric, ())
        return usual_at(values, case.past.seasons.get(metric), case.result.end)

    def _told(self, worst: Finding, case: Case) -> Told | None:
        usual = self._usual(worst.metric, case)
        if usual is None:
            return None
        text = (
            f"{worst.metric} is {number(worst.value)}; usual is {number(usual.low)} to "
            f"{number(usual.high)}, by {usual.past}"
        )
        fact = Evidence(text=text, metric=worst.metric, before=worst.baseline, after=worst.value)
        return Told(evidence=(fact,))

    def _look_up(self, metric: str, case: Case) -> float | None:
        baseline = self._baseline
        if baseline.kind == "reference":
            return reference_value(metric, case.reference, case.model)
        if baseline.kind == "version":
            beside = self._in_same_window(metric, case)
            return None if beside is None else beside[0]
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
