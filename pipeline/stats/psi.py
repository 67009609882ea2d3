"""The population stability index."""

from __future__ import annotations

import numpy as np

from pipeline.stats.packing import Ints

FLOOR = 1e-4
"""A share never counts as less, so that an empty bin does not make the index infinite."""


def psi(reference: Ints, counts: Ints) -> float | None:
    """`sum((q - p) ln(q / p))` over the bins, shares p and q floored at 1e-4.

    Guarantee: the textbook sum to 1e-9. 0.1 and 0.25 are conventions for "some" and "much"
    change, from credit scoring; with n rows an unchanged window has about (bins - 1)/n.
    Cost: 10 µs.

    >>> psi(np.array([50, 50]), np.array([50, 50]))
    0.0
    >>> round(psi(np.array([50, 50]), np.array([75, 25])), 6)
    0.274653
    >>> round(psi(np.array([50, 50]), np.array([100, 0])), 6)
    4.604318

    Source: S. Lewis, "An Introduction to Credit Scoring", 1994.
    """
    size, rows = np.add.reduce(counts), np.add.reduce(reference)
    if not size or not rows:
        return None
    p = np.maximum(reference / rows, FLOOR)
    q = np.maximum(counts / size, FLOOR)
    return float(np.add.reduce((q - p) * np.log(q / p))) + 0.0
