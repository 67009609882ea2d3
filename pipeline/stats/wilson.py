"""The interval of a share."""

from __future__ import annotations

import math

Z95 = 1.959963984540054


def wilson(successes: int, trials: int) -> tuple[float, float] | None:
    """The 95 % Wilson score interval of a share; None without trials.

    Unlike the interval of the normal approximation it stays within 0 and 1 and is right for few
    trials.

    >>> [round(x, 4) for x in wilson(8, 10)]
    [0.4902, 0.9433]

    Source: E. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if not trials:
        return None
    share = successes / trials
    shrink = 1 + Z95**2 / trials
    centre = (share + Z95**2 / (2 * trials)) / shrink
    half = Z95 * math.sqrt(share * (1 - share) / trials + Z95**2 / (4 * trials**2)) / shrink
    return max(centre - half, 0.0), min(centre + half, 1.0)
