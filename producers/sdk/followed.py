"""One exchange, followed from inside of the server; ASGI and WSGI tell what passes.

Whatever goes wrong in here makes it blind for the rest of this exchange, and is counted: the
application and its client notice nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from urllib.parse import quote

from producers.sdk.monitor import Monitor
from producers.sidecar.copies import FAMILIES, CopyRules
from producers.sidecar.exchange import Exchange, Headers, Message

P = ParamSpec("P")
R = TypeVar("R")


def _fail_open(
    method: Callable[Concatenate[Followed, P], R],
) -> Callable[Concatenate[Followed, P], R | None]:
    @wraps(method)
    def guarded(self: Followed, *args: P.args, **kwargs: P.kwargs) -> R | None:
        if self.is_over:
            return None
        try:
            return method(self, *args, **kwargs)
        except Exception:
            self.go_blind()
            return None

    return cast("Callable[Concatenate[Followed, P], R | None]", guarded)


class Followed:
    """Copies what passes; when the exchange is over the reader gets it."""

    __slots__ = ("_copies", "_exchange", "_last_given", "is_over")

    def __init__(self, copies: CopyRules, exchange: Exchange) -> None:
        """Begin with a request's head."""
        self._copies = copies
        self._exchange = exchange
        self._last_given = False
        self.is_over = False

    @classmethod
    def begin(cls, monitor: Monitor, method: str, target: str, headers: Headers) -> Followed | None:
        """Follow a request; None where nothing is to be learned from it."""
        try:
            outlet = monitor.outlet()
            if outlet is None:
                return None
            request = Message(headers=headers, started=time.monotonic())
            exchange = Exchange(method=method, target=target, request=request)
            exchange.protocol = outlet.copies.recognise(exchange)
            return None if exchange.protocol is None else cls(outlet.copies, exchange)
        except Exception:
            monitor.count_trouble("middleware")
            return None

    @_fail_open
    def asked(self, piece: Any, *, is_last: bool) -> None:
        """A piece of the request's body has been read by the application."""
        request = self._exchange.request
        if request.complete:
            return
        now = time.monotonic()
        if piece:
            if request.first_body is None:
                request.first_body = now
            self._copies.keep(self._exchange, request, _bytes(piece), now)
        if is_last:
            request.complete, request.ended = True, now

    @_fail_open
    def answers(self, status: Any, headers: Iterable[tuple[Any, Any]]) -> str | None:
        """The answer's head is known; the id to add to it, where one is minted.

        Status and headers may be text or bytes, as ASGI and WSGI have them.
        """
        exchange = self._exchange
        exchange.status = int(status[:3] if isinstance(status, str) else status)
        exchange.response.headers = [(_raw(name), _raw(value)) for name, value in headers]
        exchange.response.started = time.monotonic()
        if self._copies.mint is not None:
            exchange.minted = self._copies.mint(exchange)
        return exchange.minted

    @_fail_open
    def answered(self, piece: Any, *, is_last: bool) -> None:
        """A piece of the answer's body is about to pass."""
        response = self._exchange.response
        now = time.monotonic()
        if piece:
            if response.first_body is None:
                response.first_body = now
            self._copies.keep(self._exchange, response, _bytes(piece), now)
        if is_last:
            response.ended = now
            self._last_given = True

    @_fail_open
    def answered_unseen(self) -> None:
        """The answer's body passes by another way, as a file does; nothing of it is known."""
        self._exchange.response.cut = "not_read"
        self._exchange.response.ended = time.monotonic()
        self._last_given = True

    @_fail_open
    def passed(self) -> None:
        """The last piece has passed."""
        if self._last_given:
            self._exchange.response.complete = True
            self._end(self._exchange.response.ended)

    @_fail_open
    def client_gone(self) -> None:
        """The client does not wait any more; it may have what a server is still passing."""
        if self._last_given:
            self.passed()
        else:
            self._fail(499, "client_closed")

    @_fail_open
    def application_ended(self) -> None:
        """The application has returned or raised; where its answer is not whole, it has failed."""
        if self._exchange.status is None:
            # What servers answer then; the error's class is that of any such answer.
            self._fail(500, None)
        else:
            self._fail(self._exchange.status, "upstream_truncated")

    def go_blind(self) -> None:
        """Give up this exchange; its latency event is lost too, and that is counted."""
        self.is_over = True
        self._copies.counters.add("tap_errors_total", where="middleware")
        for message in (self._exchange.request, self._exchange.response):
            self._copies.forget(message)

    def _fail(self, status: int, error: str | None) -> None:
        self._exchange.status, self._exchange.error = status, error
        self._end(time.monotonic())

    def _end(self, now: float) -> None:
        self.is_over = True
        exchange = self._exchange
        self._copies.end(exchange, now)
        family = FAMILIES[min((exchange.status or 0) // 100, 5)]
        self._copies.counters.add("requests_total", status=family)
        self._copies.deliver(exchange)


def target_of(path: str | bytes, query: str) -> str:
    """Path and query as they stood in the request, where a server tells them decoded only.

    >>> target_of("/v1/models/a b:predict", "x=1")
    '/v1/models/a%20b:predict?x=1'
    """
    return quote(path, safe="/:@!$&'()*+,;=~") + (f"?{query}" if query else "")


def _bytes(piece: Any) -> bytes:
    """The piece itself where nobody can change it any more, else a copy."""
    return piece if type(piece) is bytes else bytes(piece)


def _raw(text: Any) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else bytes(text)
