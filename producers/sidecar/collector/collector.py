"""Takes loggers' events, and hands whole exchanges to the reader.

An exchange is over when its second half is here. `ts` is the time of the response's event, the
latency lies between the times of both events; where the events tell no time, or the response's
lies before the request's, when they came stands for it. Loggers tell of answers with status 200
only: a request whose answer does not come within `wait` makes a latency event with status 504 and
error `no_response`, at the request's time, and no prediction. An answer without a request makes
nothing. Every half is counted once, by what became of it.

All of this runs on the event loop; payloads are parsed in the reader's thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from urllib.parse import quote

from inferwatch.events.kinds import Kind
from inferwatch.settings.sidecar import SidecarSettings
from producers.sidecar.admin.server import Request, Response
from producers.sidecar.collector.cloud_event import (
    CloudEvent,
    CloudEventError,
    is_structured,
    read_cloud_events,
)
from producers.sidecar.collector.half import Half, kind_of, read_half
from producers.sidecar.collector.logged import LoggedFeedback, LoggedInference
from producers.sidecar.collector.pairs import Pair, Pairs
from producers.sidecar.exchange import Exchange, Message
from producers.sidecar.outlet import Outlet
from producers.sidecar.protocols.protocol import WireProtocol
from producers.sidecar.protocols.seldon_v1 import SeldonFeedback

log = logging.getLogger("inferwatch.sidecar")

# Knative takes an answer with a body for an event in reply, and refuses it.
_TAKEN = Response(200, b"")
_LONGEST_TICK_S = 1.0


class Collector:
    """Pairs what loggers send; `start` lets what waits too long expire."""

    def __init__(
        self,
        settings: SidecarSettings,
        outlet: Outlet,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        """Take nothing yet."""
        self._wait_s = settings.collector.wait / 1000
        self._pairs = Pairs(self._wait_s, settings.collector.pairs)
        self._copies = outlet.copies
        self._reader = outlet.reader
        self._sink = outlet.publisher
        self._inference = LoggedInference(settings, outlet.copies.recognise)
        self._feedback = LoggedFeedback(SeldonFeedback())
        self._monotonic = monotonic
        self._wall_ms = wall_ms
        self._ticking: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._has_paired = False
        self._has_warned = False
        outlet.counters.gauge("halves_waiting", lambda: float(len(self._pairs)))

    def follow(self, settings: SidecarSettings) -> None:
        """Read payloads by other rules from now on."""
        self._inference = LoggedInference(settings, self._copies.recognise)

    def start(self) -> None:
        """Begin to look for what waits too long, on the running event loop."""
        every_s = min(_LONGEST_TICK_S, self._wait_s / 4)
        self._ticking = asyncio.get_running_loop().call_later(every_s, self._tick)

    def close(self) -> None:
        """Give up what waits, and take nothing more."""
        self._is_closed = True
        if self._ticking is not None:
            self._ticking.cancel()
        for half in self._pairs.clear():
            self._drop(half, "shutdown")

    def __call__(self, request: Request) -> Response:
        """Take the events of a request, until one does not fit: then the sender has them all."""
        if self._is_closed:
            return Response.json(503, {"error": "closing"}, ("Retry-After", "5"))
        limit = self._copies.body_limit
        if is_structured(request.headers) and len(request.body) > limit:
            # Whose it is could only be found out by parsing it here, on the event loop.
            return Response.json(413, {"error": f"the event is larger than {limit} bytes"})
        try:
            events = read_cloud_events(request.headers, request.body)
        except CloudEventError as error:
            return Response.json(400, {"error": str(error)})
        if not all(self._take(event) for event in events):
            return Response.json(503, {"error": "the queue is full"}, ("Retry-After", "5"))
        return _TAKEN

    def expire(self) -> None:
        """Give up the halves that have waited long enough."""
        now = self._monotonic()
        for half in self._pairs.overdue(now):
            self._count(half, "expired")
            if half.kind == "request":
                self._unanswered(half, now)
            else:
                self._copies.forget(half.message)

    # ---- one event

    def _take(self, event: CloudEvent) -> bool:
        kind = kind_of(event)
        if kind is None:
            self._copies.counters.add("cloud_events_ignored_total")
            return True
        now, limit = self._monotonic(), self._copies.body_limit
        half = read_half(event, kind, limit, now, self._wall_ms())
        if not self._has_room(half):
            self._count(half, "queue_full")
            return False
        if kind == "feedback":
            self._count(half, "taken")
            self._deliver(half, self._feedback, half.message, Message(), 200, 0.0)
            return True
        outcome = self._pairs.add(half)
        if isinstance(outcome, Pair):
            self._has_paired = True
            self._paired(outcome)
        elif outcome is not None:
            self._copies.forget(half.message)
            self._count(half, outcome)
        for oldest in self._pairs.overflow(now):
            self._drop(oldest, "pairs_full")
        return True

    def _has_room(self, half: Half) -> bool:
        """Hold the half's bytes, without its payload where that has no room.

        The half itself must not be lost while there is any: without its answer a request would
        be told of as one that the model never answered.
        """
        budget, message = self._copies.budget, half.message
        if budget.take(message.kept, reserve=self._copies.reserve):
            return True
        if half.kind == "feedback":
            return False
        bare = message.kept - sum(map(len, message.body))
        if budget.take(bare):
            message.body, message.arrivals = [], []
            message.kept, message.cut = bare, message.cut or "queue_full"
            return True
        other = self._pairs.give_up(half)
        if other is not None:
            self._drop(other, "queue_full")
        return False

    def _paired(self, pair: Pair) -> None:
        request, response = pair
        self._count(request, "paired")
        self._count(response, "paired")
        took_s = _took_s(request, response)
        self._deliver(response, self._inference, request.message, response.message, 200, took_s)

    def _unanswered(self, request: Half, now: float) -> None:
        if not self._has_paired and not self._has_warned:
            self._has_warned = True
            log.warning("requests are logged without answers: does the logger have `mode: all`?")
        waited_s, error = now - request.came, "no_response"
        self._deliver(request, self._inference, request.message, Message(), 504, waited_s, error)

    # ---- what becomes of it

    def _deliver(
        self,
        last: Half,
        protocol: WireProtocol,
        request: Message,
        response: Message,
        status: int,
        took_s: float,
        error: str | None = None,
    ) -> None:
        """Hand over an exchange that took so long, and whose `ts` is the time of `last`."""
        ended_at = last.came_ms if last.at_ms is None else int(last.at_ms)
        # The model's name in the place of a path: no event tells the path.
        target = "/" + quote(last.model or "", safe="")
        ended = request.started + took_s
        exchange = Exchange("POST", target, request, response, status, error, ended, ended_at)
        exchange.protocol = protocol
        self._reader.put(exchange)

    def _drop(self, half: Half, reason: str) -> None:
        """Lose a half for want of room or time: its latency event leaves a hole."""
        self._copies.forget(half.message)
        self._count(half, reason)
        if half.kind == "request":
            self._sink.drop(Kind.LATENCY, 1, reason)

    def _count(self, half: Half, outcome: str) -> None:
        self._copies.counters.add("halves_total", half=half.kind, outcome=outcome)

    def _tick(self) -> None:
        try:
            self.expire()
        except Exception:
            self._copies.counters.add("tap_errors_total", where="collector")
            log.exception("halves could not be given up; it goes on")
        self.start()


def _took_s(request: Half, response: Half) -> float:
    """Seconds from the request to its answer, by their own times where they can be true."""
    asked, answered = request.at_ms, response.at_ms
    if asked is not None and answered is not None and answered >= asked:
        return (answered - asked) / 1000
    return max(0.0, response.came - request.came)
