"""The spool: a thread that writes what Kafka has not taken, and reads it back for Kafka.

Guarantees: nobody waits for the disk but this thread; what is written survives the end of the
process, after a second also that of the machine; a full or broken disk costs a line in the log and
a count, and the events go on through memory. What dead processes left is claimed and sent too.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Condition, Thread

from inferwatch.events.kinds import Kind
from producers.budget import ByteBudget
from producers.counters import Counters
from producers.delivery import TOPICS
from producers.spool.claims import Claim, Place
from producers.spool.disk_queue import DiskQueue
from producers.spool.line import Line
from producers.spool.partitions import recall, remember
from producers.spool.recovery import count_dropped, count_error, recover
from producers.spool.segment import Segment

log = logging.getLogger("inferwatch.spool")

TICK_S = 0.25
FULL, BROKEN = "spool_full", "spool_error"
"""Why rows are dropped that memory has no room for, when the disk had none either."""

_SEGMENT_BYTES = 4 * 2**20
_SYNC_S = 1.0
_LOOK_S = 10.0
# Each holds a descriptor; what is left over is for the next look, or for another process.
_MOST_CLAIMS = 8
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0


class Spool:
    """The lines of all topics, and their thread.

    Attributes:
        lines: this process's own, by topic.
        trouble: why nothing can be written now: `spool_full`, `spool_error` or None.
    """

    def __init__(
        self,
        place: Place,
        limit: int,
        *,
        origin: str,
        budget: ByteBudget,
        counters: Counters,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Touch no disk before `start`.

        Args:
            place: where the folders are.
            limit: bytes of this process's files, with what it claimed.
            origin: the name of its folder.
            budget: holds what is in memory.
            counters: where to count.
            clock: seconds that only rise.
        """
        self._place = place
        self._room = ByteBudget(limit)
        self._origin = origin
        self._budget = budget
        self._counters = counters
        self._clock = clock
        self._segment_bytes = min(_SEGMENT_BYTES, max(limit // 8, 4096))
        self.lines = {kind: Line(kind, budget, wake=self.wake) for kind in Kind}
        self.trouble: str | None = None
        self._own: Claim | None = None
        self._partitions: dict[Kind, int] = {}
        self._claims: list[tuple[Claim, list[Line]]] = []
        self._unreadable: list[Claim] = []
        self._fresh: list[Line] = []
        self._is_used = self._has_begun = False
        self._retry_at = self._look_at = self._sync_at = float("-inf")
        self._pause_s = _FIRST_PAUSE_S
        self._before: Callable[[], None] = lambda: None
        self._after: Callable[[], None] = lambda: None
        self._wake = Condition()
        self._is_woken = self._is_closing = self._has_more = False
        self._thread = Thread(target=self._run, name="spool", daemon=True)
        counters.gauge("spool_bytes", lambda: float(self._room.used))
        counters.gauge("spool_limit_bytes", lambda: float(limit))
        counters.gauge("spool_rows", lambda: float(sum(line.rows for line in self._all())))

    @property
    def where(self) -> str:
        """The directory, and its bound, for people."""
        return f"{self._place.directory} (up to {self._room.limit / 2**20:.6g} MiB)"

    # ---- for everybody, from any thread

    def start(self, before: Callable[[], None], after: Callable[[], None]) -> None:
        """Start the thread; it calls `before` each round, `after` when there is more to take."""
        self._before, self._after = before, after
        self._thread.start()

    def wake(self) -> None:
        """Have the thread look at its lines at once."""
        with self._wake:
            self._is_woken = True
            self._wake.notify()

    def claimed(self) -> list[Line]:
        """Lines of dead processes that were claimed since the last call."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def close(self, timeout_s: float) -> None:
        """Write what is in memory only, for so long, and leave the files to the next process."""
        self._is_closing = True
        self.wake()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    # ---- the thread

    def _run(self) -> None:
        while not self._is_closing:
            self._round()
            with self._wake:
                if not self._is_woken:
                    self._wake.wait(TICK_S)
                self._is_woken = False
        self._end()

    def _round(self) -> None:
        try:
            self._before()
            if self.step(self._clock()):
                self._after()
        except Exception:
            # The last net: a defect of ours must not end the spool.
            self._counters.add("tap_errors_total", where="spool")
            log.exception("the spool failed; it goes on")
            time.sleep(TICK_S)

    def _end(self) -> None:
        self._retry_at = float("-inf")
        for line in self.lines.values():
            line.save()
        self._round()
        for claim, lines in [*self._claims, (self._own, list(self.lines.values()))]:
            for line in lines:
                if line.disk is not None:
                    line.disk.close()
            if claim is not None:
                claim.release()
        for claim in self._unreadable:
            claim.release()

    def step(self, now: float) -> bool:
        """One round: claim, write, read; whether there is more to take than before.

        It never raises for the disk's sake.
        """
        self._has_more = bool(self._fresh)
        if now >= self._retry_at:
            self._attempt(self._claim, now)
        for line in self._all():
            line.forget()
        if now >= self._retry_at:
            self._attempt(self._write, now)
            self._attempt(self._sync, now)
            self._attempt(self._remember, now)
        # One dead process after the other: however many there were, memory is bounded.
        for line in [*self.lines.values(), *(self._claims[0][1] if self._claims else ())]:
            self._refill(line, can_write=now >= self._retry_at)
        self._let_go()
        return self._has_more

    def _attempt(self, what: Callable[[float], None], now: float) -> None:
        try:
            what(now)
        except OSError as error:
            count_error(self._counters, error)
            self._retry_at = now + self._pause_s
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
            self._turn_to(BROKEN, f"the spool {self._place.directory} cannot be used ({error})")

    def _claim(self, now: float) -> None:
        if self._own is None:
            self._own = self._place.claim(self._origin)
            for line in self.lines.values():
                line.disk = self._queue(self._own, line.kind)
            self._partitions = recall(self._place.folder)
            for kind, number in self._partitions.items():
                self.lines[kind].partitions = self.lines[kind].partitions or number
            for folder in self._place.strangers():
                log.warning(
                    "%s holds events for another Kafka or topic prefix: they are sent by a "
                    "sidecar with that one in its config",
                    folder,
                )
        elif self.trouble == BROKEN and not self._own.folder.exists():
            # Somebody cleared the directory: what was in it is counted when it is to be read.
            gone, self._own = self._own, self._place.claim(self._origin)
            gone.close()
        if now >= self._look_at:
            self._look_at = now + _LOOK_S
            dead = self._place.claim_dead()
            while len(self._claims) < _MOST_CLAIMS and (claim := next(dead, None)) is not None:
                try:
                    self._adopt(claim)
                except OSError:
                    claim.release()
                    raise

    def _adopt(self, claim: Claim) -> None:
        """Take over what a dead process left."""
        lines = [
            Line(kind, self._budget, self._queue(claim, kind, segments), wake=self.wake)
            for kind, segments in recover(claim.folder, self._counters).items()
        ]
        self._claims.append((claim, lines))
        if lines:
            self._fresh = [*self._fresh, *lines]
            self._is_used = True
            rows = sum(line.rows for line in lines)
            log.warning("%s left %d rows on disk: they are sent now", claim.folder.name, rows)

    def _queue(self, claim: Claim, kind: Kind, segments: list[Segment] | None = None) -> DiskQueue:
        return DiskQueue(
            claim.folder,
            kind,
            self._room,
            segment_bytes=self._segment_bytes,
            segments=segments or (),
        )

    def _write(self, _now: float) -> None:
        is_full = has_written = False
        for line in self.lines.values():
            try:
                is_full = not line.write() or is_full
            finally:
                rows, line.written_rows = line.written_rows, 0
                if rows:
                    has_written = True
                    topic = TOPICS[line.kind].name
                    self._counters.add("spool_rows_written_total", rows, topic=topic)
                    self._began()
        if is_full:
            self._turn_to(FULL, f"the spool {self.where} is full")
        elif self.trouble == FULL or (self.trouble == BROKEN and has_written):
            self.trouble = None
            self._pause_s = _FIRST_PAUSE_S
            log.warning("the spool %s takes events again", self._place.directory)

    def _refill(self, line: Line, *, can_write: bool) -> None:
        try:
            damaged, has_more = line.refill(can_write=can_write)
        except OSError as error:
            # Too many open files, or the like: the next round tries again.
            count_error(self._counters, error)
            return
        self._has_more = self._has_more or has_more
        for drop in damaged:
            log.error("%d rows of the spool cannot be read back: damaged", drop.rows)
            count_dropped(self._counters, line.kind, drop)

    def _sync(self, now: float) -> None:
        if now >= self._sync_at or self._is_closing:
            self._sync_at = now + _SYNC_S
            for line in self.lines.values():
                if line.disk is not None:
                    line.disk.sync()

    def _remember(self, _now: float) -> None:
        """Keep what is new about the numbers of partitions, for a start without Kafka."""
        known = {kind: line.partitions for kind, line in self.lines.items()}
        partitions = {kind: number for kind, number in known.items() if number is not None}
        if self._own is not None and partitions != self._partitions:
            self._partitions = partitions
            remember(self._place.folder, partitions)

    def _let_go(self) -> None:
        """Give back folders whose files are all gone; tell when the spool is empty again."""
        for held in list(self._claims):
            claim, lines = held
            if all(line.disk is None or line.disk.is_settled for line in lines):
                if len(self._claims) >= _MOST_CLAIMS:
                    self._look_at = float("-inf")
                self._claims.remove(held)
                if claim.is_empty:
                    claim.release()
                else:
                    # What cannot be read is looked at once, not every ten seconds.
                    self._unreadable.append(claim)
        if self._is_used and all(
            line.is_empty and (line.disk is None or line.disk.is_settled) for line in self._all()
        ):
            self._is_used = self._has_begun = False
            log.warning("the spool %s is empty again", self._place.directory)

    def _began(self) -> None:
        self._is_used = True
        if not self._has_begun:
            self._has_begun = True
            log.warning("events wait on disk now: %s", self.where)

    def _turn_to(self, trouble: str, text: str) -> None:
        if self.trouble != trouble:
            self.trouble = trouble
            log.warning(
                "%s: up to %.6g MiB wait in memory, then they are dropped and counted; "
                "traffic is not affected",
                text,
                self._budget.limit / 2**20,
            )

    def _all(self) -> list[Line]:
        return [*self.lines.values(), *(line for _, lines in self._claims for line in lines)]
