"""Accuracy estimated without labels: how often the reference was right when it was as sure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inferwatch.events.reference import ClassCalibration
from inferwatch.events.window import ClassificationBlock, EstimatedBlock, QualityBlock
from pipeline.columns import Ints
from pipeline.estimate.confidence import BINS, ConfidenceCounter
from pipeline.estimate.isotonic import isotonic

FEWEST_LABELLED = 100
"""Labelled rows with scores that a reference needs."""

FEWEST_OF_CLASS = 100
"""Below these a class is looked at together with all others."""

LARGEST_MISFIT = 0.03
"""How far, on average and beyond chance, being right may lie off any function that rises with the
score."""

LARGEST_UNKNOWN = 0.2
"""Share of rows so sure, or so unsure, as no row of the reference."""

TOLERANCE = 0.02
"""Error, beyond what chance explains, with which labels refute the calibration."""

FEWEST_CHECKED = 100
LEAST_COVERAGE = 0.5
"""A window's labels measure the error when they are so many, and so many of the rows."""

Z = 1.959963984540054

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Curve:
    """How often a class is right, by bin of confidence, and the reference rows behind it."""

    right: Floats
    behind: Floats
    known: tuple[int, int]


def estimated_accuracy(
    counter: ConfidenceCounter,
    calibration: Mapping[str, ClassCalibration],
    quality: QualityBlock | None,
) -> EstimatedBlock | None:
    """The estimate of a window; None where rows have no scores or the reference no calibration.

    The mean, over all rows with a score, of how often the reference was right on rows of the same
    predicted class and confidence (made to rise with confidence). The 95 % interval holds the
    chance of the window's own rows and of the reference's. Where labels have come (half of the
    rows, at least 100), `error` is the estimate less the accuracy by labels.

    It is switched off, with a `reason` in place of numbers, where calibration cannot be trusted:
    few labelled rows, being right does not rise with the score, rows unlike the reference's, or
    labels that refute it.

    Source: the idea is CBPE of NannyML, "Confidence-based performance estimation", 2022.
    """
    rows = counter.by_class()
    total = sum(int(counts.sum()) for counts in rows.values())
    if not calibration or not total:
        return None
    labelled = sum(sum(part.rows) for part in calibration.values())
    if labelled < FEWEST_LABELLED:
        return _off(
            f"the reference has {labelled} labelled rows with scores, {FEWEST_LABELLED} are needed"
        )
    curves, misfit = _curves(calibration)
    if misfit > LARGEST_MISFIT:
        return _off(
            "in the reference, being right does not rise with the score "
            f"(off by {misfit:.3f} on average)"
        )
    unknown = sum(_unknown(counts, curves.get(name, curves[""])) for name, counts in rows.items())
    if unknown > LARGEST_UNKNOWN * total:
        return _off(f"{unknown / total:.0%} of the rows are as sure as no row of the reference")
    expected, variance = 0.0, 0.0
    for name, counts in rows.items():
        curve = curves.get(name, curves[""])
        expected += float(counts @ curve.right)
        spread = curve.right * (1 - curve.right)
        # The chance of these rows, and that of the reference's rows behind each step.
        variance += float(counts @ spread) + _of_reference(counts, curve)
    accuracy, deviation = expected / total, math.sqrt(variance) / total
    block = EstimatedBlock(
        accuracy=accuracy,
        low=max(0.0, accuracy - Z * deviation),
        high=min(1.0, accuracy + Z * deviation),
    )
    return with_error(block, quality)


def with_error(block: EstimatedBlock, quality: QualityBlock | None) -> EstimatedBlock:
    """The estimate beside the labels that have come."""
    if block.accuracy is None or block.low is None or block.high is None:
        return block
    if not isinstance(quality, ClassificationBlock) or quality.labelled < FEWEST_CHECKED:
        return block
    if (quality.label_coverage or 0.0) < LEAST_COVERAGE or quality.accuracy is None:
        return block
    error = block.accuracy - quality.accuracy
    deviation = (block.high - block.low) / (2 * Z)
    by_labels = ((quality.accuracy_high or 1.0) - (quality.accuracy_low or 0.0)) / (2 * Z)
    if abs(error) > Z * math.hypot(deviation, by_labels) + TOLERANCE:
        reason = f"labels refute the calibration: estimated {block.accuracy:.3f}, "
        return replace(_off(reason + f"by labels {quality.accuracy:.3f}"), error=error)
    return replace(block, error=error)


def _off(reason: str) -> EstimatedBlock:
    return EstimatedBlock(accuracy=None, low=None, high=None, reason=reason)


def _curves(calibration: Mapping[str, ClassCalibration]) -> tuple[dict[str, _Curve], float]:
    """The curve of each class with enough rows and of all (""); how far these do not fit."""
    tables = {name: _table(part) for name, part in calibration.items()}
    pooled = np.sum(list(tables.values()), axis=0)
    curves = {"": _curve(pooled)}
    labelled = float(pooled[0].sum())
    misfit = 0.0
    for name, table in tables.items():
        own = name if table[0].sum() >= FEWEST_OF_CLASS else ""
        if own:
            curves[own] = _curve(table)
            misfit += _misfit(table, curves[own])
    return curves, misfit / labelled


def _table(part: ClassCalibration) -> Ints:
    table = np.zeros((2, BINS), np.int64)
    places = np.array(part.bins, np.int64)
    table[0, places], table[1, places] = part.rows, part.right
    return table


def _curve(table: Ints) -> _Curve:
    used = np.flatnonzero(table[0])
    fit, behind = isotonic(table[1, used] / table[0, used], table[0, used].astype(np.float64))
    # A bin without a row is as the next one below it, or else as the first.
    place = np.maximum(used.searchsorted(np.arange(BINS), "right") - 1, 0)
    return _Curve(fit[place], behind[place], (int(used[0]), int(used[-1])))


def _misfit(table: Ints, curve: _Curve) -> float:
    """Rows times the distance of their share from the curve, less what chance makes of it."""
    used = np.flatnonzero(table[0])
    rows, fit = table[0, used], curve.right[used]
    off = np.abs(table[1, used] / rows - fit)
    chance = np.sqrt(2 / math.pi * fit * (1 - fit) / rows)
    return max(0.0, float(rows @ off - rows @ chance))


def _unknown(counts: Ints, curve: _Curve) -> int:
    first, last = curve.known
    return int(counts[: max(0, first - 1)].sum() + counts[last + 2 :].sum())


def _of_reference(counts: Ints, curve: _Curve) -> float:
    """Variance, in rows, by the reference's own chance: steps that rows share fall together."""
    levels, steps = np.unique(curve.right, return_inverse=True)
    on_step = np.bincount(steps, weights=counts, minlength=len(levels))
    behind = np.zeros(len(levels))
    behind[steps] = curve.behind
    return float((on_step**2 * levels * (1 - levels) / behind).sum())
