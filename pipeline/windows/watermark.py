"""The watermark: the event time up to which a model's rows are believed to be in.

A partition's watermark is the highest event time seen in it (never above the record's own Kafka
timestamp), less the model's `lateness`; a model's is the least over the partitions of predictions
and latencies that carry it. Partitions that are read to their end and had no record for `idle`
are left out; when all of them are idle the watermark moves on with the wall clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

NEVER = -(2**62)
"""Before all time: no row has been seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionProgress:
    """How far one partition has got.

    Attributes:
        high_ts: highest event time seen, milliseconds; NEVER before the first row.
        lag: records between the stored offset and the end of the log.
        owned: whether a live worker owns it.
        silent_ms: wall-clock time since its last record.
    """

    high_ts: int
    lag: int
    owned: bool
    silent_ms: int

    def idle(self, idle_ms: int) -> bool:
        """Read to its end by an owner, and silent: it holds nothing back."""
        return self.owned and self.lag == 0 and self.silent_ms >= idle_ms


def model_watermark(partitions: Iterable[PartitionProgress], lateness: int, idle_ms: int) -> int:
    """The watermark of a model, milliseconds since the epoch; NEVER without a row.

    >>> busy = PartitionProgress(high_ts=100_000, lag=0, owned=True, silent_ms=10)
    >>> quiet = PartitionProgress(high_ts=40_000, lag=0, owned=True, silent_ms=60_000)
    >>> model_watermark([busy, quiet], lateness=5_000, idle_ms=30_000)
    95000
    >>> model_watermark([quiet], lateness=5_000, idle_ms=30_000)
    95000
    """
    seen = [p for p in partitions if p.high_ts != NEVER]
    if not seen:
        return NEVER
    active = [p for p in seen if not p.idle(idle_ms)]
    if active:
        return min(p.high_ts for p in active) - lateness
    last = min(p.silent_ms for p in seen)
    return max(p.high_ts for p in seen) - lateness + last
