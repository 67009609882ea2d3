"""How fast do the counters count, beside numpy/scipy batches over the same rows?

    python -m benchmarks.fold_core [--rows 1000000] [--rounds 5]

A million seeded events of 16 numeric and 4 categorical features, latency, labels of three classes;
80 windows of 12,500 rows. The counters get them in batches of 1,024 rows (256; a whole window), as
decoding yields them, and gather what they need to sort. *Counting* ends with what is stored of a
window; *and results* works out every number of it as well.

The yardsticks hold all raw rows of a window and call numpy and scipy at its end, as a job does that
runs once a window: *lean* computes mean, std, percentiles, KS, PSI, chi-square, accuracy; *whole*
every number that our results hold, and those are compared with them before any figure is printed.

CPU seconds of one process. Others may share the core, so each round measures all of them one after
the other; the figures are the best of the rounds.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks._fold_batch import BatchJob, check
from benchmarks._fold_input import CLASSES, WINDOW, Batch, Rows, batches_of
from inferwatch.events.reference import ReferenceProfile
from pipeline.reference.builder import profile_of
from pipeline.stats import ClassificationCounter, ColumnCounter, LatencyCounter

SIZES = (256, 1_024, WINDOW)


class Window:
    """The counters of one window."""

    def __init__(self, reference: ReferenceProfile) -> None:
        self.columns = {
            name: ColumnCounter(None, column, 1000) for name, column in reference.features.items()
        }
        self.latency = LatencyCounter()
        self.quality = ClassificationCounter(CLASSES, None)

    def snapshot(self) -> list[Any]:
        columns = [counter.snapshot() for counter in self.columns.values()]
        return [columns, self.latency.snapshot(), self.quality.snapshot()]

    def results(self) -> dict[str, Any]:
        return {
            **{name: counter.result() for name, counter in self.columns.items()},
            "latency": self.latency.result(60_000),
            "quality": self.quality.result(WINDOW),
        }


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
        window.snapshot()
        windows.append(window)
    return windows


class Stopwatch:
    """The least CPU seconds that each of some works took."""

    def __init__(self) -> None:
        self.best: dict[str, float] = {}

    def time(self, name: str, work: Callable[[], Any]) -> Any:
        """Do the work once, and give its answer."""
        start = time.process_time()
        answer = work()
        seconds = time.process_time() - start
        self.best[name] = min(seconds, self.best.get(name, seconds))
        return answer


def measure(rows: int, rounds: int, dtype: type[np.floating[Any]]) -> Stopwatch:
    """All works on the same rows, compared with one another in each round."""
    events, sample = Rows(rows, dtype, seed=1), Rows(50_000, dtype, seed=2)
    reference = profile_of(sample.columns(0, sample.size))
    batches = {size: batches_of(events, size) for size in SIZES}
    watch = Stopwatch()
    # As a worker does once it has started: what was imported need not be looked through again.
    gc.collect()
    gc.freeze()
    for turn in range(rounds):
        if turn < 2:
            # It takes as long as all others together.
            whole = watch.time("whole", lambda: BatchJob(sample, every=True).run(events))
        watch.time("lean", lambda: BatchJob(sample, every=False).run(events))
        for size in SIZES:
            counted = watch.time(f"{size}", lambda: fold(batches[size], reference))  # noqa: B023
            ours = watch.time(
                f"{size} results",
                lambda: [window.results() for window in counted],  # noqa: B023
            )
            check(ours, whole)
    return watch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    # Whole windows only: so that each holds the same number of rows.
    rows = arguments.rows // WINDOW * WINDOW
    print(f"{rows:,} rows of 16 numeric and 4 categorical features, {rows // WINDOW} windows")
    print("rows a CPU-second (times as many as the lean, the whole numpy/scipy batch)")
    for dtype in (np.float64, np.float32):
        best = measure(rows, arguments.rounds, dtype).best
        lean, whole = best["lean"], best["whole"]
        print(f"{dtype.__name__}: batch, lean {rows / lean:,.0f}, whole {rows / whole:,.0f}")
        for size in SIZES:
            counting = best[f"{size}"]
            both = counting + best[f"{size} results"]
            print(
                f"{dtype.__name__}: batches of {size:6,}: "
                f"counting {rows / counting:9,.0f} ({lean / counting:4.1f} x lean), "
                f"and results {rows / both:9,.0f} ({lean / both:4.1f} x lean, "
                f"{whole / both:4.1f} x whole)"
            )


if __name__ == "__main__":
    main()
