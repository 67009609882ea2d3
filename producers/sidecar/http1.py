"""HTTP/1.x, read from copies: where messages begin and end, and what their heads say.

httptools (llhttp) does the parsing. What it cannot know is added here: an answer to HEAD has no
body whatever its head says; a request that asks for an upgrade may carry a body, and the server
may decline (Java's HTTP client sends every first request so).
"""

from __future__ import annotations

from typing import Any, Protocol

import httptools

from producers.sidecar.exchange import Exchange, Headers, Message

HEAD_LIMIT = 64 * 1024

# A tap reads what others have accepted already: where a peer is sloppy, so is the reader.
_LENIENT = {
    "lenient_headers": True,
    "lenient_transfer_encoding": True,
    "lenient_version": True,
    "lenient_data_after_close": True,
    "lenient_optional_lf_after_cr": True,
    "lenient_optional_cr_before_lf": True,
    "lenient_optional_crlf_after_chunk": True,
    "lenient_spaces_after_chunk_size": True,
}


class NotHttpError(Exception):
    """The bytes are no HTTP/1.x that can be followed; `reason` is a short class."""

    def __init__(self, reason: str) -> None:
        """Remember the reason."""
        super().__init__(reason)
        self.reason = reason


class Tunnel(Exception):
    """The upstream has accepted an upgrade or a tunnel."""


class Listener(Protocol):
    """Who is told what was found."""

    now: float

    @property
    def waiting(self) -> Exchange | None:
        """The oldest request without a whole answer."""

    def request_began(self, exchange: Exchange) -> None:
        """A request's head is whole."""

    def response_ended(self) -> None:
        """The answer to the oldest request is whole."""

    def keep(self, exchange: Exchange, message: Message, piece: bytes) -> None:
        """A piece of a body came."""


class RequestReader:
    """The client's side: requests, one after the other."""

    def __init__(self, listener: Listener) -> None:
        """Begin at the first byte."""
        self._listener = listener
        self._parser: Any = self._new_parser()
        self._exchange = Exchange()
        self._headers: Headers = []
        self._head = 0
        self._seen_any = False
        # Set while the body of an upgrade request is read by a parser of its own.
        self._resumes = False

    def _new_parser(self) -> Any:
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(**_LENIENT)
        return parser

    def feed(self, data: bytes) -> None:
        """Read on; raises NotHttpError when that is not possible."""
        if not self._seen_any:
            self._seen_any = True
            if data.startswith(b"PRI * HTTP/2"):
                raise NotHttpError("http2")
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_after_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError:
            raise  # a defect of ours, no fault of the bytes
        except httptools.HttpParserError as error:
            raise NotHttpError("not_http1") from error
        if self._head > HEAD_LIMIT:
            raise NotHttpError("head_too_large")

    def close(self) -> None:
        """Read no more."""
        self._parser = None

    def detach(self, exchange: Exchange) -> None:
        """Let go of an exchange that ended before its request did."""
        if self._exchange is exchange:
            self._exchange = Exchange()
            self._headers = self._exchange.request.headers

    def _go_on_after_upgrade(self, rest: bytes) -> None:
        # The parser stops after the head of such a request; unless the server accepts (then the
        # tap goes blind), its body and further requests follow as usual.
        self._parser = self._new_parser()
        request = self._exchange.request
        length = request.header(b"content-length")
        chunked = request.header(b"transfer-encoding")
        if chunked is not None or (length is not None and length.strip("0") != ""):
            framing = (
                f"Content-Length: {length}" if chunked is None else "Transfer-Encoding: chunked"
            )
            request.complete = False
            self._resumes = True
            self.feed(f"POST / HTTP/1.1\r\n{framing}\r\n\r\n".encode("latin-1"))
        if rest:
            self.feed(rest)

    # ---- httptools' callbacks

    def on_message_begin(self) -> None:
        """A request begins."""
        if self._resumes:
            return
        self._exchange = Exchange()
        request = self._exchange.request
        request.started = self._listener.now
        self._headers = request.headers
        self._head = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        if not self._resumes:
            self._head += len(url)
            self._exchange.target += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer."""
        if not self._resumes:
            self._head += len(name) + len(value)
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._resumes:
            self._resumes = False
            return
        self._exchange.method = self._parser.get_method().decode("latin-1")
        self._listener.request_began(self._exchange)

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        request = self._exchange.request
        if request.first_body is None:
            request.first_body = self._listener.now
        self._listener.keep(self._exchange, request, piece)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._exchange.request.complete = True
        self._exchange.request.ended = self._listener.now


class ResponseReader:
    """The upstream's side: answers, in the order of the requests."""

    def __init__(self, listener: Listener) -> None:
        """Begin at the first byte."""
        self._listener = listener
        self._parser: Any = self._new_parser()
        self._reset()

    def _new_parser(self) -> Any:
        parser = httptools.HttpResponseParser(self)
        parser.set_dangerous_leniencies(**_LENIENT)
        return parser

    def _reset(self) -> None:
        self.headers: Headers = []
        self.mid_message = False
        self._started = 0.0
        self._head_done = False
        self._bodyless = False
        self._tunnel = False
        self._head = 0
        self._exchange: Exchange | None = None

    @property
    def runs_until_close(self) -> bool:
        """Whether an answer is under way whose end is the end of the connection."""
        if not (self.mid_message and self._head_done) or self._exchange is None:
            return False
        response = self._exchange.response
        return (
            response.header(b"content-length") is None
            and response.header(b"transfer-encoding") is None
        )

    @property
    def in_final_head(self) -> bool:
        """Whether the head of a final answer (no 1xx) is being read."""
        if not self.mid_message or self._head_done:
            return False
        return self.status >= 200

    @property
    def status(self) -> int:
        """The status of the answer that is being read."""
        return int(self._parser.get_status_code())

    def feed(self, data: bytes) -> None:
        """Read on; raises NotHttpError when that is not possible, Tunnel after an upgrade."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise Tunnel from None
        except httptools.HttpParserCallbackError:
            raise  # a defect of ours, no fault of the bytes
        except httptools.HttpParserError as error:
            raise NotHttpError("not_http1") from error
        if self._tunnel:
            raise Tunnel
        if self._head > HEAD_LIMIT:
            raise NotHttpError("head_too_large")

    def close(self) -> None:
        """Read no more."""
        self._parser = None

    def feed_by_lines(self, data: bytes) -> None:
        """Read on, one line at a time: so the end of a head is always the end of a piece.

        Slow, and needed only while a HEAD or CONNECT waits for its answer: a parser that expects
        a body is then replaced before it reads one.
        """
        start = 0
        while start < len(data):
            end = data.find(b"\n", start) + 1 or len(data)
            self.feed(data[start:end])
            start = end
            if self._bodyless:
                self._parser = self._new_parser()
                self._finish()

    # ---- httptools' callbacks

    def on_message_begin(self) -> None:
        """An answer begins."""
        self._reset()
        self.mid_message = True
        self._started = self._listener.now

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer."""
        self._head += len(name) + len(value)
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._head_done = True
        status = self.status
        exchange = self._listener.waiting
        if status < 200 and status != 101:
            return
        self._exchange = exchange
        if exchange is None:
            return
        exchange.status = status
        exchange.response.headers = self.headers
        exchange.response.started = self._started
        if exchange.method == "HEAD":
            self._bodyless = True
        elif exchange.method == "CONNECT" and status < 300:
            self._tunnel = True

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        if self._exchange is None:
            return
        response = self._exchange.response
        if response.first_body is None:
            response.first_body = self._listener.now
        self._listener.keep(self._exchange, response, piece)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if not self._bodyless:
            self._finish()

    def _finish(self) -> None:
        exchange = self._exchange
        self._reset()
        if exchange is not None and exchange is self._listener.waiting:
            self._listener.response_ended()
