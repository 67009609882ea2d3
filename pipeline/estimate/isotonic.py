"""The rising step function nearest to noisy shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def isotonic(shares: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """The weighted least-squares fit that never falls, and the weight behind each of its values.

    >>> fit, behind = isotonic(np.array([0.1, 0.6, 0.4, 0.9]), np.array([1.0, 1.0, 3.0, 2.0]))
    >>> fit.round(3).tolist(), behind.tolist()
    ([0.1, 0.45, 0.45, 0.9], [1.0, 4.0, 4.0, 2.0])

    Source: M. Ayer et al., "An empirical distribution function for sampling with incomplete
    information", 1955 (pool adjacent violators).
    """
    blocks: list[tuple[float, float, int]] = []
    for share, weight in zip(shares.tolist(), weights.tolist(), strict=True):
        level, mass, size = share, weight, 1
        while blocks and blocks[-1][0] >= level:
            before, more, others = blocks.pop()
            level = (before * more + level * mass) / (more + mass)
            mass, size = mass + more, size + others
        blocks.append((level, mass, size))
    sizes = [size for _, _, size in blocks]
    fit = np.repeat([level for level, _, _ in blocks], sizes)
    return fit, np.repeat([mass for _, mass, _ in blocks], sizes)
