"""Metric paths resolved: which numbers of a window result a path names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from inferwatch.events.window import FeatureBlock, WindowResult
from inferwatch.settings.metric_path import DERIVED_RATES, MetricPath


@dataclass(frozen=True, slots=True)
class Reading:
    """One number of one window.

    Attributes:
        metric: the full path, without wildcards.
        rows: how many rows (labelled ones, requests) it was made of; None where that says nothing.
    """

    metric: str
    value: float
    rows: int | None


def read(result: WindowResult, path: MetricPath) -> list[Reading]:
    """All numbers that the path names, by name; none where the window has no such value."""
    found = (
        Reading(metric, float(value), rows)
        for metric, value, rows in _values(result, path)
        if value is not None and math.isfinite(value)
    )
    return sorted(found, key=lambda r: r.metric)


def column_value(block: FeatureBlock, key: str, rows: int) -> float | None:
    """One number of a column's block, derived rates included.

    Rates are over all rows of the window, not over the usable ones: 5 missing of 10 rows is 0.5.
    """
    if key in DERIVED_RATES:
        count = getattr(block, DERIVED_RATES[key], None)
        return None if count is None or rows == 0 else count / rows
    value = getattr(block, key, None)
    return None if value is None else float(value)


def feature_of(metric: str) -> str | None:
    """The feature that a full path is about.

    >>> feature_of("features.user.age.psi"), feature_of("latency.p99_ms")
    ('user.age', None)
    """
    if not metric.startswith("features."):
        return None
    return metric.removeprefix("features.").rpartition(".")[0]


def _values(
    result: WindowResult, path: MetricPath
) -> Iterator[tuple[str, float | None, int | None]]:
    match path.block:
        case "":
            rows = None if path.key == "rows" else result.rows
            yield path.text, getattr(result, path.key), rows
        case "latency":
            if (latency := result.latency) is not None:
                yield path.text, getattr(latency, path.key), latency.count
        case "quality":
            if (quality := result.quality) is not None:
                yield path.text, getattr(quality, path.key, None), quality.labelled
        case "quality.per_class":
            classes = getattr(result.quality, "per_class", {})
            for name, block in _named(classes, path):
                yield (
                    f"quality.per_class.{name}.{path.key}",
                    getattr(block, path.key),
                    block.support,
                )
        case "estimated":
            if result.estimated is not None:
                yield path.text, getattr(result.estimated, path.key), result.rows
        case "prediction":
            if (output := result.prediction) is not None:
                value = column_value(output, path.key, result.rows)
                yield path.text, value, _column_rows(output, path.key, result.rows)
        case "resources":
            for name, sample in _named(result.resources or {}, path):
                yield f"resources.{name}.{path.key}", getattr(sample, path.key), None
        case _:
            columns = result.features if path.block == "features" else result.scores
            for name, column in _named(columns or {}, path):
                value = column_value(column, path.key, result.rows)
                rows = _column_rows(column, path.key, result.rows)
                yield f"{path.block}.{name}.{path.key}", value, rows


def _named(blocks: Mapping[str, Any], path: MetricPath) -> Iterator[tuple[str, Any]]:
    assert path.name is not None
    if path.name in blocks:  # a literal name wins, also one that holds a `*` or a `[`
        yield path.name, blocks[path.name]
        return
    for name, block in blocks.items():
        if fnmatchcase(name, path.name):
            yield name, block


def _column_rows(block: FeatureBlock, key: str, rows: int) -> int:
    counted = key in DERIVED_RATES or key in DERIVED_RATES.values()
    return rows if counted else block.count
