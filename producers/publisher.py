"""Sends events to Kafka from a thread of its own; whoever publishes never waits for it.

Guarantees: what waits is bounded in bytes; what does not fit is dropped, counted by reason, and
leaves a hole in the numbers; what was taken is sent again, under the same number, until the
broker has it or the process ends. A broker that is absent or dies costs memory up to the bound,
one line in the log, and another one when it is back.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Condition, Lock, Thread

from inferwatch.events.kinds import Kind
from inferwatch.settings.sidecar import BatchSettings
from producers.batching import Batch, Drop, Lane, size_in_memory
from producers.budget import ByteBudget
from producers.counters import Counters
from producers.delivery import HOPELESS, TOPICS, Broker
from producers.sink import Event

log = logging.getLogger("inferwatch.publisher")

# Batches of one topic that are on their way at a time.
WINDOW = 32
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
# So many rows are taken or dropped together.
_FEW = 16
_CLOSING_TICK_S = 0.02
# Small events keep this share of the bound for themselves.
RESERVED = 8


@dataclass(slots=True)
class _Road:
    """One topic's way to the broker.

    Attributes:
        waiting: made and not sent, or failed and to be sent again; oldest first.
        on_the_way: batches that the client has, by serial.
        not_before: monotonic seconds before which nothing is tried again.
    """

    lane: Lane
    waiting: deque[Batch] = field(default_factory=deque)
    on_the_way: dict[int, Batch] = field(default_factory=dict)
    partitions: int | None = None
    not_before: float = 0.0
    pause_s: float = _FIRST_PAUSE_S

    @property
    def pending_rows(self) -> int:
        rows = [b.rows for b in (*self.waiting, *self.on_the_way.values())]
        return len(self.lane.rows) + sum(rows)


class Publisher:
    """A sink whose events end in Kafka."""

    def __init__(
        self,
        connect: Callable[[], Broker],
        *,
        origin: str,
        limits: BatchSettings,
        budget: ByteBudget,
        counters: Counters,
        where: str = "Kafka",
        event_bytes: int = 2**20,
    ) -> None:
        """`connect` is called in the publisher's thread, again and again until it succeeds."""
        self._connect = connect
        self._where = where
        self._budget = budget
        self._counters = counters
        self._roads = {kind: _Road(Lane(kind, origin, limits, event_bytes)) for kind in Kind}
        self._wake = Condition()
        self._results: deque[tuple[Batch, BaseException | None]] = deque()
        self._burnt = dict.fromkeys(Kind, 0)
        self._burning = Lock()
        self._broker: Broker | None = None
        self._is_up: bool | None = None
        self._connect_at = 0.0
        self._pause_s = _FIRST_PAUSE_S
        self._deadline: float | None = None
        self._thread = Thread(target=self._run, name="publisher", daemon=True)
        counters.gauge("queue_bytes", lambda: float(budget.used))
        counters.gauge("queue_limit_bytes", lambda: float(budget.limit))
        counters.gauge("kafka_up", lambda: float(self._is_up or False))

    # ---- for everybody, from any thread

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def publish(self, kind: Kind, rows: Sequence[Event]) -> bool:
        """Take the rows that fit; False where some were dropped instead."""
        size = size_in_memory(kind, rows)
        reserve = self._budget.limit // RESERVED if kind is Kind.PREDICTION else 0
        if not self._budget.take(size, reserve=reserve):
            if len(rows) > _FEW:
                middle = len(rows) // 2
                first = self.publish(kind, rows[:middle])
                return self.publish(kind, rows[middle:]) and first
            self.drop(kind, len(rows), "queue_full")
            return False
        with self._wake:
            lane = self._roads[kind].lane
            is_first = lane.since is None
            lane.add(rows, size, time.monotonic())
            if is_first or lane.due_at() == 0.0:
                self._wake.notify()
        return True

    def offer(self, kind: Kind, rows: Sequence[Event]) -> bool:
        """Take the rows if there is room; else nothing was lost, the caller still has them."""
        size = size_in_memory(kind, rows)
        if not self._budget.take(size):
            return False
        with self._wake:
            self._roads[kind].lane.add(rows, size, time.monotonic())
            self._wake.notify()
        return True

    def drop(self, kind: Kind, rows: int, reason: str) -> None:
        """Count rows that will never come, and use up their numbers; waits for no batch.

        The numbers go before the next batch is made, in the thread that makes it.
        """
        with self._burning:
            self._burnt[kind] += rows
        self._count_dropped(kind, rows, reason)

    def hurry(self) -> None:
        """Send at once what was taken, however young and few the rows are."""
        with self._wake:
            for road in self._roads.values():
                if road.lane.since is not None:
                    road.lane.since = float("-inf")
            self._wake.notify()

    @property
    def pending_rows(self) -> int:
        """Rows that were taken and that the broker does not have yet."""
        with self._wake:
            return sum(road.pending_rows for road in self._roads.values())

    def close(self, timeout_s: float) -> None:
        """Send what was taken, for so long; what is left then is dropped and counted.

        A broker that is down, or was never reached, gets one second and not all of the time.
        """
        if not self._is_up:
            timeout_s = min(timeout_s, 1.0)
        with self._wake:
            self._deadline = time.monotonic() + timeout_s
            self._wake.notify()
        if self._thread.is_alive():
            # The client may sit in a call that waits for metadata: it is given up, not awaited.
            self._thread.join(timeout_s + 0.5)
        for kind, road in self._roads.items():
            if road.pending_rows:
                self._count_dropped(kind, road.pending_rows, "shutdown")

    def abandon(self) -> None:
        """Leave the connection to the parent process; for a child, whose copy has no thread."""
        if self._broker is not None:
            self._broker.abandon()

    # ---- the thread

    def _run(self) -> None:
        while True:
            self._wait()
            try:
                self._work()
            except Exception:
                # The last net: a defect of ours must not end the publishing.
                self._counters.add("tap_errors_total", where="publisher")
                log.exception("publishing failed; it goes on")
                time.sleep(_FIRST_PAUSE_S)
            if self._deadline is not None and self._is_over():
                break
        if self._broker is not None:
            self._broker.close(min(1.0, max(0.0, self._deadline - time.monotonic())))

    def _is_over(self) -> bool:
        assert self._deadline is not None
        everything_sent = not any(road.pending_rows for road in self._roads.values())
        return everything_sent or time.monotonic() >= self._deadline

    def _wait(self) -> None:
        with self._wake:
            if self._deadline is not None:
                self._wake.wait(_CLOSING_TICK_S)
            elif not self._results:
                # Woken by whatever changes the next time, so that it is looked at afresh.
                at = self._next_at()
                self._wake.wait(None if at == float("inf") else max(0.0, at - time.monotonic()))

    def _next_at(self) -> float:
        """When there is something to do, if nothing happens before (monotonic seconds)."""
        times = []
        for road in self._roads.values():
            reachable = road.not_before if self._broker else max(road.not_before, self._connect_at)
            due = road.lane.due_at()
            if due is not None:
                needs_broker = road.lane.needs_partitions() and road.partitions is None
                times.append(max(due, reachable) if needs_broker else due)
            if road.waiting and len(road.on_the_way) < WINDOW:
                times.append(reachable)
        return min(times, default=float("inf"))

    def _work(self) -> None:
        self._collect()
        self._make_batches()
        if any(road.waiting or road.lane.rows for road in self._roads.values()):
            self._reach_broker()
        if self._broker is not None:
            for kind, road in self._roads.items():
                self._send(kind, road)

    def _make_batches(self) -> None:
        now = time.monotonic()
        for kind, road in self._roads.items():
            with self._burning:
                burnt, self._burnt[kind] = self._burnt[kind], 0
            with self._wake:
                road.lane.burn(burnt, road.partitions)
                due = road.lane.due_at()
                if due is None or (due > now and self._deadline is None):
                    continue
                if road.lane.needs_partitions() and road.partitions is None:
                    continue
                made, size = road.lane.close(road.partitions)
            batches = [batch for batch in made if isinstance(batch, Batch)]
            self._budget.exchange(size, sum(batch.size for batch in batches))
            road.waiting.extend(batches)
            for drop in made:
                if isinstance(drop, Drop):
                    self._count_dropped(kind, drop.rows, drop.reason)

    def _reach_broker(self) -> None:
        now = time.monotonic()
        if self._broker is None and now >= self._connect_at:
            try:
                self._broker = self._connect()
            except Exception as error:
                self._connect_at = time.monotonic() + self._pause_s
                self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
                self._went_down(error)

    def _send(self, kind: Kind, road: _Road) -> None:
        assert self._broker is not None
        if time.monotonic() < road.not_before or not (road.waiting or road.lane.rows):
            return
        try:
            road.partitions = self._broker.partitions(kind)
            while road.waiting and len(road.on_the_way) < WINDOW:
                batch = road.waiting[0]
                road.on_the_way[batch.serial] = batch
                road.waiting.popleft()
                try:
                    self._broker.send(batch, self._done)
                except BaseException:
                    road.waiting.appendleft(road.on_the_way.pop(batch.serial))
                    raise
        except HOPELESS as error:
            self._give_up(road, road.waiting.popleft(), error) if road.waiting else None
        except Exception as error:
            self._hold(road, error)

    def _done(self, batch: Batch, error: BaseException | None) -> None:
        """Note what became of a batch; called by the client's thread."""
        self._results.append((batch, error))
        with self._wake:
            self._wake.notify()

    def _collect(self) -> None:
        while self._results:
            batch, error = self._results.popleft()
            road = self._roads[batch.kind]
            if road.on_the_way.pop(batch.serial, None) is None:
                continue
            if error is None:
                self._budget.give(batch.size)
                topic = TOPICS[batch.kind].name
                self._counters.add("rows_published_total", batch.rows, topic=topic)
                road.pause_s = _FIRST_PAUSE_S
                self._came_up()
            elif isinstance(error, HOPELESS):
                self._give_up(road, batch, error)
            else:
                # Back to its place: the order of making is the order of sending.
                road.waiting = deque(sorted((*road.waiting, batch), key=lambda b: b.serial))
                self._counters.add("batches_resent_total")
                self._hold(road, error)

    def _give_up(self, road: _Road, batch: Batch, error: BaseException) -> None:
        self._budget.give(batch.size)
        self._counters.add("kafka_errors_total")
        self._count_dropped(batch.kind, batch.rows, "refused")
        log.error("%s refuses a batch of %d rows: %s", self._where, batch.rows, _words(error))

    def _hold(self, road: _Road, error: BaseException) -> None:
        road.not_before = time.monotonic() + road.pause_s
        road.pause_s = min(road.pause_s * 2, _LONGEST_PAUSE_S)
        self._went_down(error)

    def _went_down(self, error: BaseException) -> None:
        self._counters.add("kafka_errors_total")
        if self._is_up is not False:
            self._is_up = False
            log.warning(
                "%s does not take events (%s): up to %d MiB wait in memory, then they are dropped "
                "and counted; traffic is not affected",
                self._where,
                _words(error),
                self._budget.limit // 2**20,
            )

    def _came_up(self) -> None:
        self._pause_s = _FIRST_PAUSE_S
        if self._is_up is False:
            log.warning("%s takes events again", self._where)
        self._is_up = True

    def _count_dropped(self, kind: Kind, rows: int, reason: str) -> None:
        self._counters.add("rows_dropped_total", rows, topic=TOPICS[kind].name, reason=reason)


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:200] if text else type(error).__name__
