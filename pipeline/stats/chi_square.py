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
    here = (reference + counts) > 0
    observed = np.stack([reference[here], counts[here]]).astype(np.float64)
    rows = observed.sum(axis=1)
    if not rows.all():
        return None
    columns = observed.sum(axis=0)
    if len(columns) == 1:
        return 0.0, 1.0
    expected = np.outer(rows, columns) / rows.sum()
    statistic = float(((observed - expected) ** 2 / expected).sum())
    return statistic, float(chdtrc(len(columns) - 1, statistic))
