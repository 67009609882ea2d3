"""The Kafka log read by offset, outside any consumer group: for holes, rebuilds and look-backs."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Generator, Sequence
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.structs import TopicPartition

from inferwatch.broker import kafka_options
from inferwatch.settings.services import BrokerSettings
from pipeline.decode import RawRecord
from pipeline.state.keys import SourcePartition

POLL_MS = 500
IDLE_POLLS = 40
ANSWER_WITHIN_MS = 10_000
ASK_AGAIN_S = 0.05
MAX_POLL_RECORDS = 2_000


class LogReader:
    """Reads stretches of partitions with a plain consumer; blocking: call it from a thread."""

    def __init__(self, broker: BrokerSettings) -> None:
        """Read from this broker."""
        self._broker = broker
        self._options = kafka_options(broker)

    def consumer(self, group: str | None = None) -> Any:
        """A consumer that joins no group; `group` is whose commits it can tell."""
        return KafkaConsumer(
            **self._options,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=MAX_POLL_RECORDS,
            isolation_level="read_uncommitted",
            bootstrap_timeout_ms=ANSWER_WITHIN_MS,
            request_timeout_ms=ANSWER_WITHIN_MS,
            reconnect_backoff_max_ms=1_000,
        )

    def partitions(self, topic: str) -> list[int]:
        """The partitions of a topic; empty where there is no such topic."""
        consumer = self.consumer()
        try:
            found = consumer.partitions_for_topic(topic)
        finally:
            consumer.close()
        if not found and self._broker.mock:
            # A mock cluster makes a topic when it is first asked about it, and only then.
            producer = KafkaProducer(**self._options)
            try:
                found = producer.partitions_for(topic)
            finally:
                producer.close()
        return sorted(found or ())

    def bounds(self, source: SourcePartition) -> tuple[int, int]:
        """(first offset that the log holds, the offset after the last)."""
        consumer = self.consumer()
        try:
            at = TopicPartition(source.topic, source.number)
            return consumer.beginning_offsets([at])[at], consumer.end_offsets([at])[at]
        finally:
            consumer.close()

    def committed(self, source: SourcePartition, group: str) -> int | None:
        """The group's committed offset, None where it never committed."""
        consumer = self.consumer(group)
        try:
            offset: int | None = consumer.committed(TopicPartition(source.topic, source.number))
            return offset
        finally:
            consumer.close()

    def offset_at(self, source: SourcePartition, time_ms: int) -> int | None:
        """The first offset with this Kafka timestamp or a later one."""
        consumer = self.consumer()
        try:
            at = TopicPartition(source.topic, source.number)
            found = consumer.offsets_for_times({at: time_ms})[at]
            return None if found is None else found.offset
        finally:
            consumer.close()

    def time_of(self, source: SourcePartition, offset: int) -> int | None:
        """The Kafka timestamp of the first record at or after an offset, None without one."""
        for records in self.read(source, offset, self.bounds(source)[1]):
            return records[0].timestamp
        return None

    def read(
        self, source: SourcePartition, first: int, after: int
    ) -> Generator[list[RawRecord], None, None]:
        """The records with `first` <= offset < `after`, a poll at a time.

        Read up to a position, not up to a record: retention, compaction and transaction marks
        leave offsets without one.
        """
        consumer = self.consumer()
        at = TopicPartition(source.topic, source.number)
        idle = 0
        try:
            consumer.assign([at])
            consumer.seek(at, max(first, consumer.beginning_offsets([at])[at]))
            after = min(after, consumer.end_offsets([at])[at])
            while consumer.position(at) < after:
                records = consumer.poll(timeout_ms=POLL_MS).get(at, [])
                idle = 0 if records else idle + 1
                if idle > IDLE_POLLS:
                    raise TimeoutError(
                        f"{source} gave no record for {IDLE_POLLS * POLL_MS // 1000} s at offset "
                        f"{consumer.position(at)} of {after}"
                    )
                wanted = [raw_record(record) for record in records if record.offset < after]
                if wanted:
                    yield wanted
        finally:
            # When Python ends, the client's own thread is gone already: closing would wait for it.
            if not sys.is_finalizing():
                consumer.close()


class LogEnds:
    """Where logs end, asked again and again over one connection; blocking, one thread at a time."""

    def __init__(self, reader: LogReader) -> None:
        """Nothing is asked before `read`."""
        self._reader = reader
        self._consumer: Any = None
        self._one_at_a_time = threading.Lock()

    def read(self, sources: Sequence[SourcePartition]) -> dict[SourcePartition, int]:
        """The offset after the last of each log, as the broker says now."""
        with self._one_at_a_time:
            try:
                if self._consumer is None:
                    self._consumer = self._reader.consumer()
                parts = [TopicPartition(source.topic, source.number) for source in sources]
                ends = end_offsets(self._consumer, parts)
            except KafkaError:
                self._drop()
                raise
        return {source: ends[part] for source, part in zip(sources, parts, strict=True)}

    def close(self) -> None:
        """Let go of the connection."""
        with self._one_at_a_time:
            self._drop()

    def _drop(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None


def end_offsets(consumer: Any, parts: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """The offset after the last of each partition.

    kafka-python 3 leaves partitions out whose leader it does not know (yet, or while a broker
    starts again), and then stumbles over the gap: asked again until they all are there.

    Raises:
        KafkaTimeoutError: they were not within 10 s.
    """
    until = time.monotonic() + ANSWER_WITHIN_MS / 1000
    while True:
        try:
            ends: dict[TopicPartition, int] = consumer.end_offsets(
                parts, timeout_ms=ANSWER_WITHIN_MS
            )
            return ends
        except KeyError as missing:
            if time.monotonic() > until:
                raise KafkaTimeoutError(f"no leader for {missing}") from missing
            time.sleep(ASK_AGAIN_S)


def raw_record(record: Any) -> RawRecord:
    """A record of kafka-python as the decoder takes it."""
    return RawRecord(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=record.timestamp,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers or ()),
    )
