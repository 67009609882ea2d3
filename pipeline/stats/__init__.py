"""The statistics: what is counted of a window, and what the counts say.

Every counter is additive: `update` with a batch, `merge` with another of the same parameters,
`snapshot` to plain values and `restore` from them, `result` for the block of a window result.
Pure computing: no file, no network, no clock. One statistic a file.
"""

from pipeline.stats.categories import OTHER, category_order
from pipeline.stats.classification import ClassificationCounter
from pipeline.stats.column import ColumnCounter, Kind
from pipeline.stats.drift import DriftScores
from pipeline.stats.latency import LatencyCounter
from pipeline.stats.regression import RegressionCounter
from pipeline.stats.resources import ResourceCounter

__all__ = [
    "OTHER",
    "ClassificationCounter",
    "ColumnCounter",
    "DriftScores",
    "Kind",
    "LatencyCounter",
    "RegressionCounter",
    "ResourceCounter",
    "category_order",
]
