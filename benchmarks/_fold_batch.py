"""The yardstick of the fold: numpy and scipy over the raw rows of each window, at its end."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.spatial.distance
import scipy.stats
from numpy.typing import NDArray

from benchmarks._fold_input import CATEGORIES, CLASSES, WINDOW, Rows
from inferwatch.events.window import (
    CategoricalBlock,
    ClassificationBlock,
    LatencyBlock,
    NumericBlock,
)

Floats = NDArray[np.float64]

PERCENTS = [50, 90, 95, 99, 99.9]


class BatchJob:
    """What a job computes that holds all raw rows of a window.

    `every` false: mean, std, percentiles, KS and PSI, chi-square, accuracy: what such a job has at
    least. True: every number that a window result holds (all but the verdicts).
    """

    def __init__(self, sample: Rows, *, every: bool) -> None:
        self._sample = sample
        self._every = every
        self._numbers = [numbers.astype(np.float64) for numbers in sample.numbers]
        tenths = np.arange(0.1, 0.95, 0.1)
        self._edges = [np.quantile(numbers, tenths) for numbers in self._numbers]
        self._shares = [self._bins(i, numbers) for i, numbers in enumerate(self._numbers)]
        self._counts = [np.bincount(codes, minlength=len(CATEGORIES)) for codes in sample.codes]

    def _bins(self, i: int, numbers: Floats) -> Floats:
        shares: Floats = np.histogram(numbers, [-np.inf, *self._edges[i], np.inf])[0] / len(numbers)
        return shares

    def run(self, rows: Rows) -> list[dict[str, Any]]:
        """The numbers of each window."""
        return [
            self.window(rows, slice(first, min(first + WINDOW, rows.size)))
            for first in range(0, rows.size, WINDOW)
        ]

    def window(self, rows: Rows, part: slice) -> dict[str, Any]:
        """The numbers of one window."""
        result: dict[str, Any] = {}
        for i, numbers in enumerate(rows.numbers):
            result[f"n{i}"] = self._numeric(i, numbers[part].astype(np.float64))
        for i, codes in enumerate(rows.codes):
            result[f"c{i}"] = self._categorical(i, codes[part])
        latency = rows.latency[part]
        result["latency"] = {"percentiles": np.percentile(latency, PERCENTS, method="inverted_cdf")}
        right = rows.actual[part] == rows.predicted[part]
        result["quality"] = {"accuracy": float(np.mean(right))}
        if self._every:
            failed = np.count_nonzero(rows.failed[part])
            result["latency"] |= {"errors": failed, "mean": latency.mean(), "max": latency.max()}
            result["quality"] |= _by_class(rows.actual[part], rows.predicted[part])
        return result

    def _numeric(self, i: int, window: Floats) -> dict[str, Any]:
        sample = self._numbers[i]
        p, q = self._shares[i], self._bins(i, window)
        test = scipy.stats.ks_2samp(window, sample, method="asymp")
        result = {
            "mean": window.mean(),
            "std": window.std(),
            "percentiles": np.percentile(window, [5, 50, 95], method="inverted_cdf"),
            "ks": test.statistic,
            "psi": _psi(p, q),
        }
        if self._every:
            apart = scipy.stats.wasserstein_distance(window, sample) / sample.std()
            outside = (window < sample.min()) | (window > sample.max())
            result |= {
                "min": window.min(),
                "max": window.max(),
                "ks_pvalue": test.pvalue,
                "js": scipy.spatial.distance.jensenshannon(p, q, base=2),
                "wasserstein": apart,
                "out_of_range": np.count_nonzero(outside),
            }
        return result

    def _categorical(self, i: int, codes: NDArray[np.int32]) -> dict[str, Any]:
        counts = np.bincount(codes, minlength=len(CATEGORIES))
        table = np.stack([self._counts[i], counts])
        test = scipy.stats.chi2_contingency(table, correction=False)
        result = {"chi2": test.statistic}
        if self._every:
            p, q = table / table.sum(axis=1, keepdims=True)
            order = np.lexsort((CATEGORIES, -counts))[:10]
            result |= {
                "chi2_pvalue": test.pvalue,
                "psi": _psi(p, q),
                "js": scipy.spatial.distance.jensenshannon(p, q, base=2),
                "top": [(CATEGORIES[place], q[place]) for place in order],
            }
        return result


def _psi(p: Floats, q: Floats) -> float:
    p, q = np.maximum(p, 1e-4), np.maximum(q, 1e-4)
    return float(((q - p) * np.log(q / p)).sum())


def _by_class(actual: NDArray[np.int32], predicted: NDArray[np.int32]) -> dict[str, Any]:
    size = len(CLASSES)
    cells = np.bincount(actual * size + predicted, minlength=size * size).reshape(size, size)
    hits, support, answers = cells.diagonal(), cells.sum(axis=1), cells.sum(axis=0)
    return {
        "confusion": cells,
        "precision": (hits / answers).mean(),
        "recall": (hits / support).mean(),
        "f1": (2 * hits / (support + answers)).mean(),
    }


def check(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    """Both must say the same of the same rows: a fast wrong answer is no answer.

    Args:
        ours: the blocks of each window.
        theirs: every number of each window.
    """
    for mine, other in zip(ours, theirs, strict=True):
        for name, block in mine.items():
            _CHECKS[type(block)](block, other[name])


def _check_numeric(block: NumericBlock, other: dict[str, Any]) -> None:
    assert block.count == WINDOW and block.out_of_range == other["out_of_range"]
    assert (block.min, block.max) == (other["min"], other["max"])
    assert _near(block.mean, other["mean"], 1e-12) and _near(block.std, other["std"], 1e-9)
    assert block.ks is not None and -1e-12 <= other["ks"] - block.ks <= 1 / 256
    assert block.ks_pvalue is not None and block.ks_pvalue >= other["ks_pvalue"] * (1 - 1e-6)
    # numpy's quantiles are not quite the edges halfway between two values that the profile has.
    assert _near(block.psi, other["psi"], 0.02, 1e-3) and _near(block.js, other["js"], 0.02, 1e-3)
    assert _near(block.wasserstein, other["wasserstein"], 0.05, 0.02)


def _check_categorical(block: CategoricalBlock, other: dict[str, Any]) -> None:
    assert _near(block.chi2, other["chi2"], 1e-9)
    assert _near(block.chi2_pvalue, other["chi2_pvalue"], 1e-9)
    assert _near(block.psi, other["psi"], 1e-9) and _near(block.js, other["js"], 1e-6)
    assert list(block.top) == other["top"]


def _check_latency(block: LatencyBlock, other: dict[str, Any]) -> None:
    assert (block.errors, block.max_ms) == (other["errors"], other["max"])
    assert _near(block.mean_ms, other["mean"], 1e-12)
    mine = (block.p50_ms, block.p90_ms, block.p95_ms, block.p99_ms, block.p999_ms)
    assert all(map(_near, mine, other["percentiles"], [0.01] * len(mine)))


def _check_quality(block: ClassificationBlock, other: dict[str, Any]) -> None:
    assert block.accuracy == other["accuracy"]
    cells = [[block.confusion[a].get(p, 0) for p in CLASSES] for a in CLASSES]
    assert cells == other["confusion"].tolist()
    for name in ("precision", "recall", "f1"):
        assert _near(getattr(block, name), other[name], 1e-12)


_CHECKS: dict[type, Any] = {
    NumericBlock: _check_numeric,
    CategoricalBlock: _check_categorical,
    LatencyBlock: _check_latency,
    ClassificationBlock: _check_quality,
}


def _near(mine: float | None, other: float, relative: float, absolute: float = 0.0) -> bool:
    return mine is not None and abs(mine - other) <= max(relative * abs(other), absolute)
