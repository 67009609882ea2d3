"""Sends events to Kafka from a thread of its own; whoever publishes never waits for it.

Guarantees: what waits is bounded in bytes; what does not fit is dropped, counted by reason, and
leaves a hole in the numbers; what was taken is sent again, under the same number, until the
broker has it or the process ends. A broker that is absent or dies costs memory up to the bound,
one line in the log, and another one when it is back. With a spool what waits goes to disk then,
and outlives the process.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from threading import Condition, Lock, Thread

from inferwatch.events.kinds import Kind
from inferwatch.settings.sidecar import BatchSettings
from producers.batching import Batch, Drop, Lane, size_in_memory
from producers.budget import ByteBudget
from producers.counters import Counters
from producers.delivery import HOPELESS, TOPICS, Broker
from producers.road import FIRST_PAUSE_S, LONGEST_PAUSE_S, WINDOW, Road
from producers.sink import Event
from producers.spool.spool import Spool

log = logging.getLogger("inferwatch.publisher")

# So many rows are taken or dropped together.
_FEW = 16
_CLOSING_TICK_S = 0.02
# Small events keep this share of the bound for themselves.
RESERVED = 8
# For writing to disk what is left at the end.
_SPOOL_CLOSING_S = 2.0


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
        spool: Spool | None = None,
    ) -> None:
        """`connect` is called in the publisher's thread, again and again until it succeeds."""
        self._connect = connect
        self._where = where
        self._budget = budget
        self._counters = counters
        self._spool = spool
        self._lanes = {kind: Lane(kind, origin, limits, event_bytes) for kind in Kind}
        self._roads = [
            Road(kind, lane, None if spool is None else spool.lines[kind])
            for kind, lane in self._lanes.items()
        ]
        self._wake = Condition()
        self._results: deque[tuple[Road, Batch, BaseException | None]] = deque()
        self._burnt = dict.fromkeys(Kind, 0)
        self._burning = Lock()
        self._broker: Broker | None = None
        self._is_up: bool | None = None
        self._connect_at = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._deadline: float | None = None
        self._is_nudged = False
        self._thread = Thread(target=self._run, name="publisher", daemon=True)
        counters.gauge("queue_bytes", lambda: float(budget.used))
        counters.gauge("queue_limit_bytes", lambda: float(budget.limit))
        counters.gauge("kafka_up", lambda: float(self._is_up or False))

    # ---- for everybody, from any thread

    def start(self) -> None:
        """Start the thread."""
        if self._spool is not None:
            self._spool.start(before=self._gather, after=self._nudge)
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
            lane = self._lanes[kind]
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
            self._lanes[kind].add(rows, size, time.monotonic())
            self._wake.notify()
        return True

    def drop(self, kind: Kind, rows: int, reason: str) -> None:
        """Count rows that will never come, and use up their numbers; waits for no batch.

        The numbers go before the next batch is made, in the thread that makes it.
        """
        with self._burning:
            self._burnt[kind] += rows
        if reason == "queue_full" and self._spool is not None:
            reason = self._spool.trouble or reason
        self._count_dropped(kind, rows, reason)

    def hurry(self) -> None:
        """Send at once what was taken, however young and few the rows are."""
        with self._wake:
            for lane in self._lanes.values():
                if lane.since is not None:
                    lane.since = float("-inf")
            self._wake.notify()

    @property
    def pending_rows(self) -> int:
        """Rows that were taken and that the broker does not have yet."""
        with self._wake:
            return sum(road.pending_rows for road in self._roads)

    @property
    def spooled_rows(self) -> int:
        """Rows that are on disk, for a later process if not for this one."""
        with self._wake:
            return sum(road.spooled_rows for road in self._roads)

    def close(self, timeout_s: float) -> None:
        """Send what was taken, for so long; what is left then is dropped and counted.

        With a spool it is written to disk, if that takes it within two seconds. A broker that is
        down, or was never reached, gets one second and not all of the time.
        """
        if not self._is_up:
            timeout_s = min(timeout_s, 1.0)
        with self._wake:
            self._deadline = time.monotonic() + timeout_s
            self._wake.notify()
        if self._thread.is_alive():
            # The client may sit in a call that waits for metadata: it is given up, not awaited.
            self._thread.join(timeout_s + 0.5)
        if self._spool is not None:
            self._deadline = time.monotonic()
            self._gather()
            self._spool.close(_SPOOL_CLOSING_S)
        for road in self._roads:
            if road.unsaved_rows:
                self._count_dropped(road.kind, road.unsaved_rows, "shutdown")

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
                time.sleep(FIRST_PAUSE_S)
            if self._deadline is not None and self._is_over():
                break
        if self._broker is not None:
            self._broker.close(min(1.0, max(0.0, self._deadline - time.monotonic())))

    def _is_over(self) -> bool:
        assert self._deadline is not None
        everything_safe = not any(road.unsaved_rows for road in self._roads)
        return everything_safe or time.monotonic() >= self._deadline

    def _wait(self) -> None:
        with self._wake:
            if self._deadline is not None:
                self._wake.wait(_CLOSING_TICK_S)
            elif not self._results and not self._is_nudged:
                # Woken by whatever changes the next time, so that it is looked at afresh.
                at = self._next_at()
                self._wake.wait(None if at == float("inf") else max(0.0, at - time.monotonic()))
            self._is_nudged = False

    def _next_at(self) -> float:
        """When there is something to do, if nothing happens before (monotonic seconds)."""
        times = []
        for road in self._roads:
            reachable = road.not_before if self._broker else max(road.not_before, self._connect_at)
            due = None if road.lane is None else road.lane.due_at()
            if due is not None and road.lane is not None:
                needs_broker = road.lane.needs_partitions() and road.known_partitions is None
                times.append(max(due, reachable) if needs_broker else due)
            if road.waiting and len(road.on_the_way) < WINDOW:
                times.append(reachable)
        return min(times, default=float("inf"))

    def _work(self) -> None:
        self._collect()
        self._gather()
        with self._wake:
            self._adopt()
            for road in self._roads:
                road.fetch(time.monotonic())
        if any(road.waiting or (road.lane and road.lane.rows) for road in self._roads):
            self._reach_broker()
        if self._broker is not None:
            for road in list(self._roads):
                self._send(road)

    def _gather(self) -> None:
        """Make the batches that are due, and leave to the spool what the broker does not take.

        The spool's thread does so too: this one may wait for a broker that does not answer.
        """
        now = time.monotonic()
        with self._wake:
            for road in self._roads:
                if road.lane is not None:
                    self._make_batches(road, road.lane, now)
                if road.line is not None and road.lane is not None:
                    road.line.is_needed = self._is_away(road, now)
                    if road.line.is_needed:
                        self._budget.exchange(0, road.spill(is_last=self._is_late(now)))

    def _is_away(self, road: Road, now: float) -> bool:
        is_gone = self._broker is None and self._is_up is False
        # A broker that is merely slow has as many as it gets, and memory fills behind them.
        has_all = self._broker is None or len(road.on_the_way) >= WINDOW
        is_crowded = self._budget.used * 2 > self._budget.limit
        is_slow = has_all and is_crowded
        return is_gone or is_slow or road.is_away(now) or self._is_late(now)

    def _is_late(self, now: float) -> bool:
        return self._deadline is not None and now >= self._deadline

    def _make_batches(self, road: Road, lane: Lane, now: float) -> None:
        with self._burning:
            burnt, self._burnt[road.kind] = self._burnt[road.kind], 0
        partitions = road.known_partitions
        lane.burn(burnt, partitions)
        due = lane.due_at()
        if due is None or (due > now and self._deadline is None):
            return
        if lane.needs_partitions() and partitions is None:
            return
        made, size = lane.close(partitions)
        batches = [batch for batch in made if isinstance(batch, Batch)]
        self._budget.exchange(size, sum(batch.size for batch in batches))
        self._budget.exchange(0, road.add(batches, now))
        for drop in made:
            if isinstance(drop, Drop):
                self._count_dropped(road.kind, drop.rows, drop.reason)

    def _adopt(self) -> None:
        """Take the roads of what dead processes left, until there is nothing left on them."""
        if self._spool is not None:
            self._roads += [Road(line.kind, None, line) for line in self._spool.claimed()]
            self._roads = [road for road in self._roads if not road.is_over]

    def _nudge(self) -> None:
        """Have the thread look again: the spool has batches for it."""
        with self._wake:
            self._is_nudged = True
            self._wake.notify()

    def _reach_broker(self) -> None:
        now = time.monotonic()
        if self._broker is None and now >= self._connect_at:
            try:
                self._broker = self._connect()
            except Exception as error:
                self._connect_at = time.monotonic() + self._pause_s
                self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
                self._went_down(error)

    def _send(self, road: Road) -> None:
        assert self._broker is not None
        has_rows = road.lane is not None and road.lane.rows
        if time.monotonic() < road.not_before or not (road.waiting or has_rows):
            return
        batch: Batch | None = None
        try:
            road.learn_partitions(self._broker.partitions(road.kind))
            while (batch := self._next(road)) is not None:
                self._broker.send(batch, partial(self._done, road))
        except Exception as error:
            if batch is None and isinstance(error, HOPELESS):
                batch = self._next(road)
            if batch is None:
                self._hold(road, error)
            else:
                self._done(road, batch, error)

    def _next(self, road: Road) -> Batch | None:
        with self._wake:
            return road.next()

    def _done(self, road: Road, batch: Batch, error: BaseException | None) -> None:
        """Note what became of a batch; called by the client's thread."""
        self._results.append((road, batch, error))
        with self._wake:
            self._wake.notify()

    def _collect(self) -> None:
        while self._results:
            road, batch, error = self._results.popleft()
            if batch.serial not in road.on_the_way:
                continue
            if error is None:
                with self._wake:
                    road.arrived(batch, time.monotonic())
                self._budget.give(batch.size)
                topic = TOPICS[batch.kind].name
                self._counters.add("rows_published_total", batch.rows, topic=topic)
                road.go_on()
                self._came_up()
            elif isinstance(error, HOPELESS):
                with self._wake:
                    road.arrived(batch, time.monotonic())
                self._give_up(batch, error)
            else:
                with self._wake:
                    is_back = road.failed(batch)
                if not is_back:
                    self._budget.give(batch.size)
                self._counters.add("batches_resent_total")
                self._hold(road, error)

    def _give_up(self, batch: Batch, error: BaseException) -> None:
        self._budget.give(batch.size)
        self._counters.add("kafka_errors_total")
        self._count_dropped(batch.kind, batch.rows, "refused")
        log.error("%s refuses a batch of %d rows: %s", self._where, batch.rows, _words(error))

    def _hold(self, road: Road, error: BaseException) -> None:
        road.hold(time.monotonic())
        self._went_down(error)

    def _went_down(self, error: BaseException) -> None:
        self._counters.add("kafka_errors_total")
        if self._is_up is not False:
            self._is_up = False
            disk = "" if self._spool is None else f"they wait on disk, in {self._spool.where}; "
            log.warning(
                "%s does not take events (%s): %sup to %.6g MiB wait in memory, then they are "
                "dropped and counted; traffic is not affected",
                self._where,
                _words(error),
                disk,
                self._budget.limit / 2**20,
            )

    def _came_up(self) -> None:
        self._pause_s = FIRST_PAUSE_S
        if self._is_up is False:
            log.warning("%s takes events again", self._where)
        self._is_up = True

    def _count_dropped(self, kind: Kind, rows: int, reason: str) -> None:
        self._counters.add("rows_dropped_total", rows, topic=TOPICS[kind].name, reason=reason)


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:200] if text else type(error).__name__
