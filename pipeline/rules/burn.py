"""Objectives of the config as detectors: alerts on the rate at which an error budget burns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from inferwatch.events.alert import Severity
from inferwatch.settings.rules import RuleSettings, SloSettings
from inferwatch.settings.types import WindowSpec, format_duration
from pipeline.rules.burn_rate import FAST, SLOW, Budget, BurnLimit
from pipeline.rules.burn_wording import told
from pipeline.rules.detector import Case, Watch, part_of
from pipeline.rules.indicator import Counts, IndicatorCounts, counts_of
from pipeline.rules.kinds import BURN
from pipeline.rules.machine import Timing
from pipeline.rules.threshold import is_sound, window_of
from pipeline.rules.verdict import UNKNOWN, Finding, State, Verdict, finding, judged
from pipeline.rules.watched import WatchedModel


@dataclass(frozen=True, slots=True)
class BurnRule:
    """One objective, bound to one model, with some of the limits.

    Attributes:
        size: of the windows that are counted, milliseconds.
    """

    rule: RuleSettings
    slo: SloSettings
    watch: Watch
    size: int
    limits: Sequence[BurnLimit]

    @property
    def warning(self) -> str | None:
        """What is asked of windows that are too long for it; None where nothing is."""
        wanted = FAST[0].scaled(self.slo.period, 1).short
        if wanted >= self.size:
            return None
        return (
            f"rule {self.watch.name!r}: a fast burn is to be seen in {format_duration(wanted)}, "
            f"and its windows are {self.watch.window}; give the rule a shorter `window` or the "
            "objective a longer `period`"
        )

    @property
    def beside(self) -> str | None:
        """A version has a budget of its own: none is compared with another."""
        return None

    def applies(self, version: str, segment: str | None) -> bool:
        """By the rule's `segments`."""
        if self.rule.segments is None:
            return segment is None
        return segment is not None and fnmatchcase(segment, self.rule.segments)

    def judge(self, case: Case) -> Verdict:
        """Count the window, and look at the rates as they are at its end."""
        counts, end = self._counts(case), case.result.end
        if counts is None:
            return UNKNOWN
        if case.past.indicator is None:
            case.past.indicator = IndicatorCounts(self.size)
        known = case.past.indicator
        known.add(end, counts, max(self.size, self.slo.period))
        return self._verdict(known, case)

    def rejudge(self, case: Case, held: tuple[Finding, ...]) -> Verdict:
        """The rates at the window's end once more, with all that was revised since."""
        counts, end = case.past.indicator, case.result.end
        if counts is None or not counts.knows(end):
            return UNKNOWN
        return self._verdict(counts, case, as_revised=True)

    def recount(self, case: Case) -> None:
        """Remember what a revised window holds now; later windows are judged as they were."""
        counts = self._counts(case)
        if counts is not None and case.past.indicator is not None:
            case.past.indicator.revise(case.result.end, counts)

    def learn(self, case: Case, verdict: Verdict) -> None:
        """Nothing: `judge` has counted the window."""

    def _counts(self, case: Case) -> Counts | None:
        # Of sliding windows only those that do not overlap can be added up.
        if case.result.start % self.size or not is_sound(self.rule, case.result):
            return None
        return counts_of(case.result, self.slo)

    def _verdict(self, counts: IndicatorCounts, case: Case, *, as_revised: bool = False) -> Verdict:
        budget = Budget(self.slo, counts, case.result.end, as_revised)
        found = [budget.burn(limit, self.rule.min_rows) for limit in self.limits]
        burns = [burn for burn in found if burn is not None]
        metric = f"{self.slo.metric}{BURN}"
        verdict = judged(
            [(finding(metric, b.rate, ">", b.limit.rate, rows=b.total), b.is_broken) for b in burns]
        )
        if verdict.state is not State.BREACHED:
            return verdict
        worst = max((b for b in burns if b.is_broken), key=lambda b: b.rate / b.limit.rate)
        return replace(verdict, told=told(worst, budget, case.result, self.watch.severity))


def bind_objective(rule: RuleSettings, model: WatchedModel) -> list[BurnRule]:
    """The alerts of an objective on this model: one for a fast burn, one for a slow one.

    A slow burn is never a page: it is there in the morning too.
    """
    slo = rule.slo
    if slo is None or not fnmatchcase(model.name, rule.models):
        return []
    window = window_of(rule, model)
    fast, slow = ([limit.scaled(slo.period, window.size) for limit in of] for of in (FAST, SLOW))
    metric = f"{slo.metric}{BURN}"
    later = Severity.TICKET if rule.severity is Severity.PAGE else rule.severity
    now_watch = _watch(rule, window, metric, rule.severity)
    later_watch = _watch(rule, window, f"{metric}.slow", later)
    return [
        BurnRule(rule, slo, now_watch, window.size, fast),
        BurnRule(rule, slo, later_watch, window.size, slow),
    ]


def _watch(rule: RuleSettings, window: WindowSpec, metric: str, severity: Severity) -> Watch:
    return Watch(
        name=rule.name,
        metric=metric,
        part=part_of(metric),
        severity=severity,
        window=window.text,
        timing=Timing(rule.for_, rule.keep_firing_for, window.size, window.size),
        labels=rule.labels,
        runbook_url=rule.runbook_url,
    )
