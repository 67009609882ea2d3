"""The thread that reads what the taps copied, so that no parsing ever holds up the traffic.

It wakes ten times a second, or when much waits: a thread that woke for each exchange would take
the interpreter from the event loop just when the next request comes. Whatever goes wrong while one
exchange is read costs that exchange's prediction, never its latency event, never the thread.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from functools import cache
from threading import Event, Thread

from inferwatch.events.kinds import Kind
from inferwatch.events.latency import Latency
from inferwatch.events.prediction import Prediction
from producers.budget import ByteBudget
from producers.counters import Counters
from producers.sidecar.content import ContentError, unpack
from producers.sidecar.events import EventMaker
from producers.sidecar.exchange import Exchange, Message
from producers.sidecar.protocols.protocol import (
    Bodies,
    DecodedExchange,
    LearnedNames,
    ReportedTruth,
    UndecodableError,
)
from producers.sink import Sink

log = logging.getLogger("inferwatch.sidecar")

GATHER_S = 0.1
# What waits then is read at once.
MUCH_BYTES = 4 * 2**20
# What an exchange costs beside its bodies: its two heads and its objects.
EXCHANGE_OVERHEAD = 4096
# As a guest in somebody's process this thread lets go of the interpreter after so much work, for so
# long: else it keeps the process's own threads waiting for Python's switch interval, 5 ms.
WORK_S = 0.0005
REST_S = 0.00005

# Exchanges, or prediction rows, whose events are handed over together.
CHUNK = 32
CHUNK_ROWS = 256

_LOST = ("oversized", "queue_full")


class Reader:
    """Takes finished exchanges, hands events to the publisher."""

    def __init__(
        self,
        maker: EventMaker,
        sink: Sink,
        budget: ByteBudget,
        counters: Counters,
        *,
        body_limit: int,
        seen: Callable[[Latency], None] = lambda _latency: None,
        is_guest: bool = False,
    ) -> None:
        """Read nothing before `start`.

        Args:
            maker: makes the events.
            sink: takes them.
            budget: bounds what waits, for whoever delivers exchanges too.
            counters: where everybody counts.
            body_limit: bytes of one body, unpacked, that are read at most.
            seen: hears of every successful inference: who serves which model.
            is_guest: whether the interpreter is somebody else's: then this thread rests often.
        """
        self._maker = self._next_maker = maker
        self._sink = sink
        self._budget = budget
        self._counters = counters
        self._body_limit = body_limit
        self._seen = seen
        self._is_guest = is_guest
        self._is_busy = False
        self._exchanges = cache(lambda name: counters.count("exchanges_total", protocol=name))
        self._latencies: list[Latency] = []
        self._predictions: list[Prediction] = []
        self._read_bytes = 0
        self._trouble: str | None = None
        self._queue: deque[Exchange] = deque()
        self._held = 0
        self._wake = Event()
        self._hurry = Event()
        self._closing = False
        self._thread = Thread(target=self._run, name="reader", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, exchange: Exchange) -> None:
        """Take an exchange; called on the event loop, takes a microsecond."""
        if not self._budget.take(EXCHANGE_OVERHEAD):
            self._budget.give(exchange.held)
            if exchange.protocol is not None and exchange.protocol.is_inference:
                self._sink.drop(Kind.LATENCY, 1, "queue_full")
                self._lose(exchange, "queue_full")
            return
        self.accept(exchange)

    def accept(self, exchange: Exchange) -> None:
        """Take an exchange for which the budget holds `EXCHANGE_OVERHEAD` too."""
        self._queue.append(exchange)
        self._held += exchange.held + EXCHANGE_OVERHEAD
        if not self._wake.is_set():
            self._wake.set()
        if self._held > MUCH_BYTES:
            self._held = 0
            self._hurry.set()

    def follow(self, maker: EventMaker) -> None:
        """Have `maker` make the events of every exchange that is read from now on."""
        self._next_maker = maker

    def hurry(self) -> None:
        """Read at once what was taken."""
        self._wake.set()
        self._hurry.set()

    @property
    def is_idle(self) -> bool:
        """Whether everything that was taken has been read and handed over."""
        return not self._queue and not self._is_busy

    def close(self, timeout_s: float) -> None:
        """Read what was taken, then end."""
        self._closing = True
        self.hurry()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._hurry.wait(GATHER_S)
            self._wake.clear()
            if not self._closing:
                self._hurry.clear()
            self._is_busy = True
            rested = time.monotonic()
            while self._queue:
                self._read(self._queue.popleft())
                if len(self._latencies) >= CHUNK or len(self._predictions) >= CHUNK_ROWS:
                    self._hand_over()
                if self._is_guest and time.monotonic() - rested > WORK_S:
                    time.sleep(REST_S)
                    rested = time.monotonic()
            self._hand_over()
            self._is_busy = False
            if self._closing:
                return

    def _read(self, exchange: Exchange) -> None:
        if self._maker is not self._next_maker:
            # Between two exchanges, so that each one is under the same rules from end to end.
            self._next_maker.learn_from(self._maker)
            self._maker = self._next_maker
        try:
            self._make_events(exchange)
        except Exception:
            # The last net: a defect of ours costs this one exchange.
            self._counters.add("tap_errors_total", where="reader")
            log.exception("an exchange could not be read; the traffic is not affected")
        self._read_bytes += exchange.held + EXCHANGE_OVERHEAD

    def _hand_over(self) -> None:
        """Publish a chunk's events together, and give back what their exchanges held."""
        latencies, self._latencies = self._latencies, []
        predictions, self._predictions = self._predictions, []
        self._budget.give(self._read_bytes)
        self._read_bytes = 0
        if latencies:
            self._sink.publish(Kind.LATENCY, latencies)
        if predictions:
            self._sink.publish(Kind.PREDICTION, predictions)

    def _make_events(self, exchange: Exchange) -> None:
        protocol = exchange.protocol
        assert protocol is not None
        self._exchanges(protocol.name).value += 1
        latency: Latency | None = None
        self._trouble = None
        try:
            decoded = protocol.decode(exchange, self._bodies(exchange))
            if isinstance(decoded, DecodedExchange):
                latency, predictions, lost = self._maker.make(exchange, decoded)
                self._predictions += predictions
                if lost is not None:
                    self._lose(exchange, lost)
            else:
                self._take_aside(exchange, decoded)
        except UndecodableError as error:
            if protocol.is_inference:
                self._lose(exchange, error.reason)
        except Exception as error:
            # Whatever the wire brought, the latency event is still owed. What the message says
            # may quote the payload, so only its kind is told.
            self._counters.add("tap_errors_total", where=protocol.name)
            self._lose(exchange, "reader_error")
            log.warning("%s could not be read: %s", protocol.name, type(error).__name__)
        if not protocol.is_inference:
            return
        if latency is None:
            latency = self._maker.latency_only(exchange)
        if latency is None:
            self._counters.add("payloads_dropped_total", reason="no_model")
        else:
            self._latencies.append(latency)
            if latency.status is not None and latency.status < 300:
                self._seen(latency)

    def _take_aside(self, exchange: Exchange, told: LearnedNames | ReportedTruth) -> None:
        """Take what an exchange says that is no inference."""
        if isinstance(told, LearnedNames):
            self._maker.learn(told)
            return
        labels = self._maker.labels(exchange, told)
        if labels:
            self._sink.publish(Kind.LABEL, labels)

    def _lose(self, exchange: Exchange, reason: str) -> None:
        """Count a payload that gives no prediction; what was lost for want of room is a hole."""
        cuts = [m.cut for m in (exchange.request, exchange.response) if m.cut in _LOST]
        if reason == "no_body":
            reason = next(iter(cuts), None) or self._trouble or reason
        self._counters.add("payloads_dropped_total", reason=reason)
        if reason in _LOST and exchange.status is not None and exchange.status < 300:
            # How many rows it held is not known: at least one.
            self._sink.drop(Kind.PREDICTION, 1, reason)

    def _bodies(self, exchange: Exchange) -> Bodies:
        return Bodies(self._body(exchange.request), self._body(exchange.response))

    def _body(self, message: Message) -> bytes | None:
        if message.cut is not None or not message.complete:
            return None
        body = message.body[0] if len(message.body) == 1 else b"".join(message.body)
        try:
            return unpack(body, message.header(b"content-encoding"), self._body_limit)
        except ContentError as error:
            # The other half may still say which model this was.
            self._trouble = error.reason
            return None
