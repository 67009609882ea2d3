"""The chance of a Kolmogorov-Smirnov distance, fast for large samples."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammaln
from scipy.stats import kstwo

_POINTS = 1_000
_SMALL = 140
_LARGE = 5_000


def ks_tail(distance: float, size: int) -> float:
    """P(D >= distance) for one sample of this size: `scipy.stats.kstwo.sf(distance, size)`.

    scipy adds up all `size` terms of Smirnov's sum (40 ms for 50,000 rows) or raises a matrix to
    that power (20 ms). Both are smooth in the rows, so a thousand points give the sum.

    Guarantee: within 1e-9 of scipy's value, relative in the tail; 1e-6 in the middle below 200
    rows. Cost: 10 to 40 µs; up to 200 µs below 140 rows.

    >>> round(ks_tail(0.02, 10_000), 12), round(ks_tail(0.01, 10_000), 6)
    (0.000661684864, 0.268219)

    Sources: N. Smirnov, 1944; W. Pelz, I. Good, "Approximating the lower tail-areas of the
    Kolmogorov-Smirnov one-sample statistic", 1976; R. Simard, P. L'Ecuyer, "Computing the
    two-sided Kolmogorov-Smirnov distribution", 2011.
    """
    scaled = size * distance * distance
    if size <= _SMALL or distance >= 0.5 or size * distance <= 1:
        return float(kstwo.sf(distance, size))
    if scaled >= 370:
        return 0.0
    if scaled >= 2.2:
        return min(2 * _smirnov(distance, size), 1.0)
    if size <= _LARGE and size * distance**1.5 <= 1.4:
        return float(kstwo.sf(distance, size))
    return min(max(1 - _pelz_good(distance, size), 0.0), 1.0)


def _smirnov(distance: float, size: int) -> float:
    """`x sum_j C(n, j) (x + j/n)^(j-1) (1 - x - j/n)^(n-j)` by the midpoint rule over j."""
    step = size * (1 - distance) / _POINTS
    j = (np.arange(_POINTS) + 0.5) * step
    level = distance + j / size
    logs = (j - 1) * np.log(level) + (size - j) * np.log1p(-level)
    logs += math.lgamma(size + 1) - gammaln(j + 1) - gammaln(size - j + 1)
    return distance * step * float(np.exp(logs).sum())


def _pelz_good(distance: float, size: int) -> float:
    """P(D <= distance): Kolmogorov's series and its corrections up to n^(-3/2)."""
    square = size * distance * distance
    z = math.sqrt(square)
    pi2 = math.pi**2
    zero = one = two = three = more_two = more_three = 0.0
    for k in range(1, math.ceil(16 * z / math.pi) + 1):
        m2 = (2 * k - 1) ** 2
        weight = math.exp(-pi2 * m2 / (8 * square))
        zero += weight
        one += weight * (pi2 / 4 * m2 - square)
        two += weight * (
            6 * square**3
            + 2 * square**2
            + pi2 / 4 * (2 * square**2 - 5 * square) * m2
            + pi2**2 / 16 * (1 - 2 * square) * m2**2
        )
        three += weight * (
            -30 * square**3
            - 90 * square**4
            + pi2 / 4 * (135 * square**2 - 96 * square**3) * m2
            + pi2**2 / 16 * (212 * square**2 - 60 * square) * m2**2
            + pi2**3 / 64 * (5 - 30 * square) * m2**3
        )
        even = math.exp(-pi2 * k * k / (2 * square)) * k * k
        more_two += even
        more_three += even * (3 * square - pi2 * k * k)
    root = math.sqrt(size)
    total = zero / z
    total += one / (6 * z**4) / root
    total += (two / (72 * z**7) - pi2 * more_two / (36 * z**3)) / size
    total += (three / (6480 * z**10) + pi2 * more_three / (216 * z**6)) / (size * root)
    return math.sqrt(2 * math.pi) * total
