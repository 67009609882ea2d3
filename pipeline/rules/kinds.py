"""What kind of alert a metric makes, and what the data then says it really is."""

from __future__ import annotations

from inferwatch.events.alert import AlertKind
from inferwatch.settings.metric_path import DERIVED_RATES

BURN = ".burn"
"""Behind the metric of an objective: how many times too fast its budget is spent."""

_BAD_VALUES = tuple(
    f".{key}" for key in {*DERIVED_RATES, *DERIVED_RATES.values(), "rates", "count"}
)

_BY_CAUSE = {
    (AlertKind.QUALITY, "overfit"): AlertKind.OVERFIT,
    (AlertKind.QUALITY, "underfit"): AlertKind.UNDERFIT,
    (AlertKind.OUTPUT_DRIFT, "prediction_collapse"): AlertKind.COLLAPSE,
}


def kind_of(metric: str) -> AlertKind:
    """The kind that the metric's name says.

    >>> kind_of("features.amount.psi").value, kind_of("features.amount.missing_rate").value
    ('input_drift', 'data_quality')
    """
    metric = metric.removesuffix(BURN)
    block = metric.partition(".")[0]
    match block:
        case "quality" | "estimated":
            return AlertKind.QUALITY
        case "latency":
            if metric in ("latency.errors", "latency.error_rate"):
                return AlertKind.ERRORS
            volume = metric in ("latency.count", "latency.requests_per_s")
            return AlertKind.VOLUME if volume else AlertKind.LATENCY
        case "resources":
            return AlertKind.RESOURCE
        case "features":
            bad = metric == "features.*" or metric.endswith(_BAD_VALUES)
            return AlertKind.DATA_QUALITY if bad else AlertKind.INPUT_DRIFT
        case "prediction" | "scores":
            collapsed = metric in ("prediction.entropy", "prediction.collapsed")
            return AlertKind.COLLAPSE if collapsed else AlertKind.OUTPUT_DRIFT
        case "rows":
            return AlertKind.VOLUME
        case _:
            return AlertKind.BLIND


def confirmed_kind(kind: AlertKind, first_cause: str | None) -> AlertKind:
    """The kind once the first cause is known: a low accuracy that is over-fit is `overfit`."""
    return _BY_CAUSE.get((kind, first_cause or ""), kind)
