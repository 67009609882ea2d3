"""The source partitions that this bridge owns now: as the group assigns and takes them."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import KafkaError
from kafka.structs import TopicPartition

from producers.bridge.lane import Lane
from producers.bridge.placing import Placing

log = logging.getLogger("inferwatch.bridge")

TRANSIENT = (KafkaError, OSError, KeyError)
"""What goes away by itself. KeyError: kafka-python 3 leaves out partitions without a leader."""


class OwnedPartitions(ConsumerRebalanceListener):  # type: ignore[misc]
    """A lane for each partition, from its assignment until it is taken away.

    The client calls from its own thread, in the middle of a rebalance; so the calls are only noted
    there. A partition is given up at once, whatever is on its way: its next owner begins at what
    is committed, and what both send counts once.
    """

    def __init__(
        self, consumer: Any, placing: Placing, new_lane: Callable[[TopicPartition, int], Lane]
    ) -> None:
        """Own nothing yet."""
        self.lanes: dict[TopicPartition, Lane] = {}
        self._consumer = consumer
        self._placing = placing
        self._new_lane = new_lane
        self._to_place: set[TopicPartition] = set()
        self._events: deque[tuple[bool, frozenset[TopicPartition]]] = deque()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """The group gives us partitions."""
        self._events.append((True, frozenset(assigned)))

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """The group takes partitions away."""
        self._events.append((False, frozenset(revoked)))

    @property
    def has_news(self) -> bool:
        """Whether the group said something that `settle` has not acted on."""
        return bool(self._events)

    def rewind(self, part: TopicPartition, offset: int) -> None:
        """Begin anew at an offset below what was read: the log lost its end, or was made again."""
        log.warning(
            "%s/%d goes on at offset %d, but %d was read already: did the log lose its end, or was "
            "the topic made again? Its events count as repeated up to there",
            *part,
            offset,
            self.lanes[part].next_offset,
        )
        self.lanes[part] = self._new_lane(part, offset)

    def settle(self) -> None:
        """Act on what the group said since; blocking.

        Raises:
            KafkaError: a first offset could not be found: call again.
        """
        while self._events:
            given, parts = self._events.popleft()
            for part in parts:
                self.lanes.pop(part, None)
            self._to_place = self._to_place | parts if given else self._to_place - parts
        for part in sorted(self._to_place):
            first = self._placing.first_offset(part)
            if self._events:
                return  # they may be about this very partition
            self._consumer.seek(part, first)
            self.lanes[part] = self._new_lane(part, first)
            self._to_place.discard(part)
