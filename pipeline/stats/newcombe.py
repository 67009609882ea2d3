"""The interval of the difference of two shares."""

from __future__ import annotations

from math import sqrt

from pipeline.stats.wilson import wilson


def difference(
    share: float, rows: int, other: float, other_rows: int
) -> tuple[float, float] | None:
    """The 95 % interval of `share - other`, each of so many rows; None without rows.

    Built of the two Wilson intervals, so that it holds for few rows and shares near 0 and 1.

    >>> [round(x, 4) for x in difference(56 / 70, 70, 48 / 80, 80)]
    [0.0524, 0.3339]

    Source: R. Newcombe, "Interval estimation for the difference between independent proportions",
    1998, method 10; the example is his (a).
    """
    mine, its = wilson(round(share * rows), rows), wilson(round(other * other_rows), other_rows)
    if mine is None or its is None:
        return None
    between = share - other
    low = between - sqrt((share - mine[0]) ** 2 + (its[1] - other) ** 2)
    high = between + sqrt((mine[1] - share) ** 2 + (other - its[0]) ** 2)
    return low, high
