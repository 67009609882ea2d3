"""A small HTTP/1.1 server for a few short requests, without any framework.

What it takes is bounded before it is parsed: 16 KiB of head, `BODY_LIMIT` of body, `MOST_BYTES` of
all bodies that are under way, and 30 s for a request to come whole.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httptools
import orjson

from producers.sidecar.exchange import Headers, header

log = logging.getLogger("inferwatch.sidecar")

HEAD_LIMIT = 16 * 1024
BODY_LIMIT = 8 * 2**20
REQUEST_S = 30.0
MOST_CONNECTIONS = 1024
MOST_BYTES = 64 * 2**20

_REASONS = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@dataclass(slots=True)
class Request:
    """One whole request."""

    method: str
    path: str
    headers: Headers
    body: bytes

    def header(self, name: bytes) -> str | None:
        """The first header of that name (given in lower case)."""
        return header(self.headers, name)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: its status and its body."""

    status: int
    body: bytes
    content_type: str = "application/json"
    extra: tuple[tuple[str, str], ...] = field(default=())

    @classmethod
    def json(cls, status: int, value: Any, *extra: tuple[str, str]) -> Response:
        """An answer of JSON."""
        return cls(status, orjson.dumps(value) + b"\n", extra=extra)


Handler = Callable[[Request], Response]


@dataclass(slots=True)
class Clients:
    """The connections that are open, and the bytes of bodies that they hold together."""

    open: set[AdminConnection] = field(default_factory=set)
    body_bytes: int = 0


class AdminConnection(asyncio.Protocol):
    """One client; requests one after the other, answered by `handler` without waiting."""

    def __init__(self, handler: Handler, clients: Clients) -> None:
        """Wait for the client."""
        self._handler = handler
        self._clients = clients
        self._body = bytearray()
        self._transport: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._start_request()

    def _start_request(self) -> None:
        self._url = b""
        self._headers: Headers = []
        self._forget_body()
        self._head_size = 0

    # ---- asyncio's side

    def connection_made(self, transport: Any) -> None:
        """A client is here."""
        self._transport = transport
        self._clients.open.add(self)
        if len(self._clients.open) > MOST_CONNECTIONS:
            self._refuse(503, "too many connections")
            return
        self._parser = httptools.HttpRequestParser(self)
        self._restart_timer()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "no upgrade here")
        except httptools.HttpParserError:
            if not self._transport.is_closing():
                self._refuse(400, "this is no HTTP/1.1 request")
        if self._head_size > HEAD_LIMIT:
            self._refuse(413, f"the head is larger than {HEAD_LIMIT} bytes")

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._clients.open.discard(self)
        self._forget_body()
        if self._timer is not None:
            self._timer.cancel()

    def close(self) -> None:
        """End the connection."""
        self._transport.close()

    # ---- httptools' callbacks

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._head_size += len(url)
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._head_size += len(name) + len(value)
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole: refuse a large body before it comes."""
        if self._head_size > HEAD_LIMIT:
            self._refuse(413, f"the head is larger than {HEAD_LIMIT} bytes")
            return
        length = header(self._headers, b"content-length")
        if length is not None and length.isdigit() and int(length) > BODY_LIMIT:
            self._refuse(413, f"the body is larger than {BODY_LIMIT} bytes; send it in parts")
        elif (header(self._headers, b"expect") or "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        if self._transport.is_closing():
            return
        self._body += piece
        self._clients.body_bytes += len(piece)
        if self._clients.body_bytes > MOST_BYTES:
            self._refuse(503, "too much is being sent at a time")
        elif len(self._body) > BODY_LIMIT:
            self._refuse(413, f"the body is larger than {BODY_LIMIT} bytes; send it in parts")

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._transport.is_closing():
            return
        method = self._parser.get_method().decode("latin-1")
        path = self._url.decode("latin-1").partition("?")[0]
        request = Request(method, path, self._headers, bytes(self._body))
        keep_alive = self._parser.should_keep_alive()
        self._start_request()
        try:
            response = self._handler(request)
        except Exception:
            log.exception("the admin port failed on %s %s", method, path)
            response = Response.json(500, {"error": "a defect of the sidecar; see its log"})
        self._answer(response, keep_alive=keep_alive, head_only=method == "HEAD")
        self._restart_timer()

    # ---- answering

    def _answer(self, response: Response, *, keep_alive: bool, head_only: bool = False) -> None:
        lines = [
            f"HTTP/1.1 {response.status} {_REASONS[response.status]}",
            f"Content-Type: {response.content_type}",
            f"Content-Length: {len(response.body)}",
            *(f"{name}: {value}" for name, value in response.extra),
            f"Connection: {'keep-alive' if keep_alive else 'close'}",
        ]
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        self._transport.write(head if head_only else head + response.body)
        if not keep_alive:
            self._transport.close()

    def _refuse(self, status: int, text: str) -> None:
        if not self._transport.is_closing():
            self._forget_body()
            self._answer(Response.json(status, {"error": text}), keep_alive=False)

    def _forget_body(self) -> None:
        self._clients.body_bytes -= len(self._body)
        self._body = bytearray()

    def _restart_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(REQUEST_S, self._transport.close)
