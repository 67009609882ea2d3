"""The tap on one client connection: copies of what passed, cut into exchanges.

It only ever looks at bytes that have already been passed on. Whatever it cannot read (another
protocol, HTTP/2, a tunnel, a malformed head) makes it blind for the rest of the connection: the
traffic goes on, nothing more is learned from it, and that is counted by reason.

Pipelined requests are answered in order, so the exchanges that wait form a queue: requests join
at its end, the answer that arrives belongs to its head.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from producers.counters import Count
from producers.sidecar.copies import FAMILIES, CopyRules
from producers.sidecar.exchange import Exchange, Message
from producers.sidecar.http1 import NotHttpError, RequestReader, ResponseReader, Tunnel
from producers.sidecar.http2 import PREFACE, Http2


@dataclass(frozen=True, slots=True)
class TapRules:
    """What every tap of one sidecar shares: how copies are kept, and the counters by status."""

    copies: CopyRules
    by_status: list[Count] = field(init=False)

    def __post_init__(self) -> None:
        """Look the counters up once."""
        counters = self.copies.counters
        counts = [counters.count("requests_total", status=name) for name in FAMILIES]
        object.__setattr__(self, "by_status", counts)


class Tap:
    """Follows one connection in both directions; `now` is always monotonic seconds."""

    def __init__(self, rules: TapRules) -> None:
        """Begin with the first byte of a connection."""
        self._by_status = rules.by_status
        self._copies = rules.copies
        self._waiting: deque[Exchange] = deque()
        self._in_doubt: list[Exchange] | None = None
        self._requests = RequestReader(self)
        self._responses = ResponseReader(self)
        # What came so far, as long as it may be the beginning of HTTP/2.
        self._opening: bytes | None = b""
        self._http2: Http2 | None = None
        self.blind: str | None = None
        self.now = 0.0

    # ---- what the splice tells

    def request(self, data: bytes, now: float) -> None:
        """Bytes of the client, already passed on."""
        if self.blind is None:
            self.now = now
            if self._opening is not None:
                data = self._opening + data
                if len(data) < len(PREFACE) and PREFACE.startswith(data):
                    self._opening = data
                    return
                self._opening = None
                if data.startswith(PREFACE):
                    self._http2 = Http2(self)
            self._read(self._requests.feed if self._http2 is None else self._http2.request, data)

    def response(self, data: bytes, now: float) -> None:
        """Bytes of the upstream, already passed on."""
        if self.blind is None:
            self.now = now
            if self._http2 is not None:
                self._read(self._http2.response, data)
                return
            careful = self._responses.feed_by_lines if self._headless() else self._responses.feed
            self._read(careful, data)

    def response_to_mark(self, data: bytes, now: float) -> bytes:
        """Bytes of the upstream, to be passed on with the minted header where one belongs."""
        if self.blind is not None or self._http2 is not None:
            self.response(data, now)
            return data
        self.now = now
        marked = bytearray()
        for line in _lines(data):
            header = self._header_before(line)
            if header is not None:
                marked += header
            marked += line
            if self.blind is None:
                self._read(self._responses.feed_by_lines, line)
        return bytes(marked)

    def answered_here(self, status: int, error: str, now: float) -> None:
        """The sidecar has answered the oldest request itself; the others have failed with it."""
        self.now = now
        self._fail_all(status, error)

    def client_half_closed(self) -> None:
        """The client has ended its half: whether it still listens is known later (`settle`)."""
        if self._waiting:
            self._in_doubt = []

    def settle(self, *, gone: bool) -> None:
        """Deliver what ended after the client's half close; `gone`: it did not listen any more."""
        in_doubt, self._in_doubt = self._in_doubt or [], None
        for exchange in in_doubt:
            if gone:
                exchange.status, exchange.error = 499, "client_closed"
            self._copies.deliver(exchange)

    def client_gone(self, now: float) -> None:
        """The client's connection is over; what it still waited for has no reader."""
        self.now = now
        self._fail_all(499, "client_closed")

    def upstream_gone(self, now: float, *, reset: bool) -> None:
        """The upstream's connection is over: this ends a body that runs until the close."""
        self.now = now
        if self._responses.runs_until_close and not reset:
            self.response_ended()
        if self._in_doubt is not None and not reset:
            # Servers give up when the client ends its half: it was the client that went first.
            self._fail_all(499, "client_closed")
        else:
            self._fail_all(502, "upstream_reset" if reset else "upstream_closed")

    def go_blind(self, reason: str) -> None:
        """Read no more of this connection, and keep nothing of it."""
        self.blind = reason
        self._copies.counters.add("untapped_connections_total", reason=reason)
        streams = self._http2.streams if self._http2 is not None else {}
        for exchange in (*self._waiting, *(self._in_doubt or ()), *streams.values()):
            self._copies.forget(exchange.request)
            self._copies.forget(exchange.response)
        self._waiting.clear()
        streams.clear()
        self._in_doubt = None

    @property
    def is_idle(self) -> bool:
        """Whether no answer can be on its way; never known of a connection that is not read."""
        streams = self._http2.streams if self._http2 is not None else ()
        return self.blind is None and not self._waiting and not streams

    def close(self) -> None:
        """Let go of the parsers, which hold what holds them."""
        self._requests.close()
        self._responses.close()

    @property
    def waiting(self) -> Exchange | None:
        """The oldest request without a whole answer."""
        return self._waiting[0] if self._waiting else None

    @property
    def has_answer_begun(self) -> bool:
        """Whether a byte of the oldest request's answer has passed."""
        return self._responses.mid_message

    # ---- what the two readers find

    def request_began(self, exchange: Exchange) -> None:
        """A request's head is whole."""
        exchange.protocol = self._copies.recognise(exchange)
        self._waiting.append(exchange)

    def stream_began(self, exchange: Exchange) -> None:
        """A request's head is whole, on a connection of many."""
        exchange.protocol = self._copies.recognise(exchange)

    def stream_ended(self, exchange: Exchange) -> None:
        """An exchange of such a connection is over."""
        self._end(exchange)

    def keep(self, exchange: Exchange, message: Message, piece: bytes) -> None:
        """Keep a piece of a body, within the bounds."""
        self._copies.keep(exchange, message, piece, self.now)

    def response_ended(self) -> None:
        """The answer to the oldest request is whole."""
        exchange = self._waiting.popleft()
        exchange.response.complete = True
        self._end(exchange)

    # ---- endings

    def _end(self, exchange: Exchange) -> None:
        if not exchange.request.complete:
            # Answered before it was sent to the end: what is still to come is not its own any more.
            self._requests.detach(exchange)
        self._copies.end(exchange, self.now)
        self._by_status[min((exchange.status or 0) // 100, 5)].value += 1
        if exchange.protocol is None:
            return
        if self._in_doubt is None:
            self._copies.deliver(exchange)
        else:
            self._in_doubt.append(exchange)

    def _fail_all(self, status: int, error: str) -> None:
        if self._http2 is not None:
            self._http2.fail_all(status, error)
        while self._waiting:
            exchange = self._waiting.popleft()
            begun = exchange.status is not None
            if begun and status == 502:
                error = "upstream_truncated"
            else:
                exchange.status = status
            exchange.error = error
            self._end(exchange)

    # ---- reading

    def _headless(self) -> bool:
        return any(e.method in ("HEAD", "CONNECT") for e in self._waiting)

    def _read(self, feed: Callable[[bytes], None], data: bytes) -> None:
        try:
            feed(data)
        except Tunnel:
            self.go_blind("tunnel")
        except NotHttpError as error:
            self.go_blind(error.reason)

    def _header_before(self, line: bytes) -> bytes | None:
        """The minted header, where `line` is the empty one that ends a final answer's head."""
        exchange = self.waiting
        mint = self._copies.mint
        if (
            mint is None
            or exchange is None
            or exchange.protocol is None
            or line.strip() != b""
            or not self._responses.in_final_head
        ):
            return None
        # Known a moment before the reader tells them: the head ends with this line.
        exchange.status = self._responses.status
        exchange.response.headers = self._responses.headers
        exchange.minted = mint(exchange)
        if exchange.minted is None:
            return None
        return f"X-Inference-Id: {exchange.minted}\r\n".encode()


def _lines(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    last = lines.pop()
    whole = [line + b"\n" for line in lines]
    return [*whole, last] if last else whole
