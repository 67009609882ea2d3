"""The Kafka log read by offset, outside any consumer group: for holes, rebuilds and look-backs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.structs import TopicPartition

from inferwatch.broker import kafka_options
from inferwatch.settings.services import BrokerSettings
from pipeline.decode import RawRecord
from pipeline.state.keys import SourcePartition

POLL_MS = 500
IDLE_POLLS = 40
MAX_POLL_RECORDS = 2_000


class LogReader:
    """Reads stretches of partitions with a plain consumer; blocking: call it from a thread."""

    def __init__(self, broker: BrokerSettings) -> None:
        """Read from this broker."""
        self._broker = broker
        self._options = kafka_options(broker)

    def _consumer(self, group: str | None = None) -> Any:
        return KafkaConsumer(
            **self._options,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=MAX_POLL_RECORDS,
            isolation_level="read_uncommitted",
        )

    def partitions(self, topic: str) -> list[int]:
        """The partitions of a topic; empty where there is no such topic."""
        consumer = self._consumer()
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
        consumer = self._consumer()
        try:
            at = TopicPartition(source.topic, source.number)
            return consumer.beginning_offsets([at])[at], consumer.end_offsets([at])[at]
        finally:
            consumer.close()

    def committed(self, source: SourcePartition, group: str) -> int | None:
        """The group's committed offset, None where it never committed."""
        consumer = self._consumer(group)
        try:
            offset: int | None = consumer.committed(TopicPartition(source.topic, source.number))
            return offset
        finally:
            consumer.close()

    def offset_at(self, source: SourcePartition, time_ms: int) -> int | None:
        """The first offset with this Kafka timestamp or a later one."""
        consumer = self._consumer()
        try:
            at = TopicPartition(source.topic, source.number)
            found = consumer.offsets_for_times({at: time_ms})[at]
            return None if found is None else found.offset
        finally:
            consumer.close()

    def read(self, source: SourcePartition, first: int, after: int) -> Iterator[list[RawRecord]]:
        """The records with `first` <= offset < `after`, a poll at a time.

        Read up to a position, not up to a record: retention, compaction and transaction marks
        leave offsets without one.
        """
        consumer = self._consumer()
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
            consumer.close()


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
