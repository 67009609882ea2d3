"""The one sentence of an alert: what, how much, since when, most likely why."""

from __future__ import annotations

from inferwatch.events.alert import Cause
from inferwatch.events.window import WindowResult
from inferwatch.settings.metric_path import DERIVED_RATES
from pipeline.diagnosis.wording import clock, lasted, names, number, percent
from pipeline.rules.kinds import BURN
from pipeline.rules.readings import feature_of
from pipeline.rules.verdict import Finding, Verdict

SURE_ENOUGH = 0.3
"""A cause below this is listed, but not told in the sentence."""

BORN_LOW = ("overfit", "underfit")
"""Causes of a quality that did not fall: it was never better."""
RESTATED = {
    "missing_values": (".missing_rate",),
    "errors_upstream": ("latency.error_rate", "latency.errors"),
    "blind": ("completeness",),
    "dead_stream": ("rows", "latency.requests_per_s"),
}

_LATENCY = {
    "mean_ms": "Mean latency",
    "p50_ms": "Median latency",
    "p90_ms": "90th-percentile latency",
    "p95_ms": "95th-percentile latency",
    "p99_ms": "99th-percentile latency",
    "p999_ms": "99.9th-percentile latency",
    "max_ms": "Longest latency",
    "error_rate": "Error rate",
    "errors": "Number of failed requests",
    "requests_per_s": "Request rate",
    "ttft_p95_ms": "95th-percentile time to first token",
}
_QUALITY = {
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "ece": "Calibration error",
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "r2": "R²",
    "mape": "Mean absolute percentage error",
}
_OBJECTIVES = {
    "latency.slow_rate": "latency objective",
    "latency.error_rate": "error objective",
    "quality.accuracy": "accuracy objective",
}
_DISTANCES = ("ks", "psi", "js", "wasserstein", "chi2", "drift")
_IS = {
    "missing_rate": "is missing",
    "unseen_rate": "was never in the reference",
    "out_of_range_rate": "lies outside the reference's range",
    "type_mismatch_rate": "has the wrong type",
    "non_finite_rate": "is NaN or infinite",
    "over_limit_rate": "went to __other__, beyond the limit of categories",
}
_COLUMN = {
    "missing_rate": "missing values",
    "unseen_rate": "values that the reference never had",
    "out_of_range_rate": "values outside the reference's range",
    "type_mismatch_rate": "values of the wrong type",
    "non_finite_rate": "NaN or infinite values",
}


def subject(result: WindowResult) -> str:
    """Model, version and segment."""
    version = "" if result.version == "unversioned" else f" (version {result.version})"
    segment = "" if result.segment is None else f" for {result.segment}"
    return f"{result.model}{version}{segment}"


def fired(result: WindowResult, verdict: Verdict, starts_at: int, cause: Cause) -> str:
    """The sentence of an alert that fires."""
    since = clock(starts_at, beside=result.end, seconds=result.end - result.start < 60_000)
    findings, told = verdict.findings, verdict.told
    if told is None or told.fact is None:
        said = f"{_fact(result, findings, born_low=cause.cause in BORN_LOW)} since {since}"
    else:
        said = f"{told.fact} since {since}{told.more}"
    if _restates(cause, findings[0]):
        return said
    why = cause.why if cause.confidence >= SURE_ENOUGH else "no cause stands out"
    return f"{said}; {why}"


def resolved(
    result: WindowResult, told: Finding, now: Finding | None, length: int, cause: Cause | None
) -> str:
    """The sentence of an alert that ends."""
    after = f"after {lasted(length)}"
    drift = _over(told, result)
    if drift is not None:
        text = f"{drift} {after}"
    elif now is not None and now.metric == told.metric:
        text = (
            f"{_name(told.metric)} of {subject(result)} is back at {_value(now)} "
            f"(threshold {_limit(told)}) {after}"
        )
    else:
        text = f"{_name(told.metric)} of {subject(result)} is within its limits again {after}"
    if cause is not None and cause.confidence >= SURE_ENOUGH and not _restates(cause, told):
        text += f"; most likely it was this: {cause.why}"
    return text


def silent(result: WindowResult, told: Finding, length: int) -> str:
    """The sentence of an alert whose windows stopped coming."""
    return (
        f"{_name(told.metric)} of {subject(result)} is no longer measured: the alert of "
        f"{lasted(length)} ends because no more windows come, not because it is well"
    )


def corrected(result: WindowResult, told: Finding, now: Finding | None, starts_at: int) -> str:
    """The sentence of an alert that later events overturned."""
    seconds = result.end - result.start < 60_000
    since = clock(starts_at, beside=result.end, seconds=seconds)
    value = "within its limits" if now is None else f"{_value(now)}, not {_value(told)}"
    return (
        f"The alert on {_name(told.metric, inside=True)} of {subject(result)} since {since} did "
        f"not hold: with what came in later it is {value} (threshold {_limit(told)})"
    )


def _over(told: Finding, result: WindowResult) -> str | None:
    feature = feature_of(told.metric)
    key = told.metric.rpartition(".")[2]
    if feature is not None and key in DERIVED_RATES:
        return f"{feature} of {subject(result)} has no more {_COLUMN.get(key, key)} than usual"
    if feature is not None and key in _DISTANCES:
        return f"Input {feature} of {subject(result)} is as usual again"
    if told.metric.startswith(("prediction.", "scores.")):
        return f"The output of {subject(result)} is as usual again"
    return None


def _restates(cause: Cause, told: Finding) -> bool:
    """Whether the cause only says again what breached."""
    return told.metric.endswith(RESTATED.get(cause.cause, ()))


def _fact(result: WindowResult, findings: tuple[Finding, ...], *, born_low: bool) -> str:
    worst = findings[0]
    block, key = worst.metric.partition(".")[0], worst.metric.rpartition(".")[2]
    if block == "features" and (key in _DISTANCES or key in DERIVED_RATES):
        return _features_fact(result, findings)
    if block in ("prediction", "scores") and key in _DISTANCES:
        return f"The output of {subject(result)} drifted ({_measure(worst)})"
    if worst.metric == "prediction.entropy":
        return f"The output of {subject(result)} hardly varies any more ({_measure(worst)})"
    if worst.metric == "completeness":
        lost, limit = percent(1 - worst.value), percent(1 - worst.threshold)
        return f"{lost} of the rows of {subject(result)} are lost (threshold {limit})"
    verb = "is" if born_low else "fell to" if worst.comparison in ("<", "<=") else "rose to"
    more = f" and {len(findings) - 1} more metrics" if len(findings) > 1 else ""
    return (
        f"{_name(worst.metric)} of {subject(result)} {verb} {_value(worst)} "
        f"(threshold {_limit(worst)}{_usual(worst)}){more}"
    )


def _features_fact(result: WindowResult, findings: tuple[Finding, ...]) -> str:
    worst = findings[0]
    features = list(dict.fromkeys(feature_of(f.metric) or f.metric for f in findings))
    key = worst.metric.rpartition(".")[2]
    if key in DERIVED_RATES:
        others = f", {names(features[1:])} too," if len(features) > 1 else ""
        return (
            f"{percent(worst.value)} of {features[0]} in {subject(result)} {_IS[key]} "
            f"(threshold {percent(worst.threshold)}{_usual(worst)}){others}"
        )
    if len(features) == 1:
        return f"Input {features[0]} of {subject(result)} drifted ({_measure(worst)})"
    return (
        f"{len(features)} inputs of {subject(result)} drifted: {names(features)} "
        f"({features[0]}: {_measure(worst)})"
    )


def rate(burn: float) -> str:
    """A burn rate: one digit behind the point where it matters.

    >>> rate(1.0007), rate(14.67), rate(200.4)
    ('1.0', '14.7', '200')
    """
    return f"{burn:.1f}" if burn < 100 else number(burn)


def _measure(found: Finding) -> str:
    key = found.metric.rpartition(".")[2]
    word = {"ks": "KS", "psi": "PSI", "js": "JS"}.get(key, key)
    return f"{word} {number(found.value)}, threshold {number(found.threshold)}"


def _name(metric: str, *, inside: bool = False) -> str:
    block, _, key = metric.partition(".")
    if metric.endswith(BURN):
        name = f"Burn rate of the {_OBJECTIVES[metric.removesuffix(BURN)]}"
    elif metric == "completeness":
        name = "Completeness"
    elif metric == "rows":
        name = "Number of predictions"
    elif block == "latency":
        name = _LATENCY.get(key, key)
    elif block == "quality":
        name = _QUALITY.get(key, key.replace("_", " ").capitalize())
    elif block == "features":
        feature, _, of = key.rpartition(".")
        name = f"{feature} ({_COLUMN.get(of, of)})"
    elif metric == "prediction.entropy":
        name = "Variety of the output"
    else:
        name = metric
    plain = inside and name.split(" ")[0].capitalize() == name.split(" ")[0]
    return name[0].lower() + name[1:] if plain else name


def _value(found: Finding) -> str:
    return _as_unit(found.metric, found.value)


def _limit(found: Finding) -> str:
    return _as_unit(found.metric, found.threshold)


def _usual(found: Finding) -> str:
    if found.baseline is None:
        return ""
    return f", usually {_as_unit(found.metric, found.baseline)}"


def _as_unit(metric: str, value: float) -> str:
    if metric.endswith(BURN):
        return f"{rate(value)} times"
    if metric.endswith("_ms"):
        return f"{number(value)} ms"
    if metric.endswith("_rate") or metric == "completeness":
        return percent(value)
    return (
        number(value) if abs(value) >= 1 else f"{value:.2f}" if abs(value) >= 0.1 else number(value)
    )
