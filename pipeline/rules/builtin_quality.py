"""Built-in tests of quality: against what was promised, and against training."""

from __future__ import annotations

from math import log, sqrt

from inferwatch.events.window import ClassificationBlock, RegressionBlock
from pipeline.rules.baselines import reference_value
from pipeline.rules.budget import Allowance
from pipeline.rules.cusum import Step
from pipeline.rules.detector import Case
from pipeline.rules.verdict import UNKNOWN, Finding, Verdict, finding, judged
from pipeline.stats.guessing import commonest_share, poor_below

MIN_LABELLED = 30
DROP = 0.05
"""Accuracy points that matter."""
GROSS_DROP = 0.15
ERROR_RATIO = 1.5
"""A regression's error, in times its reference's."""
OVERFIT_GAP = 0.10
DECAY = 0.03
"""Points of the error rate that the sum is made for; it minds from about half of it on."""
DECAY_MATTERS = 0.02
CERTAIN = 2.0
REFERENCE_ERROR = 3.0
"""Standard errors of the reference's own accuracy that are given to the model."""
UNDERFIT_NEAR = 0.05
"""Production within so much of training: it is not worse here, it was never better."""


def drop(case: Case, allowance: Allowance) -> Verdict:
    """Accuracy below what was promised by 5 points, even at the upper end of its 95 % interval.

    A regression: its mean absolute (else root mean squared) error 1.5 times the reference's.
    """
    quality = case.result.quality
    if quality is None or quality.labelled < MIN_LABELLED:
        return UNKNOWN
    if isinstance(quality, RegressionBlock):
        return _error_rise(case, quality)
    expected = reference_value("quality.accuracy", case.reference, case.model)
    if expected is None or quality.accuracy is None or quality.accuracy_high is None:
        return UNKNOWN
    limit = expected - DROP
    found = _accuracy(quality.accuracy, limit, quality.labelled, expected)
    gross = quality.accuracy_high < expected - GROSS_DROP
    return judged([(found, quality.accuracy_high < limit)], urgent=gross)


def decay(case: Case, allowance: Allowance) -> list[Step]:
    """What a window adds to the case for a slow decay: the log-likelihood of its right and wrong.

    A sum of log-likelihood ratios, an error rate 3 points above the promised one against that one,
    crosses ln(windows) by chance less than once in so many windows (Lorden, 1971).
    """
    quality = case.result.quality
    if not isinstance(quality, ClassificationBlock) or quality.labelled < MIN_LABELLED:
        return []
    expected = reference_value("quality.accuracy", case.reference, case.model)
    if expected is None or quality.accuracy is None:
        return []
    wrong = 1 - expected
    if "accuracy" not in case.model.expect and case.reference is not None:
        rows = max(1, case.reference.rows)
        wrong += REFERENCE_ERROR * sqrt(max(wrong * expected, 1 / rows) / rows)
    wrong = min(max(wrong, 0.001), 0.95)
    worse = min(wrong + DECAY, 0.99)
    errors = (1 - quality.accuracy) * quality.labelled
    score = errors * log(worse / wrong)
    score += (quality.labelled - errors) * log((1 - worse) / (1 - wrong))
    return [
        Step(
            key="accuracy",
            metric="quality.accuracy",
            score=score,
            slack=0.0,
            limit=log(allowance.run(1)),
            value=quality.accuracy,
            baseline=expected,
            effect=expected - quality.accuracy,
            enough=DECAY_MATTERS,
            rows=quality.labelled,
            start=case.result.start,
            comparison="<",
            # A label is no noise of the input: what one window proves needs no second.
            at_once=CERTAIN,
        )
    ]


def _error_rise(case: Case, quality: RegressionBlock) -> Verdict:
    for key, value in (("mae", quality.mae), ("rmse", quality.rmse)):
        expected = reference_value(f"quality.{key}", case.reference, case.model)
        if expected is None or value is None:
            continue
        # The mean of n errors wanders by about its size over sqrt(n), heavy tails by more.
        limit = expected * (ERROR_RATIO + 6 / quality.labelled**0.5)
        found = finding(
            f"quality.{key}", value, ">", limit, rows=quality.labelled, baseline=expected
        )
        return judged([(found, value > limit)], urgent=value > 3 * limit)
    return UNKNOWN


def overfit(case: Case, allowance: Allowance) -> Verdict:
    """Accuracy 10 points below training's, where nothing promised more than it reaches.

    A fall below the promise is `drop`'s; this is the model that was never as good as it looked.
    """
    trained, quality = _trained(case), _well_labelled(case)
    if trained is None or quality is None or quality.accuracy is None:
        return UNKNOWN
    promised = reference_value("quality.accuracy", case.reference, case.model)
    if promised is not None and quality.accuracy < promised - DROP:
        return UNKNOWN
    return _lasting(quality, trained - OVERFIT_GAP, trained)


def underfit(case: Case, allowance: Allowance) -> Verdict:
    """Accuracy poor, and no better in training: the model never learned its task.

    Poor is hardly above always saying the commonest class (`pipeline/stats/guessing.py`).
    """
    trained, quality = _trained(case), _well_labelled(case)
    if trained is None or quality is None or quality.accuracy is None:
        return UNKNOWN
    limit = poor_below(commonest_share(quality.confusion))
    if trained > limit:
        return judged([(_accuracy(quality.accuracy, limit, quality.labelled, trained), False)])
    if quality.accuracy < trained - UNDERFIT_NEAR:
        return UNKNOWN
    return _lasting(quality, limit, trained)


def _trained(case: Case) -> float | None:
    """Accuracy in training: what the config says, else the reference."""
    trained = case.model.expect.get("train_accuracy")
    if trained is None and case.reference is not None:
        trained = case.reference.performance.get("train_accuracy")
    return trained


def _well_labelled(case: Case) -> ClassificationBlock | None:
    quality = case.result.quality
    enough = isinstance(quality, ClassificationBlock) and quality.labelled >= 4 * MIN_LABELLED
    return quality if enough and isinstance(quality, ClassificationBlock) else None


def _lasting(quality: ClassificationBlock, limit: float, trained: float) -> Verdict:
    """Low by the upper end of the interval, well by the accuracy itself; between, not known.

    What was so from the first window on does not end because one window is lucky.
    """
    assert quality.accuracy is not None
    high = quality.accuracy if quality.accuracy_high is None else quality.accuracy_high
    if high >= limit > quality.accuracy:
        return UNKNOWN
    found = _accuracy(quality.accuracy, limit, quality.labelled, trained)
    return judged([(found, high < limit)])


def _accuracy(value: float, limit: float, rows: int, baseline: float) -> Finding:
    return finding("quality.accuracy", value, "<", limit, rows=rows, baseline=baseline)
