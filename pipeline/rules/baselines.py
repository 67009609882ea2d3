"""What a value is compared with: the reference, the window before, a rolling mean, a version."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from inferwatch.events.reference import (
    CategoricalReference,
    ColumnReference,
    NumericReference,
    ReferenceProfile,
)
from inferwatch.settings.conditions import Baseline
from inferwatch.settings.metric_path import DERIVED_RATES, parse_metric
from pipeline.rules.cusum import Run
from pipeline.rules.indicator import IndicatorCounts
from pipeline.rules.scatter import Scatter
from pipeline.rules.seasons import Season
from pipeline.rules.usual import REMEMBERED
from pipeline.rules.watched import WatchedModel

ROLLING_BUCKETS = 24
"""A rolling mean forgets in steps of a 24th of its span."""
MIN_ROLLING_WINDOWS = 5
MAX_SEASONS = 64
"""Metrics of one rule, version and segment whose hours are remembered: 400 kB in all."""
FIRST = 60
"""Windows that are remembered for good: few, so that what creeps from early on is not taken in."""
COMPARED_WINDOWS = 60
"""A version may be judged so many windows later than the one it is compared with."""
DISTANCES = frozenset({"ks", "psi", "js", "wasserstein", "chi2"})

OfWindow = tuple[int, float, int | None]
"""End of a window, the value, and of how many rows it was made."""

Lookup = Callable[[str], float | None]
"""Baseline of a full metric path; None where there is none."""


def reference_value(
    metric: str, reference: ReferenceProfile | None, model: WatchedModel
) -> float | None:
    """What the reference says the metric is; of quality, what the config expects comes first.

    A distance from the reference is 0 there, and so are the rates of what it has none of.
    """
    path = parse_metric(metric)
    if path.block == "quality":
        known = model.expect.get(path.key)
        if known is None and reference is not None:
            known = reference.performance.get(path.key)
        return known
    if path.text == "completeness":
        return 1.0
    if reference is None:
        return None
    if path.block == "prediction":
        return None if reference.prediction is None else _column(reference.prediction, path.key)
    columns = {"features": reference.features, "scores": reference.scores}.get(path.block, {})
    column = columns.get(path.name or "")
    return None if column is None else _column(column, path.key)


def entropy_bits(column: ColumnReference) -> float:
    """Entropy of the reference's own shares, over the PSI bins where it is numeric."""
    numeric = isinstance(column, NumericReference)
    shares = column.psi_shares if numeric else tuple(column.shares.values())  # type: ignore[union-attr]
    return -sum(s * math.log2(s) for s in shares if s > 0)


def _column(column: ColumnReference, key: str) -> float | None:
    if key in DISTANCES or key in ("out_of_range_rate", "unseen_rate", "type_mismatch_rate"):
        return 0.0
    if key == "missing_rate":
        return column.missing / column.rows if column.rows else None
    if key in DERIVED_RATES:
        return 0.0
    if key == "entropy":
        return entropy_bits(column)
    if isinstance(column, CategoricalReference):
        return None
    value = getattr(column, key, None) if key in _NUMERIC_KEYS else None
    return None if value is None else float(value)


_NUMERIC_KEYS = frozenset({"mean", "std", "min", "max", "p05", "p50", "p95"})


@dataclass(slots=True)
class Rolling:
    """A mean over a span of event time, in buckets.

    Bounded: 24 buckets whatever the span, so the mean covers the span to within a 24th of it.
    """

    span: int
    buckets: dict[int, list[float]] = field(default_factory=dict)

    def add(self, end: int, value: float) -> None:
        """Take the value of the window that ended then."""
        width = max(1, self.span // ROLLING_BUCKETS)
        bucket = self.buckets.setdefault(end // width, [0.0, 0.0])
        bucket[0] += value
        bucket[1] += 1
        oldest = (end - self.span) // width
        self.buckets = {at: b for at, b in self.buckets.items() if at > oldest}

    def mean(self) -> float | None:
        """The mean; None before there are five windows."""
        count = sum(b[1] for b in self.buckets.values())
        if count < MIN_ROLLING_WINDOWS:
            return None
        return math.fsum(b[0] for b in self.buckets.values()) / count


@dataclass(slots=True)
class Past:
    """The earlier values of one detector's metrics on one version and segment.

    A value is remembered after its window was judged, so no window is its own baseline.

    Attributes:
        previous: of the last window; rolling: means over a span; values: of the last windows.
        first: of the first windows, which stay.
        runs: sums over windows, by key.
        scatters: of standard scores in good windows, by key.
        windows: the last values by window, which other versions are compared with.
        compared: by older version, the end of the last window that was compared with its own.
    """

    previous: dict[str, float] = field(default_factory=dict)
    rolling: dict[str, Rolling] = field(default_factory=dict)
    values: dict[str, list[float]] = field(default_factory=dict)
    seasons: dict[str, Season] = field(default_factory=dict)
    indicator: IndicatorCounts | None = None
    first: dict[str, list[float]] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    scatters: dict[str, Scatter] = field(default_factory=dict)
    windows: dict[str, list[OfWindow]] = field(default_factory=dict)
    compared: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything is remembered."""
        learned = self.previous or self.values or self.first or self.runs or self.scatters
        return bool(learned or self.indicator or self.windows)

    def look_up(self, metric: str, baseline: Baseline) -> float | None:
        """The baseline of the metric, for `previous` and `rolling`."""
        if baseline.kind == "previous":
            return self.previous.get(metric)
        rolling = self.rolling.get(metric)
        return None if rolling is None else rolling.mean()

    def of_window(self, metric: str, end: int) -> tuple[float, int | None] | None:
        """Value and rows of the window that ended then; None where none is known."""
        for told_end, value, rows in self.windows.get(metric, ()):
            if told_end == end:
                return value, rows
        return None

    def remember(
        self, metric: str, value: float, end: int, baseline: Baseline, rows: int | None = None
    ) -> None:
        """Take the value of the window that was just judged."""
        self.previous[metric] = value
        if baseline.kind == "version":
            self.keep_window(metric, (end, value, rows))
        if baseline.kind == "rolling":
            self.rolling.setdefault(metric, Rolling(baseline.span)).add(end, value)

    def keep_window(self, metric: str, of_window: OfWindow) -> None:
        """Remember the value of a window by its end, for the versions beside it."""
        self.windows[metric] = [*self.windows.get(metric, ()), of_window][-COMPARED_WINDOWS:]

    def keep(self, metric: str, value: float) -> None:
        """Remember the value itself, of the last windows."""
        self.values[metric] = [*self.values.get(metric, ()), value][-REMEMBERED:]

    def keep_season(self, metric: str, value: float, end: int) -> None:
        """Remember the value as one of its hour, of so many metrics as there is room for."""
        if metric in self.seasons or len(self.seasons) < MAX_SEASONS:
            self.seasons.setdefault(metric, Season()).add(end, value)

    def keep_first(self, metric: str, value: float) -> None:
        """Remember the value for good, if it is among the first."""
        kept = self.first.setdefault(metric, [])
        if len(kept) < FIRST:
            kept.append(value)

    def as_plain(self) -> list[Any]:
        """For a snapshot."""
        rolling = {
            metric: [r.span, [[at, *bucket] for at, bucket in r.buckets.items()]]
            for metric, r in self.rolling.items()
        }
        windows = {m: [list(one) for one in told] for m, told in self.windows.items()}
        return [
            dict(self.previous),
            rolling,
            {m: list(v) for m, v in self.values.items()},
            None if self.indicator is None else self.indicator.as_plain(),
            {m: season.as_plain() for m, season in self.seasons.items()},
            {m: list(v) for m, v in self.first.items()},
            {key: run.as_plain() for key, run in self.runs.items()},
            {key: scatter.as_plain() for key, scatter in self.scatters.items()},
            windows,
            dict(self.compared),
        ]

    @classmethod
    def from_plain(cls, plain: list[Any]) -> Past:
        """What `as_plain` wrote; older formats knew less."""
        unknown: list[Any] = [{}, {}, {}, None, {}, {}, {}, {}, {}, {}]
        whole = [*plain, *unknown[len(plain) :]]
        previous, rolling, values, indicator, seasons, first, runs, scatters = whole[:8]
        windows, compared = whole[8:]
        return cls(
            dict(previous),
            {
                m: Rolling(span, {at: [total, count] for at, total, count in buckets})
                for m, (span, buckets) in rolling.items()
            },
            {m: list(v) for m, v in values.items()},
            {m: Season.from_plain(season) for m, season in seasons.items()},
            None if indicator is None else IndicatorCounts.from_plain(indicator),
            {m: list(v) for m, v in first.items()},
            {key: Run.from_plain(run) for key, run in runs.items()},
            {key: Scatter(*scatter) for key, scatter in scatters.items()},
            {m: [(end, value, rows) for end, value, rows in told] for m, told in windows.items()},
            dict(compared),
        )
