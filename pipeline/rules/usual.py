"""What is usual for a metric: the median and spread of the model's own last windows.

Robust: up to half of the remembered windows may be odd without moving the limits far.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

REMEMBERED = 240
WARM_UP = 30
"""Windows before anything is called unusual."""
SPREADS = 6.0
"""Limits lie this many robust standard deviations from the median: with normal noise one window
in 500 million is beyond."""
FLOOR = 0.05
"""And at least this share of the median away: a metric that never moves may move a little."""


def usual_range(values: Sequence[float]) -> tuple[float, float, float] | None:
    """Median, lower and upper limit; None while there are fewer than 30 values.

    >>> usual_range([10.0, 11.0, 12.0] * 10)
    (11.0, 2.1044, 19.8956)
    """
    if len(values) < WARM_UP:
        return None
    middle = median(values)
    # 1.4826 times the median absolute deviation of normal noise is its standard deviation.
    deviation = 1.4826 * median(abs(v - middle) for v in values)
    reach = max(SPREADS * deviation, FLOOR * abs(middle))
    return middle, round(middle - reach, 12), round(middle + reach, 12)
