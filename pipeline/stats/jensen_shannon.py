"""The Jensen-Shannon distance."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import rel_entr

from pipeline.stats.packing import Ints


def jensen_shannon(reference: Ints, counts: Ints) -> float | None:
    """The root of the mean divergence of two shares from their middle, base 2: 0 to 1.

    Guarantee: `scipy.spatial.distance.jensenshannon(p, q, base=2)` over the same bins.
    Cost: 10 µs.

    >>> jensen_shannon(np.array([1, 1]), np.array([5, 5]))
    0.0
    >>> jensen_shannon(np.array([1, 0]), np.array([0, 1]))
    1.0

    Source: D. Endres, J. Schindelin, "A new metric for probability distributions", 2003.
    """
    size, rows = np.add.reduce(counts), np.add.reduce(reference)
    if not size or not rows:
        return None
    p, q = reference / rows, counts / size
    middle = (p + q) / 2
    apart = rel_entr(p, middle) + rel_entr(q, middle)
    divergence = float(np.add.reduce(apart)) / 2 / math.log(2)
    return math.sqrt(max(divergence, 0.0))
