"""How far every input partition is: what the evaluators, the watchdog and `status` look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from inferwatch import topics
from pipeline.state.keys import SourcePartition
from pipeline.state.packing import pack, unpack
from pipeline.state.partitions import PartitionStore
from pipeline.windows.name_limit import OTHER
from pipeline.windows.watermark import NEVER, PartitionProgress, model_watermark

BEAT_TTL_MS = 3_000
"""A partition whose owner has not been heard of for so long has no owner.

Well below `limits.idle`: a partition whose owner was killed must not look read to its end.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What the owner of a partition says of it every second.

    Attributes:
        worker: the owner's id.
        end: the offset after the last in the log.
        last_record_at: wall clock of the last record that came, milliseconds.
        looked_up: of a labels partition, the epoch for which all its open labels were looked up.
    """

    worker: str
    end: int
    last_record_at: int
    looked_up: str = ""

    def pack(self) -> bytes:
        """The stored form."""
        return pack([self.worker, self.end, self.last_record_at, self.looked_up])

    @classmethod
    def unpack(cls, data: bytes) -> Beat:
        """What `pack` wrote."""
        # A worker of another version may say more or less: what is known is taken.
        said = unpack(data, "the beat of a partition")
        return cls(**dict(zip(cls.__slots__, said, strict=False)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceProgress:
    """One input partition, as Redis tells it.

    Attributes:
        offset: the last offset counted; None where nothing is stored.
        high_ts: highest event time counted.
        models: the models that it carries.
        totals: rows, duplicates, too_late, rejected by reason, lost.
    """

    source: SourcePartition
    offset: int | None
    high_ts: int
    models: frozenset[str]
    totals: Sequence[Any]
    beat: Beat | None

    @property
    def lag(self) -> int:
        """Records that are in the log and not counted yet; 0 where no owner tells."""
        if self.beat is None or self.offset is None:
            return 0
        return max(0, self.beat.end - self.offset - 1)

    @property
    def is_read(self) -> bool:
        """Whether a live owner has counted it to the end; not before it has begun."""
        return self.beat is not None and self.offset is not None and not self.lag

    def at(self, now_ms: int) -> PartitionProgress:
        """What the watermark takes of it."""
        return PartitionProgress(
            high_ts=self.high_ts,
            lag=self.lag,
            owned=self.beat is not None,
            silent_ms=now_ms - self.beat.last_record_at if self.beat else 0,
        )


@dataclass(frozen=True)
class Progress:
    """All input partitions at one moment of the wall clock."""

    now_ms: int
    sources: Mapping[SourcePartition, SourceProgress]

    def of_kind(self, *kinds: topics.Topic, prefix: str) -> list[SourceProgress]:
        """The partitions of these topics."""
        names = {kind.full_name(prefix) for kind in kinds}
        return [progress for source, progress in self.sources.items() if source.topic in names]

    def only(self, *kinds: topics.Topic, prefix: str) -> Progress:
        """The same moment of the partitions of these topics alone."""
        return Progress(self.now_ms, {p.source: p for p in self.of_kind(*kinds, prefix=prefix)})

    @property
    def is_read(self) -> bool:
        """Whether every partition has an owner that has read it to its end."""
        return all(one.is_read for one in self.sources.values())

    @property
    def has_rows(self) -> bool:
        """Whether any partition has ever had a row."""
        return any(one.high_ts != NEVER for one in self.sources.values())

    def watermark(self, model: str, prefix: str, lateness: int, idle_ms: int) -> int:
        """The model's watermark; NEVER where no partition carries it.

        Rows that are told as `__other__` may be in any partition.
        """
        carrying = [
            progress.at(self.now_ms)
            for progress in self.of_kind(topics.PREDICTIONS, topics.LATENCIES, prefix=prefix)
            if model == OTHER or model in progress.models
        ]
        return model_watermark(carrying, lateness, idle_ms)

    def label_time(self, prefix: str, idle_ms: int) -> int:
        """The time up to which labels are in."""
        labels = [p.at(self.now_ms) for p in self.of_kind(topics.LABELS, prefix=prefix)]
        return model_watermark(labels, 0, idle_ms)

    def slowest(self, model: str, prefix: str) -> int:
        """The event time that the slowest partition which may still change a window has reached.

        Unlike for the watermark, an idle partition counts too: rows that come to it late go by
        its own time. Labels hold back what they have not been read up to.
        """
        carrying = [
            one.high_ts
            for one in self.sources.values()
            if model in one.models or (model == OTHER and one.models)
        ]
        behind = [
            one.high_ts
            for one in self.of_kind(topics.LABELS, prefix=prefix)
            if one.beat is None or one.lag
        ]
        return min((high for high in carrying + behind if high != NEVER), default=NEVER)

    def counted(self, idle_ms: int) -> int:
        """The event time that every partition has counted; NEVER while one of them is not known.

        A partition without a row holds nothing back once it is read to its end.
        """
        if any(one.high_ts == NEVER and not one.is_read for one in self.sources.values()):
            return NEVER
        return model_watermark((one.at(self.now_ms) for one in self.sources.values()), 0, idle_ms)

    @cached_property
    def models(self) -> frozenset[str]:
        """Every model that any partition carries."""
        return frozenset().union(*(progress.models for progress in self.sources.values()))


async def read_progress(
    store: PartitionStore, sources: Iterable[SourcePartition], now_ms: int
) -> Progress:
    """Read how far these partitions are."""
    wanted = list(sources)
    found: dict[SourcePartition, SourceProgress] = {}
    for source, (offset, head, live) in zip(wanted, await store.progress(wanted), strict=True):
        high_ts, models, totals = NEVER, frozenset[str](), [0, 0, 0, {}, 0]
        if head is not None:
            _, high_ts, names, _, totals, *_ = unpack(head, f"the state of {source}")
            models = frozenset(names)
        found[source] = SourceProgress(
            source=source,
            offset=offset,
            high_ts=high_ts,
            models=models,
            totals=totals,
            beat=None if live is None else Beat.unpack(live),
        )
    return Progress(now_ms, found)
