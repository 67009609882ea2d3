"""What the built-in detectors may cost: limits that follow from the stated budget of false alarms.

`alerting.budget` says how many false pages and tickets a model may bring a month. Each detector
has an equal share of its severity's; how far a number must go before it speaks follows from that
share, from how many windows a month it judges and how many things it looks at in each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import exp
from statistics import NormalDist

MONTH_MS = 30 * 86_400_000
LEAST = 0.01
"""A budget of nothing is taken as one false alarm in a hundred months: 0 would be deaf."""
_OVERSHOOT = 1.166
"""By how much a sum of normal scores lies beyond its limit when it crosses (Siegmund, 1985)."""
MARGIN = 0.5
"""Scores are not quite normal, so every limit is set a little higher than theirs."""


@dataclass(frozen=True, slots=True)
class Budget:
    """False alarms a model and month that the built-in detectors may cost."""

    pages: float = 1.0
    tickets: float = 2.0


DEFAULT_BUDGET = Budget()


@dataclass(frozen=True, slots=True)
class Allowance:
    """One detector's share of the budget.

    Attributes:
        alarms: false alarms a model and month.
        windows: how many windows it judges in a month.
    """

    alarms: float
    windows: float

    @classmethod
    def of(cls, budget: float, *, detectors: int, slide: int) -> Allowance:
        """An equal share of a budget, on windows that come every `slide` milliseconds.

        >>> Allowance.of(2.0, detectors=8, slide=60_000)
        Allowance(alarms=0.25, windows=43200.0)
        """
        return cls(max(LEAST, budget) / detectors, MONTH_MS / slide)

    def rare(self, tests: int) -> float:
        """The chance that one of so many tests a window may have of a false alarm.

        >>> Allowance(0.25, 43_200.0).rare(20)
        2.8935185185185185e-07
        """
        return min(0.05, self.alarms / (self.windows * max(1, tests)))

    def far(self, tests: int) -> float:
        """The same in standard errors, one-sided.

        >>> round(Allowance(0.25, 43_200.0).far(20), 2)
        5.0
        """
        return _far(self.rare(tests))

    def run(self, sums: int) -> float:
        """How many windows each of so many sums must last on average without a false alarm."""
        return self.windows * max(1, sums) / self.alarms


@lru_cache(1024)
def _far(rare: float) -> float:
    return -NormalDist().inv_cdf(rare)


@lru_cache(4096)
def sum_limit(slack: float, run: float) -> float:
    """The limit of a CUSUM of standard scores, less `slack` each, for this average run.

    Siegmund, "Sequential Analysis", 1985: the run is `(exp(2kb) - 2kb - 1) / (2 k^2)`, where b is
    the limit and 1.166.

    >>> round(sum_limit(1.0, 1e6), 2), round(sum_limit(2.0, 1e6), 2)
    (6.59, 3.31)
    """
    low, high = 0.0, 200.0 / slack
    for _ in range(60):
        middle = (low + high) / 2
        b = 2 * slack * middle
        if (exp(b) - b - 1) / (2 * slack * slack) < run:
            low = middle
        else:
            high = middle
    return max(MARGIN, high - _OVERSHOOT + MARGIN)
