"""The levels of a window: the few numbers of it that are kept for comparison later."""

from __future__ import annotations

from collections.abc import Iterator

from inferwatch.events.window import (
    CategoricalBlock,
    ClassificationBlock,
    FeatureBlock,
    WindowResult,
)
from pipeline.rules.detector import Part

_LATENCY = (
    "error_rate",
    "requests_per_s",
    "mean_ms",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "ttft_p95_ms",
)
_QUALITY = ("labelled", "label_coverage", "accuracy", "f1", "recall", "mae", "rmse", "bias")
TOP_CLASSES = 5


def levels_of(result: WindowResult, part: Part) -> dict[str, float]:
    """The window's levels by metric path, of what is judged in this part.

    Beside the paths of the contract there are shares: `prediction.top.CLASS` of the output and
    `quality.labels.CLASS` of the truth.
    """
    values = _quality(result) if part == "quality" else _final(result)
    return {path: float(value) for path, value in values if value is not None}


def _final(result: WindowResult) -> Iterator[tuple[str, float | None]]:
    yield "rows", result.rows
    yield "completeness", result.completeness
    if result.latency is not None:
        for key in _LATENCY:
            yield f"latency.{key}", getattr(result.latency, key)
    for name, sample in sorted((result.resources or {}).items()):
        yield f"resources.{name}.mean", sample.mean
    if result.prediction is not None:
        yield from _output(result.prediction)
    for name, block in sorted((result.features or {}).items()):
        distance = "psi" if isinstance(block, CategoricalBlock) else "ks"
        yield f"features.{name}.{distance}", getattr(block, distance)
        if block.missing:
            yield f"features.{name}.missing_rate", block.missing / max(1, result.rows)


def _output(block: FeatureBlock) -> Iterator[tuple[str, float | None]]:
    yield "prediction.entropy", block.entropy
    if isinstance(block, CategoricalBlock):
        for label, share in block.top[:TOP_CLASSES]:
            yield f"prediction.top.{label}", share
    else:
        yield "prediction.mean", block.mean
        yield "prediction.std", block.std


def _quality(result: WindowResult) -> Iterator[tuple[str, float | None]]:
    quality = result.quality
    if quality is None:
        return
    for key in _QUALITY:
        yield f"quality.{key}", getattr(quality, key, None)
    if isinstance(quality, ClassificationBlock) and quality.labelled:
        rows = {actual: sum(r.values()) for actual, r in quality.confusion.items()}
        for actual, count in sorted(rows.items(), key=lambda r: (-r[1], r[0]))[:TOP_CLASSES]:
            yield f"quality.labels.{actual}", count / quality.labelled
