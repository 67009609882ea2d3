"""Fewer points than windows, and never a spike less: of the windows in a bucket the worst counts.

Worst is the least for what should be high (accuracy, completeness), the most for what should be low
(latency, drift, errors), and the mean for what is neither (rows, shares, means).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

_LEAST = frozenset(
    {"accuracy", "accuracy_low", "low", "precision", "recall", "f1", "roc_auc", "r2"}
    | {"completeness", "label_coverage"}
)
_MEAN = frozenset(
    {"rows", "count", "labelled", "requests_per_s", "tokens_per_s", "mean_ms", "entropy", "bias"}
)

Combine = Callable[[Iterable[float]], float]


def aggregation(metric: str) -> str:
    """How the windows of a bucket become one point: `min`, `max` or `mean`.

    >>> aggregation("quality.accuracy"), aggregation("latency.p99_ms"), aggregation("rows")
    ('min', 'max', 'mean')
    >>> aggregation("prediction.share.min")
    'mean'
    """
    if metric.startswith("prediction.share."):
        return "mean"
    last = metric.rpartition(".")[2]
    if metric.startswith(("prediction.", "scores.")) and last in ("mean", "p05", "p50", "p95"):
        return "mean"
    return "min" if last in _LEAST else "mean" if last in _MEAN else "max"


_COMBINE: dict[str, Combine] = {"min": min, "max": max, "mean": fmean}


@dataclass(frozen=True, slots=True)
class Grid:
    """Buckets of equal width that begin at multiples of it.

    Attributes:
        start: of the first bucket, milliseconds since the epoch.
        step: width of a bucket in milliseconds, a multiple of the window's slide.
        count: how many.
    """

    start: int
    step: int
    count: int

    @classmethod
    def over(cls, first: int, last: int, slide: int, points: int) -> Grid:
        """The finest grid from `first` to `last` (window starts) with at most `points` buckets.

        >>> Grid.over(0, 599_000, 1_000, 300)
        Grid(start=0, step=2000, count=300)
        """
        slots = (last - first) // slide + 1
        step = slide * max(1, math.ceil(slots / points))
        start = first // step * step
        count = (last - start) // step + 1
        if count > points:  # the first bucket begins before the first window
            step += slide
            start = first // step * step
            count = (last - start) // step + 1
        return cls(start, step, count)

    @property
    def times(self) -> list[int]:
        """The starts of all buckets."""
        return [self.start + i * self.step for i in range(self.count)]


def downsample(
    grid: Grid, metric: str, starts: Sequence[int], values: Sequence[float]
) -> list[float | None]:
    """One value a bucket, None where no window has one; NaN among `values` is absent.

    >>> downsample(Grid(0, 20, 2), "latency.p95_ms", [0, 10, 20], [1.0, 9.0, 2.0])
    [9.0, 2.0]
    """
    buckets: list[list[float]] = [[] for _ in range(grid.count)]
    for start, value in zip(starts, values, strict=True):
        if value == value and grid.start <= start < grid.start + grid.count * grid.step:
            buckets[(start - grid.start) // grid.step].append(value)
    combine = _COMBINE[aggregation(metric)]
    return [combine(bucket) if bucket else None for bucket in buckets]
