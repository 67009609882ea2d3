"""Burn rates: how many times too fast an error budget is spent.

At a rate of 1 the budget is spent exactly by the end of the period. The long window says that it
matters, the short one that it still goes on; both must burn faster than the limit (Google, The
Site Reliability Workbook, chapter 5, table 5-8: made for 30 days, scaled to other periods).
"""

from __future__ import annotations

from dataclasses import dataclass

from inferwatch.settings.rules import BURN_RATES, SloSettings
from pipeline.rules.indicator import IndicatorCounts

MONTH = 30 * 86_400_000


@dataclass(frozen=True, slots=True)
class BurnLimit:
    """Two windows (milliseconds, for a period of 30 days), and the rate allowed in both."""

    long: int
    short: int
    rate: float

    def scaled(self, period: int, smallest: int) -> BurnLimit:
        """The same shares of another period, in no window below the smallest that is counted.

        >>> BurnLimit(3_600_000, 300_000, 14.4).scaled(MONTH // 10, smallest=60_000)
        BurnLimit(long=360000, short=60000, rate=14.4)
        """
        long, short = (max(smallest, span * period // MONTH) for span in (self.long, self.short))
        return BurnLimit(long, short, self.rate)


FAST = (
    BurnLimit(3_600_000, 300_000, BURN_RATES[0]),
    BurnLimit(21_600_000, 1_800_000, BURN_RATES[1]),
)
"""2 % of the budget in an hour, 5 % in six."""
SLOW = (BurnLimit(259_200_000, 21_600_000, 1.0),)
"""10 % in three days: for the morning, whatever the rule's severity."""


@dataclass(frozen=True, slots=True)
class Burn:
    """How fast a budget burns now.

    Attributes:
        long, short: burn rates over the windows of the limit.
        bad, total: in the long window.
    """

    limit: BurnLimit
    long: float
    short: float
    bad: int
    total: int

    @property
    def rate(self) -> float:
        """The rate that both windows reach."""
        return min(self.long, self.short)

    @property
    def is_broken(self) -> bool:
        """Whether both windows burn faster than the limit."""
        return self.rate > self.limit.rate


@dataclass(frozen=True, slots=True)
class Budget:
    """An objective's bad requests or predictions, as they were counted up to a time.

    Attributes:
        end: that time, milliseconds.
        as_revised: whether late revisions of the windows count.
    """

    slo: SloSettings
    counts: IndicatorCounts
    end: int
    as_revised: bool = False

    @property
    def share(self) -> float:
        """The share that may be bad."""
        return 1 - self.slo.objective / 100

    def burn(self, limit: BurnLimit, min_rows: int = 1) -> Burn | None:
        """The burn in the windows of a limit; None with fewer rows in the short one.

        >>> slo = SloSettings(metric="latency.error_rate", objective=99.0)
        >>> counts = IndicatorCounts(60_000)
        >>> for minute in range(1, 121):
        ...     counts.add(minute * 60_000, (20 if minute > 60 else 0, 100), slo.period)
        >>> budget = Budget(slo, counts, end=120 * 60_000)
        >>> burn = budget.burn(FAST[0])
        >>> round(burn.long, 9), round(burn.short, 9), round(budget.spent(), 3)
        (20.0, 20.0, 0.028)
        """
        short, _, rows = self._over(limit.short)
        if rows < max(1, min_rows):
            return None
        long, bad, total = self._over(limit.long)
        return Burn(limit, long, short, bad, total)

    def spent(self) -> float:
        """The share of the period's budget that is gone; above 1 where it is overspent."""
        return self._over(self.slo.period)[0]

    def began(self, burn: Burn) -> int:
        """When it began to burn so, milliseconds."""
        return self.counts.began(self.end, burn.limit.long, burn.limit.rate / 2 * self.share)

    def left(self, burn: Burn) -> int:
        """Milliseconds until the budget is gone at the rate of the short window; 0 where it is."""
        return max(0, round((1 - self.spent()) * self.slo.period / burn.short))

    def _over(self, span: int) -> tuple[float, int, int]:
        bad, total = self.counts.over(self.end, span, as_revised=self.as_revised)
        # What has not been seen of a span counts as good, with as many rows a minute: else one
        # bad request in the first minute of a stream would be a month's budget.
        seen = self.counts.seen(self.end, span) / span
        return (bad / total / self.share * seen if total else 0.0), bad, total
