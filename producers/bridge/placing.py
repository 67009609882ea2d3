"""Where the reading of a source partition begins."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from kafka.structs import OffsetAndMetadata, TopicPartition

log = logging.getLogger("inferwatch.bridge")

_ANSWER_WITHIN_MS = 5_000


class Placing:
    """Finds first offsets: what is committed, else what `start` says.

    `start` holds for a topic's first start, when the group has committed nothing of any of its
    partitions; it is committed at once, so that a second start does not choose again. A partition
    that comes later is read from its beginning: none of its records was there before.
    """

    def __init__(
        self,
        consumer: Any,
        start: str | int,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Ask this consumer.

        Args:
            consumer: of the bridge's group.
            start: `earliest`, `latest`, or how many milliseconds ago.
            now_ms: milliseconds since the epoch.
        """
        self._consumer = consumer
        self._start = start
        self._now_ms = now_ms

    def first_offset(self, part: TopicPartition) -> int:
        """The offset to read first; blocking.

        Raises:
            KafkaError: the broker did not answer.
        """
        committed = self._committed(part)
        begin, end = self._bounds([part], part)
        if committed is None:
            return self._first_start(part.topic).get(part, begin)
        if committed > end:
            log.warning(
                "%s/%d ends at %d, but %d was republished already: was the topic made again? Its "
                "events count as repeated until it has passed that offset; bridge a topic with "
                "another name instead",
                *part,
                end,
                committed,
            )
        if committed < begin:
            log.warning(
                "%s/%d begins at %d: %d records were deleted before the bridge had read them",
                *part,
                begin,
                begin - committed,
            )
        return committed if begin <= committed <= end else begin

    def _first_start(self, topic: str) -> dict[TopicPartition, int]:
        """By partition, where a topic begins that was never bridged; else nothing."""
        numbers = self._consumer.partitions_for_topic(topic) or ()
        parts = [TopicPartition(topic, number) for number in sorted(numbers)]
        if any(self._committed(part) is not None for part in parts):
            return {}
        if self._start == "earliest":
            return {}
        offsets = self._offsets(parts)
        self._consumer.commit(
            {part: OffsetAndMetadata(offset, "", -1) for part, offset in offsets.items()},
            timeout_ms=_ANSWER_WITHIN_MS,
        )
        return offsets

    def _offsets(self, parts: list[TopicPartition]) -> dict[TopicPartition, int]:
        ends: dict[TopicPartition, int] = self._consumer.end_offsets(parts)
        if self._start == "latest":
            return ends
        since = self._now_ms() - int(self._start)
        found = self._consumer.offsets_for_times(dict.fromkeys(parts, since))
        return {part: ends[part] if found[part] is None else found[part].offset for part in parts}

    def _committed(self, part: TopicPartition) -> int | None:
        offset: int | None = self._consumer.committed(part, timeout_ms=_ANSWER_WITHIN_MS)
        return offset

    def _bounds(self, parts: list[TopicPartition], part: TopicPartition) -> tuple[int, int]:
        return (
            self._consumer.beginning_offsets(parts)[part],
            self._consumer.end_offsets(parts)[part],
        )
