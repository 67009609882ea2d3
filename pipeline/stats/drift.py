"""Does a window differ from its reference by more than chance, and by enough to matter?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

from inferwatch.events.window import Deviation
from pipeline.stats.packing import Ints

Floats = NDArray[np.float64]

SCORE_LIMIT = 5.5
"""Standard scores; by chance alone one of three is beyond it once in nine million windows, that is
less than once in ten months for 20 columns and windows of a minute."""

RANK_EFFECT = 0.05
PSI_EFFECT = 0.1
RARE = 1e-7
COUNT_EFFECT = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftScores:
    """How far a window lies from its reference, in standard scores that allow for both samples.

    Attributes:
        rows: usable rows of the window.
        reference_rows: usable rows of the reference.
        rank: score of the mean rank; positive when the window lies higher. 0 for categories.
        effect: P(window > reference) - 1/2, ties half. 0 for categories.
        spread: score of the mean distance of the ranks from the middle; positive when wider.
        shape: Wilson-Hilferty score of the chi-square over the PSI bins or categories.
        psi: over the same bins.
        missing_p: chance of so many missing rows, given the reference's.
        odd_p: chance of so many rows out of the range by half of it or in new categories; a
            reference in which many categories stand once has not seen many others.
        phi: over-dispersion of the reference's own time-ordered chunks, at this window's size;
            1 when not known. Scores are not yet divided by it.
    """

    rows: int
    reference_rows: int
    rank: float
    effect: float
    spread: float
    shape: float
    psi: float
    missing_p: float
    odd_p: float
    phi: float

    def drifted(self) -> bool:
        """The verdict at this window alone; detectors that look over windows see more.

        True when more rows are missing or odd than chance allows (one in ten million) and by
        0.5 % of rows at least, or when a score is beyond 5.5 times the over-dispersion and the
        difference matters: 0.05 in rank, or a PSI of 0.1 above what equal samples of these sizes
        would show.
        """
        if self.missing_p < RARE or self.odd_p < RARE:
            return True
        limit = SCORE_LIMIT * self.phi
        far = abs(self.rank) > limit and abs(self.effect) >= RANK_EFFECT
        changed = max(abs(self.spread), self.shape) > limit and self.psi > PSI_EFFECT + (
            9 * (1 / self.rows + 1 / self.reference_rows)
        )
        return far or changed

    def deviation(self) -> Deviation:
        """The scores, divided by the over-dispersion: what detectors add up over windows."""
        return Deviation(
            rank=self.rank / self.phi,
            spread=self.spread / self.phi,
            shape=self.shape / self.phi,
            effect=self.effect,
        )


def rank_scores(reference: Ints, counts: Ints) -> tuple[float, float, float]:
    """Score of the mean rank, its effect size, and the score of the rank spread.

    Ranks are mid-ranks of the cells in the pooled sample, so that ties and the sampling error of
    the reference count (Mann-Whitney and Ansari-like).

    >>> [round(x, 2) for x in rank_scores(np.array([50, 50]), np.array([80, 20]))]
    [-4.45, -0.15, -4.45]
    """
    upto = np.add.accumulate(counts)
    size, rows = float(upto[-1]), float(np.add.reduce(reference))
    pooled = (counts + reference) / (size + rows)
    ranks = np.add.accumulate(pooled) - pooled / 2 - 0.5
    widths = np.abs(ranks)
    apart = counts / size - reference / rows
    # The mean of all mid-ranks is their middle, which is 0 here, and the mean rank of the window
    # lies above that of the reference by the effect: by P(window > reference) - 1/2.
    square = float(np.add.reduce(ranks * ranks * pooled))
    effect = float(np.add.reduce(ranks * apart))
    width = float(np.add.reduce(widths * pooled))
    spread = float(np.add.reduce(widths * apart))
    effective = size * rows / (size + rows)
    return (
        _score(effect, square, effective),
        effect,
        _score(spread, square - width * width, effective),
    )


def ranks_of(reference: Ints) -> Floats:
    """The mid-rank of each cell in the reference, 0 to 1."""
    upto = np.cumsum(reference)
    return (upto - reference / 2) / float(upto[-1])


def _score(apart: float, variance: float, effective: float) -> float:
    return apart * math.sqrt(effective / variance) if variance > 1e-15 else 0.0


def shape_score(statistic: float, degrees: int) -> float:
    """The standard score of a chi-square, by Wilson and Hilferty's cube root.

    >>> round(shape_score(9.0, 9), 2), round(shape_score(60.0, 9), 2)
    (0.16, 5.77)
    """
    if degrees < 1:
        return 0.0
    spread = 2 / (9 * degrees)
    return (math.cbrt(statistic / degrees) - (1 - spread)) / math.sqrt(spread)


def count_p(seen: int, rows: int, reference_seen: int, reference_rows: int) -> float:
    """The chance of `seen` or more of `rows`, when the reference had its count of its rows.

    Poisson at the rate `(c + 4 sqrt(c) + 5) / m`: four of the reference's own standard errors
    above its share c/m, so that a small reference accuses nobody. 1 while the excess is below
    0.5 % of the rows.

    >>> count_p(0, 1000, 0, 50_000), count_p(3, 1000, 0, 50_000)
    (1.0, 1.0)
    >>> count_p(100, 1000, 10, 50_000) < 1e-50
    True
    """
    if not rows or not reference_rows:
        return 1.0
    if seen / rows - reference_seen / reference_rows < COUNT_EFFECT:
        return 1.0
    rate = (reference_seen + 4 * math.sqrt(reference_seen) + 5) / reference_rows
    expected = min(rate, 1.0) * rows
    if seen <= expected:
        return 1.0
    return float(gammainc(seen, expected))


def phi_at(rows: int, chunk_phi: float | None, chunk_rows: int | None) -> float:
    """The over-dispersion at a window's size, from that of the reference's chunks.

    Chunks differ by a variance of their own beside sampling error, which shrinks as rows are
    added while the former stays: `phi(n)² = 1 + (phi² - 1) n / chunk rows`.

    >>> phi_at(1000, None, None), phi_at(500, 3.0, 1000)
    (1.0, 2.23606797749979)
    """
    if chunk_phi is None or chunk_phi <= 1 or not chunk_rows:
        return max(chunk_phi or 1.0, 1.0)
    return math.sqrt(1 + (chunk_phi**2 - 1) * rows / chunk_rows)
