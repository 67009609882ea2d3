"""How fast do the counters count, beside a numpy/scipy batch over the same rows?

    python -m benchmarks.fold_core [--rows 1000000]

A million seeded events of 16 numeric and 4 categorical features, latency, labels of three classes;
80 windows of 12,500 rows. The counters get them in batches of 1,024 rows (and of a whole window);
the yardstick holds all raw rows of a window and calls numpy and scipy at its end, which is what a
job that runs once a window does. CPU seconds of one process; both give their numbers, which are
compared before any figure is printed.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from inferwatch.events.reference import ReferenceProfile
from inferwatch.events.window import CategoricalBlock, NumericBlock
from pipeline.columns import Column
from pipeline.reference.builder import profile_of
from pipeline.stats import ClassificationCounter, ColumnCounter, LatencyCounter

WINDOW = 12_500
CLASSES = ("a", "b", "c")
CATEGORIES = tuple(f"v{i}" for i in range(20))


class Rows:
    """Seeded events as columns."""

    def __init__(self, size: int, dtype: type[np.floating[Any]]) -> None:
        rng = np.random.default_rng(1)
        self.size = size
        self.numbers: list[NDArray[Any]] = []
        for i in range(16):
            draw = rng.normal(size=size) if i % 2 else rng.lognormal(size=size)
            self.numbers.append((draw + i).astype(dtype))
        weights = np.arange(20, 0, -1) / 210
        self.codes = [rng.choice(20, size, p=weights).astype(np.int32) for _ in range(4)]
        self.latency = rng.lognormal(3, 0.7, size)
        self.failed = rng.random(size) < 0.01
        self.none = np.full(size, np.nan)
        self.actual = rng.integers(0, 3, size, dtype=np.int32)
        self.predicted = np.where(
            rng.random(size) < 0.9, self.actual, rng.integers(0, 3, size, np.int32)
        )

    def columns(self, start: int, stop: int) -> dict[str, Column]:
        rows = slice(start, stop)
        columns = {
            f"n{i}": Column(stop - start, numbers=numbers[rows])
            for i, numbers in enumerate(self.numbers)
        }
        for i, codes in enumerate(self.codes):
            columns[f"c{i}"] = Column(stop - start, codes=codes[rows], texts=CATEGORIES)
        return columns

    def batch(self, start: int, stop: int) -> Batch:
        part = slice(start, stop)
        actual, predicted = (
            Column(stop - start, codes=codes[part], texts=CLASSES)
            for codes in (self.actual, self.predicted)
        )
        return Batch(
            self.columns(start, stop),
            self.latency[part],
            self.failed[part],
            self.none[part],
            actual,
            predicted,
        )


class Window:
    """The counters of one window."""

    def __init__(self, reference: ReferenceProfile) -> None:
        self.columns = {
            name: ColumnCounter(None, column, 1000) for name, column in reference.features.items()
        }
        self.latency = LatencyCounter()
        self.quality = ClassificationCounter(CLASSES, None)

    def results(self) -> dict[str, Any]:
        return {
            **{name: counter.result() for name, counter in self.columns.items()},
            "latency": self.latency.result(60_000),
            "quality": self.quality.result(WINDOW),
        }


@dataclass(frozen=True)
class Batch:
    """What decoding yields; that is measured elsewhere."""

    columns: dict[str, Column]
    latency: NDArray[Any]
    failed: NDArray[Any]
    none: NDArray[Any]
    actual: Column
    predicted: Column


def batches_of(rows: Rows, size: int) -> list[list[Batch]]:
    """The batches of each window."""
    return [
        [
            rows.batch(start, min(start + size, first + WINDOW, rows.size))
            for start in range(first, min(first + WINDOW, rows.size), size)
        ]
        for first in range(0, rows.size, WINDOW)
    ]


def fold(batches: list[list[Batch]], reference: ReferenceProfile) -> list[Window]:
    """Count all rows, window by window, and write down what would be stored."""
    windows = []
    for of_window in batches:
        window = Window(reference)
        for batch in of_window:
            for name, column in batch.columns.items():
                window.columns[name].update(column)
            window.latency.update(batch.latency, batch.failed, batch.none, batch.none)
            window.quality.update(batch.actual, batch.predicted, {}, batch.none)
        for counter in (*window.columns.values(), window.latency, window.quality):
            counter.snapshot()
        windows.append(window)
    return windows


def batch_job(rows: Rows, sample: Rows) -> list[dict[str, Any]]:
    """The same numbers by numpy and scipy over the raw rows of each window."""
    results = []
    edges = [np.quantile(numbers, np.arange(0.1, 0.95, 0.1)) for numbers in sample.numbers]
    shares = [
        np.histogram(numbers, [-np.inf, *inner, np.inf])[0] / sample.size
        for numbers, inner in zip(sample.numbers, edges, strict=True)
    ]
    for first in range(0, rows.size, WINDOW):
        part = slice(first, min(first + WINDOW, rows.size))
        result: dict[str, Any] = {}
        for i, numbers in enumerate(rows.numbers):
            window = numbers[part].astype(np.float64)
            p = np.maximum(shares[i], 1e-4)
            q = np.histogram(window, [-np.inf, *edges[i], np.inf])[0] / len(window)
            q = np.maximum(q, 1e-4)
            result[f"n{i}"] = {
                "mean": window.mean(),
                "std": window.std(),
                "percentiles": np.percentile(window, [5, 50, 95]),
                "ks": scipy.stats.ks_2samp(window, sample.numbers[i], method="asymp").statistic,
                "psi": float(((q - p) * np.log(q / p)).sum()),
            }
        for i, codes in enumerate(rows.codes):
            table = np.stack(
                [np.bincount(sample.codes[i], minlength=20), np.bincount(codes[part], minlength=20)]
            )
            result[f"c{i}"] = scipy.stats.chi2_contingency(table, correction=False).statistic
        result["latency"] = np.percentile(rows.latency[part], [50, 90, 95, 99, 99.9])
        result["quality"] = float(np.mean(rows.actual[part] == rows.predicted[part]))
        results.append(result)
    return results


def check(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    """Both must have counted the same rows: a fast wrong answer is no answer."""
    for mine, other in zip(ours, theirs, strict=True):
        for name, block in mine.items():
            if isinstance(block, NumericBlock):
                assert abs((block.mean or 0) - other[name]["mean"]) < 1e-9
                assert abs((block.std or 0) - other[name]["std"]) < 1e-9
                assert abs((block.ks or 0) - other[name]["ks"]) <= 1 / 256
            elif isinstance(block, CategoricalBlock):
                assert abs((block.chi2 or 0) - other[name]) < 1e-6
        assert abs(mine["latency"].p50_ms / other["latency"][0] - 1) < 0.01
        if mine["quality"] is not None:
            assert mine["quality"].accuracy == other["quality"]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of the best of four runs, and the answer: others may share the core."""
    best = float("inf")
    for _ in range(4):
        start = time.process_time()
        answer = work()
        best = min(best, time.process_time() - start)
    return best, answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    print(f"{rows:,} rows of 16 numeric and 4 categorical features, {-(-rows // WINDOW)} windows")
    print("rows a CPU-second (times the numpy/scipy batch)")
    # As a worker does once it has started: what was imported need not be looked through again.
    gc.collect()
    gc.freeze()
    for dtype in (np.float64, np.float32):
        events, sample = Rows(rows, dtype), Rows(50_000, dtype)
        reference = profile_of(sample.columns(0, sample.size))
        yardstick, theirs = timed(partial(batch_job, events, sample))
        print(f"{dtype.__name__:8} numpy/scipy batch {rows / yardstick:26,.0f}")
        for size in (256, 1_024, WINDOW):
            counting, windows = timed(partial(fold, batches_of(events, size), reference))
            finishing, ours = timed(lambda: [window.results() for window in windows])  # noqa: B023
            check(ours, theirs)
            both = counting + finishing
            print(
                f"{dtype.__name__:8} batches of {size:6,}: counting {rows / counting:13,.0f} "
                f"({yardstick / counting:.0f} x), with results {rows / both:13,.0f} "
                f"({yardstick / both:.0f} x)"
            )


if __name__ == "__main__":
    main()
