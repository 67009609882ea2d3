"""Copies of bodies, held within bounds, and the end of an exchange.

Whoever follows traffic (the tap on a connection, a middleware inside of the server) keeps pieces
here as they pass. A body that is larger than an event may be, or does not fit into what may wait in
memory, is forgotten and that is noted; the exchange goes on without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from producers.budget import ByteBudget
from producers.counters import Counters
from producers.sidecar.exchange import Exchange, Message
from producers.sidecar.protocols.protocol import WireProtocol
from producers.sidecar.streams import media_type

# What a piece of a body costs beside its bytes, roughly: a stream of tiny chunks must be bounded.
PIECE_OVERHEAD = 64
# What is kept of either end of a stream that is too long to keep.
END_BYTES = 64 * 1024

FAMILIES = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")


@dataclass(frozen=True, slots=True)
class CopyRules:
    """What all that follow traffic in one process share.

    Attributes:
        recognise: what understands a request, by method, path and headers; None for nothing.
        deliver: takes a finished exchange; must not block, must not raise.
        mint: the id to put on an answer, None for none; absent when ids are not minted.
        body_limit: bytes of one body that are kept at most.
        reserve: bytes of the budget that copies leave to the events.
    """

    recognise: Callable[[Exchange], WireProtocol | None]
    deliver: Callable[[Exchange], None]
    budget: ByteBudget
    counters: Counters
    body_limit: int
    reserve: int = 0
    mint: Callable[[Exchange], str | None] | None = None
    wall_ms: Callable[[], int] = lambda: int(time.time() * 1000)

    def keep(self, exchange: Exchange, message: Message, piece: bytes, now: float) -> None:
        """Keep a piece of a body that came at `now` (monotonic seconds)."""
        message.size += len(piece)
        if message.cut is not None and message.ends_after is None:
            return
        protocol = exchange.protocol
        if protocol is None or not protocol.reads_bodies:
            message.cut = "not_read"
            return
        cost = len(piece) + PIECE_OVERHEAD
        is_too_large = message.size > self.body_limit
        if is_too_large and not (message is exchange.response and _is_event_stream(message)):
            self.forget(message)
            message.cut = "oversized"
        elif not self.budget.take(cost, reserve=self.reserve):
            self.forget(message)
            message.cut = "queue_full"
        else:
            message.kept += cost
            message.body.append(piece)
            message.arrivals.append(now)
            if is_too_large:
                message.cut = "oversized"
                if message.ends_after is None or message.kept > 4 * END_BYTES:
                    # Seldom, so that a long stream of small pieces is not gone through for each.
                    self.budget.give(forget_middle(message))

    def forget(self, message: Message) -> None:
        """Give back what is held of a body."""
        self.budget.give(message.kept)
        message.kept, message.ends_after = 0, None
        message.body.clear()
        message.arrivals.clear()

    def end(self, exchange: Exchange, now: float) -> None:
        """Note when an exchange was over; what nobody reads is forgotten."""
        exchange.ended = exchange.response.ended = now
        exchange.ended_at = self.wall_ms()
        if not exchange.request.complete:
            exchange.request.cut = exchange.request.cut or "unfinished"
        if exchange.protocol is None:
            self.forget(exchange.request)
            self.forget(exchange.response)


def forget_middle(message: Message) -> int:
    """Keep only the beginning and the end of a body; the bytes that this gives back.

    A stream of tokens has its first token in the one, and the counts and the reason in the other.

    >>> message = Message(body=[bytes(END_BYTES)] * 4, arrivals=[0.0] * 4)
    >>> forget_middle(message) == 2 * (END_BYTES + PIECE_OVERHEAD), len(message.body)
    (True, 2)
    """
    first = message.ends_after
    if first is None:
        first, size = 0, 0
        while size < END_BYTES and first < len(message.body):
            size += len(message.body[first])
            first += 1
        message.ends_after = first
    last, size = len(message.body) - 1, 0
    while last >= first and size < END_BYTES:
        size += len(message.body[last])
        last -= 1
    freed = sum(len(piece) + PIECE_OVERHEAD for piece in message.body[first : last + 1])
    del message.body[first : last + 1]
    del message.arrivals[first : last + 1]
    message.kept -= freed
    return freed


def _is_event_stream(message: Message) -> bool:
    return media_type(message.header(b"content-type")) == "text/event-stream"
