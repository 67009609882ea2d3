"""The alerts topic, read from where the notifiers' own position says, by plain assignment."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from consumers.notifier.intake import Record
from inferwatch import topics
from inferwatch.broker import kafka_options
from inferwatch.errors import ServiceUnreachableError
from inferwatch.settings import Settings

_log = logging.getLogger(__name__)

# The longest that one call may hold up the end of the process.
WAIT_MS = 1_500


class AlertsTopic:
    """Every notifier reads every partition; there is no consumer group to rebalance."""

    def __init__(self, settings: Settings) -> None:
        """Prepare; `open` connects."""
        self._settings = settings
        self._name = topics.ALERTS.full_name(settings.topics.prefix)
        self._consumer: Any = None
        self._ends: dict[int, int] = {}
        self._first: set[int] = set()

    def open(self, stored: Mapping[int, int], *, history: bool) -> dict[int, int]:
        """Connect, and go to the stored position of each partition; where reading begins.

        A partition without a position begins where the config's `start` says; with `history`, what
        lies there already is marked as old.

        Raises:
            ServiceUnreachableError: the topic is not there.
            KafkaError: the broker does not answer.
        """
        self.close()
        self._consumer = KafkaConsumer(
            **kafka_options(self._settings.broker),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            bootstrap_timeout_ms=WAIT_MS,
            max_poll_records=500,
        )
        numbers = self._partitions()
        parts = [TopicPartition(self._name, n) for n in sorted(numbers)]
        self._consumer.assign(parts)
        begins = self._by_number(self._consumer.beginning_offsets(parts, WAIT_MS))
        self._ends = self._by_number(self._consumer.end_offsets(parts, WAIT_MS))
        self._first = {n for n in numbers if history and n not in stored}
        fresh = self._first_positions(parts, begins)
        positions: dict[int, int] = {}
        for part in parts:
            number = part.partition
            at = stored.get(number, fresh[number])
            if at > self._ends[number]:
                _log.warning(
                    "%s/%d ends at %d, before position %d: it was made anew; from its beginning",
                    self._name, number, self._ends[number], at,
                )  # fmt: skip
                at = begins[number]
            positions[number] = max(at, begins[number])
            self._consumer.seek(part, positions[number])
        return positions

    def _partitions(self) -> set[int]:
        found = self._consumer.partitions_for_topic(self._name)
        if not found:
            raise ServiceUnreachableError(
                f"there is no topic {self._name}; create it with `inferwatch topics create`"
            )
        return set(found)

    def _first_positions(
        self, parts: list[TopicPartition], begins: dict[int, int]
    ) -> dict[int, int]:
        start = self._settings.start
        if start == "earliest":
            return begins
        if start == "latest":
            return dict(self._ends)
        since = int(time.time() * 1000) - int(start)
        found = self._consumer.offsets_for_times(dict.fromkeys(parts, since), WAIT_MS)
        return {
            p.partition: found[p].offset if found.get(p) else self._ends[p.partition] for p in parts
        }

    def poll(self, timeout_ms: int) -> list[Record]:
        """The next records, partition by partition in their order; none when the time is over."""
        polled = self._consumer.poll(timeout_ms=timeout_ms)
        return [
            Record(
                partition=record.partition,
                offset=record.offset,
                timestamp=record.timestamp,
                value=record.value,
                old=record.partition in self._first
                and record.offset < self._ends[record.partition],
            )
            for records in polled.values()
            for record in records
        ]

    def caught_up(self) -> bool:
        """Whether everything that lay there at `open` has been read."""
        return all(
            self._consumer.position(TopicPartition(self._name, n)) >= end
            for n, end in self._ends.items()
        )

    def close(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            self._consumer.close(timeout_ms=WAIT_MS)
            self._consumer = None

    @staticmethod
    def _by_number(offsets: Mapping[Any, int]) -> dict[int, int]:
        return {part.partition: offset for part, offset in offsets.items()}
