"""How long labels take to arrive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.stats.log_histogram import LogHistogram


class LabelDelay(LogHistogram):
    """The delay of labels behind their predictions, in milliseconds of event time.

    A label that is older than its prediction has a negative delay. Guarantee and cost are those
    of `LogHistogram`: percentiles within 0.8 %.

    >>> delay = LabelDelay()
    >>> delay.update(np.array([3.6e6, 3.6e6, 7.2e6]))
    >>> abs(delay.percentile(500) / 3.6e6 - 1) < 0.008
    True
    """

    __slots__ = ()

    def update(self, delay_ms: NDArray[np.float64], sign: int = 1) -> None:
        """Count delays (`sign` -1: take them back); not-a-numbers are passed over."""
        here = np.isfinite(delay_ms)
        if here.any():
            self.update_sorted(np.sort(delay_ms[here]), sign)
