"""Resource samples: mean and maximum of each metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from inferwatch.events.window import ResourceBlock
from pipeline.stats.moments import Moments


class ResourceCounter:
    """Mean and maximum a metric; samples that lack a metric say nothing about it.

    Guarantee: the mean is exact to the last bit in any order. Cost: 3 µs a metric and batch;
    40 bytes a metric.

    >>> counter = ResourceCounter()
    >>> counter.update({"cpu_percent": np.array([50.0, np.nan, 70.0])})
    >>> counter.result()
    {'cpu_percent': ResourceBlock(mean=60.0, max=70.0)}
    """

    __slots__ = ("_metrics",)

    def __init__(self) -> None:
        """No sample yet."""
        self._metrics: dict[str, Moments] = {}

    def update(self, metrics: Mapping[str, NDArray[np.float64]]) -> None:
        """Take in samples by metric, NaN where one is absent."""
        for name, values in metrics.items():
            here = values[np.isfinite(values)]
            if len(here):
                self._metrics.setdefault(name, Moments()).update_sorted(np.sort(here))

    def merge(self, other: ResourceCounter) -> None:
        """Take in all samples of another counter."""
        for name, moments in other._metrics.items():
            self._metrics.setdefault(name, Moments()).merge(moments)

    def snapshot(self) -> dict[str, list[Any]]:
        """Plain values."""
        return {name: self._metrics[name].snapshot() for name in sorted(self._metrics)}

    @classmethod
    def restore(cls, plain: Mapping[str, list[Any]]) -> Self:
        """The counter that `snapshot` wrote."""
        restored = cls()
        restored._metrics = {name: Moments.restore(moments) for name, moments in plain.items()}
        return restored

    def result(self) -> Mapping[str, ResourceBlock] | None:
        """The block of each metric that has a sample, by name; None without any."""
        blocks = {}
        for name in sorted(self._metrics):
            mean = self._metrics[name].mean()
            if mean is not None:
                blocks[name] = ResourceBlock(mean=mean + 0.0, max=self._metrics[name].max + 0.0)
        return blocks or None
