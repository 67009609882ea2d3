"""Reads whole partitions of a few topics, without a group: every dashboard sees every record."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from consumers.dashboard.positions import Partition, Positions

_LOOK_FOR_PARTITIONS_MS = 15_000
_LOOK_FOR_TOPICS_MS = 1_000


@dataclass(frozen=True, slots=True)
class Record:
    """One record; `value` None is a compaction mark."""

    topic: str
    partition: int
    offset: int
    value: bytes | None


class Source:
    """A consumer that blocks: use it in one thread.

    A topic that does not exist is waited for, never created.

    Attributes:
        positions: where the next poll reads.
        ends: of the partitions, as last heard.
        lag: records not read yet, by partition; empty before the first poll.
    """

    def __init__(
        self, options: Mapping[str, Any], topics: Sequence[str], positions: Positions
    ) -> None:
        """Connect; `options` are those common to all Kafka clients."""
        self._topics = topics
        self._consumer = KafkaConsumer(
            **options,
            client_id="inferwatch-dashboard",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            metadata_max_age_ms=_LOOK_FOR_PARTITIONS_MS,
            fetch_max_wait_ms=200,
        )
        self._looked_at = 0.0
        self.positions = positions
        self.ends: dict[Partition, int] = {}
        self.lag: dict[Partition, int] = {}
        self._follow_partitions()

    def poll(self, timeout_ms: int = 250) -> list[Record]:
        """The next records, at most 500, in order within a partition; also looks at the ends."""
        missing = len({topic for topic, _ in self.ends}) < len(self._topics)
        every_ms = _LOOK_FOR_TOPICS_MS if missing else _LOOK_FOR_PARTITIONS_MS
        if (time.monotonic() - self._looked_at) * 1000 > every_ms:
            self._follow_partitions()
        if not self.ends:
            time.sleep(timeout_ms / 1000)  # a poll of nothing returns at once
            return []
        batches = self._consumer.poll(timeout_ms=timeout_ms)
        records = [
            Record(tp.topic, tp.partition, r.offset, r.value)
            for tp, batch in batches.items()
            for r in batch
        ]
        for record in records:
            partition = (record.topic, record.partition)
            self.positions = self.positions.after(partition, record.offset)
        for partition in self.ends:
            end = self._consumer.highwater(TopicPartition(*partition))
            if end is not None:
                self.ends[partition] = end
        self.lag = {p: max(0, end - self._reached(p)) for p, end in self.ends.items()}
        return records

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def _reached(self, partition: Partition) -> int:
        # The consumer's own position counts marks of transactions, which are no records.
        return int(self._consumer.position(TopicPartition(*partition), timeout_ms=1000) or 0)

    def _follow_partitions(self) -> None:
        self._looked_at = time.monotonic()
        known = set(self.ends)
        found = {
            (topic, number)
            for topic in self._topics
            for number in self._consumer.partitions_for_topic(topic) or ()
        }
        if not found - known:
            return
        wanted = [TopicPartition(*p) for p in sorted(found | known)]
        ends = {(tp.topic, tp.partition): e for tp, e in self._consumer.end_offsets(wanted).items()}
        self.positions = self.positions.in_log(self._cluster_id(), ends)
        self._consumer.assign(wanted)
        for tp in wanted:
            offset = self.positions.next.get((tp.topic, tp.partition))
            if offset is None:
                self._consumer.seek_to_beginning(tp)
            else:
                self._consumer.seek(tp, offset)
        self.ends = ends

    def _cluster_id(self) -> str | None:
        # kafka-python tells it only through the admin client, by one more connection.
        cluster = self._consumer._cluster.cluster_id  # noqa: SLF001
        return None if cluster is None else str(cluster)
