"""The chi-square test of two samples over categories."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc

from pipeline.stats.packing import Ints


def chi_square(reference: Ints, counts: Ints) -> tuple[float, float] | None:
    """The statistic and its p-value, for two rows of counts; both rows are samples.

    Guarantee: `scipy.stats.chi2_contingency(correction=False)`, empty columns dropped; (0, 1)
    when one category is left. None when a row is empty. Cost: 10 µs.

    >>> chi_square(np.array([10, 10]), np.array([10, 10]))
    (0.0, 1.0)
    >>> [round(x, 6) for x in chi_square(np.array([20, 10, 0]), np.array([10, 20, 0]))]
    [6.666667, 0.009823]
    """
    apart = chi_square_apart(reference, counts)
    if apart is None:
        return None
    statistic, degrees = apart
    return statistic, float(chdtrc(degrees, statistic)) if degrees else 1.0


def chi_square_apart(reference: Ints, counts: Ints) -> tuple[float, int] | None:
    """The statistic and its degrees of freedom; None when a row is empty. Cost: 6 µs.

    With rows of n and m counts, `sum((a m - b n)² / (a + b)) / (n m)`: what the sum over both
    rows of (observed - expected)² / expected comes to, and exactly 0 for equal shares.

    >>> chi_square_apart(np.array([10, 20]), np.array([20, 40]))
    (0.0, 1)
    """
    rows, size = float(np.add.reduce(reference)), float(np.add.reduce(counts))
    if not rows or not size:
        return None
    columns = reference + counts
    apart = reference * size - counts * rows
    # An empty column lies 0 apart.
    statistic = np.add.reduce(apart * apart / np.maximum(columns, 1)) / (rows * size)
    return float(statistic), int(np.count_nonzero(columns)) - 1
