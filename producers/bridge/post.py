"""Sends records to Kafka, and says when it does not take them."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kafka import KafkaProducer
from kafka.errors import MessageSizeTooLargeError, RecordListTooLargeError

from producers.bridge.lane import Lane, Shipment
from producers.bridge.packing import Parcel
from producers.counters import Counters

log = logging.getLogger("inferwatch.bridge")

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


class Outage:
    """Whether the broker answers, told once each time that it changes, and when to try again."""

    def __init__(self, where: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with a broker that answers; `where` is its address for the log."""
        self._where = where
        self._clock = clock
        self._pause_s = FIRST_PAUSE_S
        self._not_before = 0.0
        self.is_up = True

    def is_over(self) -> bool:
        """Whether it may be tried (again)."""
        return self._clock() >= self._not_before

    def began(self, error: BaseException) -> None:
        """It did not answer, or not well; several at once are one."""
        if not self.is_over():
            return
        self._not_before = self._clock() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        if self.is_up:
            log.warning(
                "%s does not do its part (%s): trying again until it does; nothing is lost, the "
                "events wait in their own topics",
                self._where,
                _words(error),
            )
        self.is_up = False

    def ended(self) -> None:
        """It answered."""
        if not self.is_up:
            log.warning("%s answers again", self._where)
        self.is_up = True
        self._pause_s = FIRST_PAUSE_S
        self._not_before = 0.0


@dataclass(frozen=True, slots=True)
class _Result:
    lane: Lane
    shipment: Shipment
    error: BaseException | None


class Post:
    """Takes lanes' records to the broker; one thread uses it, the client's reports to it.

    The client neither numbers its requests nor gives up early: what it fails to deliver is sent
    again from here, and the worker counts every number once.
    """

    def __init__(self, options: Mapping[str, Any], outage: Outage, counters: Counters) -> None:
        """Connect; `options` reach the broker.

        Raises:
            KafkaError: no broker answered.
        """
        self._outage = outage
        self._counters = counters
        self._results: deque[_Result] = deque()
        self._producer = KafkaProducer(
            **{
                "acks": "all",
                "enable_idempotence": False,
                "max_in_flight_requests_per_connection": 1,
                "compression_type": "lz4",
                "linger_ms": 0,
                "max_request_size": 32 * 2**20,
                "max_block_ms": 3_000,
                "request_timeout_ms": 5_000,
                "delivery_timeout_ms": 10_000,
                "reconnect_backoff_max_ms": 2_000,
                "metadata_max_age_ms": 60_000,
                "metrics_enabled": False,
                # librdkafka's mock cluster makes topics only for those who ask this way.
                "allow_auto_create_topics": "api_version" in options,
                **options,
            }
        )

    def send(self, lane: Lane) -> None:
        """Send what a lane has ready, unless the broker is to be left alone for a while."""
        if not self._outage.is_over():
            return
        for shipment in lane.ready():
            parcel = shipment.parcel
            try:
                future = self._producer.send(
                    parcel.topic,
                    value=parcel.value,
                    key=parcel.key,
                    partition=parcel.partition,
                    headers=parcel.headers,
                )
            except Exception as error:  # whatever the client raises, the record is not sent
                self._failed(lane, shipment, error)
                return
            future.add_both(self._note, lane, shipment)

    def _note(self, lane: Lane, shipment: Shipment, outcome: Any) -> None:
        """Called by the client's thread."""
        error = outcome if isinstance(outcome, BaseException) else None
        self._results.append(_Result(lane, shipment, error))

    def collect(self) -> None:
        """Tell the lanes what became of their records."""
        while self._results:
            result = self._results.popleft()
            lane, shipment = result.lane, result.shipment
            if result.error is None:
                lane.taken(shipment)
                self._count(shipment.parcel)
                self._outage.ended()
            elif isinstance(result.error, _TOO_LARGE) and shipment.parcel.table is not None:
                lane.refused(shipment)
            else:
                self._failed(lane, shipment, result.error)

    def close(self) -> None:
        """End the connection; what is not acknowledged will be sent again by the next run."""
        with contextlib.suppress(Exception):
            self._producer.close(timeout=1)

    def _failed(self, lane: Lane, shipment: Shipment, error: BaseException) -> None:
        lane.failed(shipment)
        self._counters.add("batches_resent_total")
        self._counters.add("kafka_errors_total")
        self._outage.began(error)

    def _count(self, parcel: Parcel) -> None:
        if parcel.table is not None:
            self._counters.add("rows_published_total", parcel.rows, topic=parcel.topic)


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:200] if text else type(error).__name__
