"""What of a window result can be plotted: its numbers, by their dotted path.

The names are the paths inside the result (`latency.p95_ms`, `features.amount.psi`), and three that
are derived: `features.*.missing_rate`, `prediction.missing_rate` (missing / rows) and
`prediction.share.<class>`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from sys import intern

from inferwatch.events.window import (
    CategoricalBlock,
    FeatureBlock,
    LatencyBlock,
    NumericBlock,
    WindowResult,
)

MAX_MEASURES = 2_000
"""Of one result; what comes after (features in order of name) is not plotted."""


def measures(result: WindowResult) -> dict[str, float]:
    """Every number of a result that is defined; a null is left out, as is what is not finite."""
    found: dict[str, float] = {}
    for name, value in _paths(result):
        if value is None or not math.isfinite(value):
            continue
        if len(found) == MAX_MEASURES:
            break
        found[intern(name)] = float(value)
    return found


def _paths(result: WindowResult) -> Iterator[tuple[str, float | None]]:
    for counter in ("rows", "late", "duplicates", "lost", "completeness"):
        yield counter, getattr(result, counter)
    for block in ("latency", "quality", "estimated"):
        yield from _scalars(block, getattr(result, block))
    if result.prediction is not None:
        yield from _prediction(result.prediction, result.rows)
    for name, resource in sorted((result.resources or {}).items()):
        yield f"resources.{name}.mean", resource.mean
        yield f"resources.{name}.max", resource.max
    for name, score in sorted((result.scores or {}).items()):
        yield f"scores.{name}.psi", score.psi
        if isinstance(score, NumericBlock):
            yield f"scores.{name}.mean", score.mean
    for name, feature in sorted((result.features or {}).items()):
        yield from _drift(f"features.{name}", feature, result.rows)


def _scalars(block: str, record: LatencyBlock | None) -> Iterator[tuple[str, float | None]]:
    if record is None:
        return
    # By what a value is, not by its name: a later version may add fields of any kind.
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{block}.{field.name}", value


def _drift(path: str, block: FeatureBlock, rows: int) -> Iterator[tuple[str, float | None]]:
    yield f"{path}.psi", block.psi
    if isinstance(block, NumericBlock):
        yield f"{path}.ks", block.ks
    yield f"{path}.missing_rate", block.missing / rows if rows else None


def _prediction(block: FeatureBlock, rows: int) -> Iterator[tuple[str, float | None]]:
    yield from _drift("prediction", block, rows)
    yield "prediction.entropy", block.entropy
    yield "prediction.collapsed", block.collapsed
    if isinstance(block, CategoricalBlock):
        for category, share in block.top:
            yield f"prediction.share.{category}", share
    else:
        for statistic in ("mean", "p05", "p50", "p95"):
            yield f"prediction.{statistic}", getattr(block, statistic)


QUALITY = ("quality.accuracy", "quality.mae", "quality.rmse", "estimated.accuracy")
"""What a model's quality is read from: the first of these that its results have."""


def largest_drift(values: dict[str, float]) -> float | None:
    """The largest PSI of any feature.

    >>> largest_drift({"features.a.psi": 0.1, "features.b.psi": 0.3, "prediction.psi": 9.0})
    0.3
    """
    return max(
        (v for k, v in values.items() if k.startswith("features.") and k.endswith(".psi")),
        default=None,
    )
