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
        spent: share of the period's budget that is gone; above 1 where it is overspent.
        began: when it began to burn so, milliseconds.
    """

    limit: BurnLimit
    long: float
    short: float
    bad: int
    total: int
    spent: float
    began: int

    @property
    def rate(self) -> float:
        """The rate that both windows reach."""
        return min(self.long, self.short)

    @property
    def is_broken(self) -> bool:
        """Whether both windows burn faster than the limit."""
        return self.rate > self.limit.rate


def burn_of(
    counts: IndicatorCounts,
    limit: BurnLimit,
    slo: SloSettings,
    end: int,
    *,
    min_rows: int = 1,
    as_revised: bool = False,
) -> Burn | None:
    """The burn at a time; None with fewer than `min_rows` in the short window.

    >>> slo = SloSettings(metric="latency.error_rate", objective=99.0)
    >>> counts = IndicatorCounts(60_000)
    >>> for minute in range(1, 121):
    ...     counts.add(minute * 60_000, (20 if minute > 60 else 0, 100), slo.period)
    >>> burn = burn_of(counts, FAST[0], slo, 120 * 60_000)
    >>> round(burn.long, 9), round(burn.short, 9), round(burn.spent, 3)
    (20.0, 20.0, 0.028)
    """
    budget = 1 - slo.objective / 100

    def over(span: int) -> tuple[float, int, int]:
        bad, total = counts.over(end, span, as_revised=as_revised)
        # What has not been seen of a span counts as good, with as many rows a minute: else one
        # bad request in the first minute of a stream would be a month's budget.
        seen = counts.seen(end, span) / span
        return (bad / total / budget * seen if total else 0.0), bad, total

    (long, bad, total), (short, _, rows) = over(limit.long), over(limit.short)
    if rows < max(1, min_rows):
        return None
    began = counts.began(end, limit.long, limit.rate / 2 * budget)
    return Burn(limit, long, short, bad, total, over(slo.period)[0], began)
