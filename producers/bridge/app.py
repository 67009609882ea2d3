"""`inferwatch bridge`: reads foreign topics and republishes their events in columns.

One thread reads, shapes and packs; the Kafka clients have threads of their own. An event is done
when the broker has the record that carries it; only then is its offset committed, so that
whatever ends the process, the next one goes on from there, and what it sends a second time has
the same numbers.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from kafka import KafkaConsumer
from kafka.errors import KafkaError, UnsupportedCodecError
from kafka.structs import OffsetAndMetadata, TopicPartition

from inferwatch.broker import kafka_options
from inferwatch.errors import ServiceUnreachableError, UsageError
from inferwatch.events.dead_letters import DeadLetters
from inferwatch.provision.partitions import partitions_of
from inferwatch.settings import Settings
from inferwatch.topics import DEADLETTER, consumer_group
from producers.bridge.admin import AdminPort
from producers.bridge.lane import Lane
from producers.bridge.letters import Letters
from producers.bridge.log_slices import hand_out_slices
from producers.bridge.packing import Packer
from producers.bridge.partitions import TRANSIENT, OwnedPartitions
from producers.bridge.placing import Placing
from producers.bridge.post import Outage, Post
from producers.bridge.shaping import Shaper
from producers.counters import BRIDGE, Counters
from producers.delivery import TOPICS

log = logging.getLogger("inferwatch.bridge")

STOP_WITHIN_S = 6.0
END_WITHIN_S = 9.5
COMMIT_EVERY_S = 0.25
LOOK_EVERY_S = 10.0
# Bytes read and not packed that one partition may have.
WAITING_BYTES = 4 * 2**20
_BUSY_POLL_MS = 10
_IDLE_POLL_MS = 200
_ANSWER_WITHIN_MS = 5_000


def run(settings: Settings) -> None:
    """Run a bridge until SIGTERM or SIGINT.

    Raises:
        UsageError: nothing to bridge, a topic that does not exist, or a codec that is missing.
        ServiceUnreachableError: no broker answers at the start.
    """
    bridge = settings.bridge
    if bridge is None or not bridge.topics:
        raise UsageError(
            "the config has no foreign topic to bridge; name one: "
            "bridge: {topics: [{topic: payments.scored, kind: prediction}]}"
        )
    for topic in bridge.topics:
        _look_for_source(settings, topic.topic)
    stop = _stop_on_signals()
    try:
        bridging = Bridge(settings)
    except KafkaError as error:
        raise ServiceUnreachableError(f"Kafka: {type(error).__name__}: {error}") from error
    with contextlib.ExitStack() as stack:
        stack.callback(bridging.close)
        if bridge.admin is not None:
            stack.enter_context(AdminPort(bridge.admin, bridging.counters))
        # Rows come in large batches and go: the collector finds nothing in them.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 20, 50)
        log.info("bridging %s", ", ".join(topic.topic for topic in bridge.topics))
        bridging.run(stop)
    log.info("stopped")


class Bridge:
    """The loop that reads, packs, sends and commits."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """Connect; the topics must be there.

        Raises:
            KafkaError: no broker answered.
            UsageError: a destination does not exist.
        """
        self._clock = clock
        self.counters = Counters(BRIDGE)
        self.counters.gauge("kafka_up", lambda: float(self._outage.is_up))
        self.counters.gauge("records_behind", lambda: float(self._behind))
        self._behind = 0
        options = kafka_options(settings.broker)
        where = f"Kafka at {','.join(settings.broker.bootstrap)}"
        self._outage = Outage(where, clock)
        self._new_lane = _lanes(settings)
        self._post = Post(options, self._outage, self.counters)
        self._consumer = _consumer(settings, options)
        self._owned = OwnedPartitions(
            self._consumer, Placing(self._consumer, settings.start), self._new_lane
        )
        assert settings.bridge is not None, "the caller looked"
        topics = [topic.topic for topic in settings.bridge.topics]
        self._consumer.subscribe(topics, listener=self._owned)
        self._committed: dict[TopicPartition, int] = {}
        self._commit_at = self._look_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Bridge until `stop`, then bring what was read to its end, within 6 s.

        Raises:
            UsageError: a topic is compressed with a codec that is not installed.
        """
        while not stop.is_set():
            self._turn(reading=True)
        until = self._clock() + STOP_WITHIN_S
        lanes = self._owned.lanes
        while self._clock() < until and not all(lane.is_idle for lane in lanes.values()):
            self._turn(reading=False)
        with contextlib.suppress(KafkaError):
            self._consumer.commit(self._to_commit(), timeout_ms=1_000)

    def close(self) -> None:
        """Leave the group and end the connections."""
        self._post.close()
        with contextlib.suppress(Exception):
            self._consumer.close(timeout_ms=1_000)

    def _turn(self, *, reading: bool) -> None:
        try:
            self._read(reading=reading)
            self._owned.settle()
            self._look()
        except UnsupportedCodecError as error:
            raise UsageError(
                f"{error}; install what reads it: pip install python-snappy zstandard"
            ) from error
        except TRANSIENT as error:
            self._outage.began(error)
            time.sleep(_BUSY_POLL_MS / 1000)
        now = self._clock()
        self._post.collect()
        for part, lane in self._owned.lanes.items():
            if lane.is_due(now if reading else math.inf):
                lane.pack(now)
            self._post.send(lane)
            self._count_rejected(part.topic, lane)
        self._commit(now)

    def _read(self, *, reading: bool) -> None:
        lanes = self._owned.lanes
        busy = any(lane.is_sending for lane in lanes.values())
        full = [
            part
            for part, lane in lanes.items()
            if not reading or lane.waiting_bytes >= WAITING_BYTES
        ]
        assigned = self._consumer.assignment()
        self._consumer.pause(*[part for part in full if part in assigned])
        found = self._consumer.poll(timeout_ms=_BUSY_POLL_MS if busy else _IDLE_POLL_MS)
        assigned = self._consumer.assignment()
        self._consumer.resume(*[part for part in full if part in assigned])
        now = self._clock()
        if self._owned.has_news:
            return  # what was found may be of before it; all will be read again
        for part, slices in found.items():
            if part not in lanes:
                continue  # likewise, once its first offset is known
            if slices[0].offsets[0] < lanes[part].next_offset:
                self._owned.rewind(part, slices[0].offsets[0])
            lanes[part].add(slices, now)
            read = sum(len(one.offsets) for one in slices)
            self.counters.add("records_read_total", read, topic=part.topic)

    def _look(self) -> None:
        """See now and then how far behind it is, and so whether the broker still answers."""
        now = self._clock()
        if now < self._look_at or not self._owned.lanes or not self._outage.is_over():
            return
        self._look_at = now + LOOK_EVERY_S
        lanes = dict(self._owned.lanes)
        ends = self._consumer.end_offsets(list(lanes), timeout_ms=_ANSWER_WITHIN_MS)
        self._behind = sum(max(0, ends[part] - lane.done) for part, lane in lanes.items())
        if not any(lane.is_sending for lane in lanes.values()):
            self._outage.ended()

    def _to_commit(self) -> dict[TopicPartition, Any]:
        return {
            part: OffsetAndMetadata(lane.done, "", -1)
            for part, lane in self._owned.lanes.items()
            if lane.done != self._committed.get(part)
        }

    def _commit(self, now: float) -> None:
        if now < self._commit_at or not self._outage.is_over():
            return
        self._commit_at = now + COMMIT_EVERY_S
        offsets = self._to_commit()
        if offsets:
            self._consumer.commit_async(offsets, callback=self._was_committed)

    def _was_committed(self, offsets: dict[TopicPartition, Any], outcome: Any) -> None:
        """Called by the client; a commit that failed is made up for by the next one."""
        if isinstance(outcome, BaseException):
            log.debug("no commit: %s", outcome)
        else:
            self._committed.update({part: found.offset for part, found in offsets.items()})

    def _count_rejected(self, topic: str, lane: Lane) -> None:
        while lane.rejected:
            one = lane.rejected.popleft()
            self.counters.add("records_rejected_total", topic=topic, reason=one.error.reason)
            log.debug("%s: offset %d: %s", topic, one.offset, one.error)


def _lanes(settings: Settings) -> Callable[[TopicPartition, int], Lane]:
    """What makes the lane of a source partition."""
    assert settings.bridge is not None, "the caller looked"
    prefix, limits = settings.topics.prefix, settings.limits
    letters = DeadLetters(settings.deadletter.keep, lambda: time.time_ns() // 1_000_000)
    deadletter = DEADLETTER.full_name(prefix)
    partitions_of(settings.broker, deadletter)
    sources = {topic.topic: topic for topic in settings.bridge.topics}
    names = {kind: TOPICS[kind].full_name(prefix) for kind in {t.kind for t in sources.values()}}
    sizes = {name: partitions_of(settings.broker, name) for name in names.values()}
    shapers = {
        name: Shaper(source.kind, source.map, event_bytes=limits.event_bytes, future=limits.future)
        for name, source in sources.items()
    }

    def new_lane(part: TopicPartition, first: int) -> Lane:
        kind = sources[part.topic].kind
        name = names[kind]
        packer = Packer(kind, part.topic, part.partition, name, sizes[name], limits.event_bytes)
        letter = Letters(letters, deadletter, part.topic, part.partition)
        return Lane(shapers[part.topic], packer, letter, first)

    return new_lane


def _consumer(settings: Settings, options: dict[str, Any]) -> Any:
    consumer = KafkaConsumer(
        **{
            "group_id": consumer_group(settings.topics.prefix, "bridge"),
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            # What a transaction took back never happened.
            "isolation_level": "read_uncommitted" if settings.broker.mock else "read_committed",
            "fetch_max_bytes": 16 * 2**20,
            "max_partition_fetch_bytes": 2 * 2**20,
            "max_poll_records": 64,  # slices of some thousand records
            "request_timeout_ms": 10_000,
            "session_timeout_ms": 10_000,
            "reconnect_backoff_max_ms": 2_000,
            "metadata_max_age_ms": 60_000,
            "metrics_enabled": False,
            "allow_auto_create_topics": False,
            **options,
        }
    )
    hand_out_slices(consumer)
    return consumer


def _look_for_source(settings: Settings, topic: str) -> None:
    try:
        partitions_of(settings.broker, topic)
    except UsageError as error:
        raise UsageError(
            f"bridge.topics: there is no topic {topic} on {','.join(settings.broker.bootstrap)}; "
            "it belongs to those who send to it, so the bridge does not make it"
        ) from error


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def handle(*_: object) -> None:
        if not stop.is_set():
            # A call may hang in a Kafka that is gone. Nothing is lost by an end by force: what is
            # not committed is read again.
            timer = threading.Timer(END_WITHIN_S, os._exit, args=(0,))
            timer.daemon = True
            timer.start()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
    return stop
