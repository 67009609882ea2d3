"""Faults of a flight-delay model, injected into made windows: one function a fault.

The calm model: five inputs, two classes, 90 % right, two carriers as segments, 20 ms latency.
Each fault takes a generator and gives a `Fault`; `incident` plays calm windows, then bad ones, and
gives the alert that fires.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from made_windows import (
    MadeModel,
    Values,
    latency_of,
    quality_of,
    reference_of,
    window_of,
)

from inferwatch.events.alert import Alert, Status
from inferwatch.events.reference import ReferenceProfile
from inferwatch.events.window import ClassificationBlock, LatencyBlock, WindowResult
from inferwatch.settings.rules import RuleSettings
from pipeline.rules.watch import ModelWatch

ROWS = 600
CALM = 5
Columns = dict[str, Values]


@dataclass
class Fault:
    """What differs from the calm window."""

    features: Columns
    prediction: Values
    quality: ClassificationBlock | None = None
    latency: LatencyBlock = field(default_factory=latency_of)
    resources: Mapping[str, float] = field(default_factory=dict)
    rows: int | None = None
    lost: int = 0
    segments: Mapping[str, Columns] = field(default_factory=dict)
    segment_right: Mapping[str, int] = field(default_factory=dict)
    version: str = "1"


def columns(rng: np.random.Generator, size: int = ROWS) -> Columns:
    """Calm inputs: a heavy right tail with many ties, a gamma, a normal, two categories."""
    late = rng.random(size) >= 0.6
    return {
        "dep_delay": np.round(
            np.where(late, rng.exponential(45, size) - 3, rng.normal(-4, 4, size))
        ),
        "distance": np.round(rng.gamma(4, 260, size)),
        "temp": np.round(rng.normal(14, 8, size), 1),
        "carrier": rng.choice(np.array(["AA", "DL", "UA"], object), size, p=[0.5, 0.3, 0.2]),
        "origin": rng.choice(np.array(["EWR", "JFK", "LGA"], object), size),
    }


def answers(rng: np.random.Generator, late: float = 0.25, size: int = ROWS) -> Values:
    """Calm predictions."""
    return np.where(rng.random(size) < late, "late", "ok").astype(object)


def reference() -> ReferenceProfile:
    """The reference of the calm model."""
    rng = np.random.default_rng(99)
    return reference_of(
        columns(rng, 20_000),
        prediction=answers(rng, size=20_000),
        performance={"accuracy": 0.9, "train_accuracy": 0.92},
    )


REFERENCE = reference()


def calm(rng: np.random.Generator) -> Fault:
    """Nothing wrong: the start of every fault."""
    resources = {"cpu_percent": 40.0, "rss_bytes": 800 * 2.0**20, "net_rx_bytes": 1e6}
    return Fault(
        features=columns(rng),
        prediction=answers(rng),
        quality=quality_of(int(rng.binomial(ROWS, 0.9)), ROWS),
        latency=latency_of(p95=float(rng.normal(20, 0.5))),
        resources=resources,
    )


def bad_quality(rng: np.random.Generator, **features: Any) -> Fault:
    """Accuracy at 0.72, with these features changed."""
    fault = calm(rng)
    fault.quality = quality_of(int(rng.binomial(ROWS, 0.72)), ROWS)
    fault.features |= features
    return fault


RULES = [
    RuleSettings.model_validate(plain)
    for plain in (
        {"name": "accuracy-low", "metric": "quality.accuracy", "when": "< 0.80",
         "severity": "page"},
        {"name": "input-drift", "metric": "features.*.psi", "when": "> 0.2"},
        {"name": "missing", "metric": "features.*.missing_rate", "when": "> 0.05"},
        {"name": "new-values", "metric": "features.*.unseen_rate", "when": "> 0.05"},
        {"name": "wrong-type", "metric": "features.*.type_mismatch_rate", "when": "> 0.05"},
        {"name": "slow", "metric": "latency.p95_ms", "when": "> 40", "severity": "page"},
        {"name": "errors", "metric": "latency.error_rate", "when": "> 0.05", "severity": "page"},
        {"name": "few", "metric": "rows", "when": "< 200"},
        {"name": "blind", "metric": "completeness", "when": "< 0.95"},
        {"name": "one-answer", "metric": "prediction.entropy", "when": "< 0.2",
         "severity": "page"},
    )
]  # fmt: skip


def windows(fault: Fault, i: int) -> list[WindowResult]:
    """The i-th window of the fault: its segments first, the whole last."""
    found = [
        window_of(
            i,
            features,
            reference=REFERENCE,
            prediction=fault.prediction[: len(features["carrier"])],
            quality=_segment_quality(fault, name, len(features["carrier"])),
            version=fault.version,
            segment=name,
        )
        for name, features in fault.segments.items()
    ]
    whole = window_of(
        i,
        fault.features,
        reference=REFERENCE,
        prediction=fault.prediction,
        quality=fault.quality,
        latency=fault.latency,
        resources=fault.resources,
        rows=fault.rows,
        lost=fault.lost,
        version=fault.version,
    )
    return [*found, whole]


def _segment_quality(fault: Fault, segment: str, rows: int) -> ClassificationBlock:
    return quality_of(fault.segment_right.get(segment, round(0.9 * rows)), rows)


def by_carrier(fault: Fault) -> Fault:
    """The same fault with the windows of its carriers."""
    carriers = fault.features["carrier"]
    segments = {
        f"carrier={c}": {k: v[carriers == c] for k, v in fault.features.items()}
        for c in ("AA", "DL", "UA")
    }
    return replace(fault, segments=segments)


def incident(
    make: Callable[[np.random.Generator], Fault],
    rule: str,
    *,
    seed: int = 0,
    rules: list[RuleSettings] | None = RULES,
    model: MadeModel | None = None,
    before: Callable[[np.random.Generator], Fault] = calm,
    bad_windows: int = 1,
) -> list[Alert]:
    """The alerts of a rule: calm windows, then bad ones, then calm ones."""
    rng = np.random.default_rng(seed)
    watch = ModelWatch(model or MadeModel(), rules, retention_ms=86_400_000)
    alerts: list[Alert] = []
    for i in range(CALM + bad_windows + 2):
        is_bad = CALM <= i < CALM + bad_windows
        for window in windows((make if is_bad else before)(rng), i):
            for part in ("final", "quality"):
                alerts += watch.judge(window, part=part, reference=REFERENCE)  # type: ignore[arg-type]
    return [a for a in alerts if a.rule == rule]


def fired(alerts: list[Alert]) -> Alert:
    """The one that fired."""
    return next(a for a in alerts if a.status is Status.FIRING)
