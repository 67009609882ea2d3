"""How far a number must go before chance is no explanation.

A rule that judges twenty columns a minute makes 864,000 tests a month, so every limit here is
far out (as far as the budget of false alarms asks, about six standard errors where none is
stated), and every one is paired with an effect that somebody would mind: with enough rows any
difference is significant.
"""

from __future__ import annotations

from math import log, sqrt

from pipeline.stats.wilson import wilson

FAR = 6.0
"""Standard errors; one normal value in a thousand million lies beyond."""
KS_LEVEL = 1e-9
"""Chance that a KS statistic of two samples of one distribution is beyond `ks_noise`."""


def ks_noise(
    rows: int, reference_rows: int, phi: float | None = None, level: float = KS_LEVEL
) -> float:
    """What a KS statistic reaches by chance alone (Smirnov's asymptotic bound at `level`).

    `phi` is by how much the reference's own time-ordered chunks scatter more than samples of it
    would; natural data wanders, and that is no fault.

    >>> round(ks_noise(1_000, 50_000), 3)
    0.105
    """
    spread = sqrt(1 / max(1, rows) + 1 / max(1, reference_rows))
    return sqrt(-log(level / 2) / 2) * spread * max(1.0, phi or 1.0)


def psi_noise(
    bins: int, rows: int, reference_rows: int, phi: float | None = None, far: float = FAR
) -> float:
    """What a PSI reaches by chance: mean (k - 1)(1/n + 1/m), and `far` of its deviations more.

    Yurdakul, "Statistical properties of population stability index", 2018: PSI is about
    (1/n + 1/m) times a chi-square with k - 1 degrees of freedom.

    >>> round(psi_noise(10, 1_000, 50_000), 3)
    0.035
    """
    free = max(1, bins - 1)
    scale = 1 / max(1, rows) + 1 / max(1, reference_rows)
    return scale * (free + far * sqrt(2 * free)) * max(1.0, phi or 1.0) ** 2


def count_limit(rows: int, reference_count: int, reference_rows: int, far: float = FAR) -> float:
    """The most that a count reaches by chance, given the reference's own count.

    The reference's rate is taken with its own sampling error on top: (c + 4 sqrt(c) + 5) / m.

    >>> round(count_limit(1_000, 0, 50_000), 2)
    2.0
    """
    rate = (reference_count + 4 * sqrt(reference_count) + 5) / max(1, reference_rows)
    expected = rows * rate
    return expected + far * sqrt(expected)


def psi_mean(bins: int, rows: int, reference_rows: int) -> float:
    """What a PSI is on average when nothing changed: (k - 1)(1/n + 1/m).

    >>> round(psi_mean(10, 1_000, 50_000), 4)
    0.0092
    """
    return max(1, bins - 1) * (1 / max(1, rows) + 1 / max(1, reference_rows))


def rate_at_least(count: int, rows: int) -> float:
    """What a rate is at least, by the lower end of its 95 % Wilson interval; 0 without rows.

    >>> round(rate_at_least(8, 10), 3), rate_at_least(0, 0)
    (0.49, 0.0)
    """
    interval = wilson(count, rows)
    return 0.0 if interval is None else interval[0]
