"""One client connection and its own upstream connection, with the bytes passed on between them.

Bytes go through first and untouched; the tap sees them afterwards. Each side's back-pressure
stops the other side's reading, an end of one side's sending is passed on as such (a client may
end its half and still wait), a reset is passed on as a reset. No failure of the tap ever reaches
the traffic.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from producers.counters import Counters
from producers.sidecar.answers import own_answer
from producers.sidecar.http2 import PREFACE
from producers.sidecar.tap import Tap
from producers.sidecar.upstream import Upstream

log = logging.getLogger("inferwatch.sidecar")

# How long a connection whose answer has been given may take to end.
LINGER_S = 5.0
# A client that ended its half and is gone shows it when the answer reaches it.
SETTLE_S = 0.1
# Room for a whole small answer, so that one slow reader does not stop the upstream at once.
WRITE_BUFFER = 256 * 1024
_RST_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Traffic:
    """Bytes that passed, over all connections."""

    to_upstream: int = 0
    from_upstream: int = 0


@dataclass(frozen=True, slots=True)
class SpliceRules:
    """What every connection of one sidecar shares; `connect_s` and `response_s` in seconds.

    Attributes:
        new_tap: a tap for a new connection.
        marks: whether answers get a minted id, so that they have to be looked at before they
            are passed on.
        response_s: how long the upstream may be silent while it owes an answer; 0 for ever.
    """

    upstream: Upstream
    counters: Counters
    new_tap: Callable[[], Tap]
    marks: bool
    connect_s: float
    response_s: float
    traffic: Traffic = field(default_factory=Traffic)


class Splice(asyncio.Protocol):
    """The client's side; `_UpstreamSide` is the other one."""

    def __init__(self, rules: SpliceRules, register: set[Splice]) -> None:
        """Wait for the client; the upstream is asked for with its first byte."""
        self._rules = rules
        self._register = register
        self._client: Any = None
        self._upstream: Any = None
        self._upstream_side = _UpstreamSide(self)
        self._early: list[bytes] = []
        self._connecting: asyncio.Task[None] | None = None
        self._tap = rules.new_tap()
        self._tap_broken = False
        self._is_client_encrypted = False
        self._client_ended = False
        self._upstream_ended = False
        self._client_lost = False
        self._answering_itself = False
        self._refusal = (502, "upstream_unreachable")
        self._silent_since = 0.0
        self._watchdog: asyncio.TimerHandle | None = None

    # ---- the client's side

    def connection_made(self, transport: Any) -> None:
        """A client is here."""
        self._client = transport
        self._is_client_encrypted = transport.get_extra_info("sslcontext") is not None
        transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self._register.add(self)
        self._rules.counters.add("connections_total")

    def data_received(self, data: bytes) -> None:
        """The client sent bytes."""
        now = time.perf_counter()
        if self._upstream is not None:
            self._upstream.write(data)
        elif not self._answering_itself:
            self._early.append(data)
            if self._connecting is None:
                # Nothing more is taken than what came at once, until there is somewhere to go.
                _pause(self._client)
                self._connecting = asyncio.get_running_loop().create_task(self._connect())
        self._rules.traffic.to_upstream += len(data)
        self._tell_tap(self._tap.request, data, now)
        if self._answering_itself:
            self._end_own_answer()
        elif self._rules.response_s:
            self._watch(now)

    def eof_received(self) -> bool:
        """The client has ended its half; the answer may still be on its way."""
        if self._is_client_encrypted:
            return False  # TLS knows no half of a connection
        if self._client_ended:
            return True  # told again when reading was paused and resumed
        self._client_ended = True
        self._tell_tap(self._tap.client_half_closed)
        if self._answering_itself or self._upstream_ended:
            return False
        if self._upstream is None and self._connecting is None:
            return False
        if self._upstream is not None:
            _end_half(self._upstream)
        return True

    def pause_writing(self) -> None:
        """The client reads too slowly: read no more from the upstream."""
        _pause(self._upstream)

    def resume_writing(self) -> None:
        """The client has caught up."""
        _resume(self._upstream)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._client_lost = True
        self._register.discard(self)
        self._tell_tap(lambda: self._tap.settle(gone=exc is not None))
        self._tell_tap(self._tap.client_gone, time.perf_counter())
        self._tap.close()
        if self._connecting is not None:
            self._connecting.cancel()
        if self._watchdog is not None:
            self._watchdog.cancel()
        if self._upstream is not None:
            _reset(self._upstream) if exc is not None else self._upstream.close()

    # ---- the upstream's side

    async def _connect(self) -> None:
        upstream = self._rules.upstream
        try:
            transport, _ = await upstream.connect(
                lambda: self._upstream_side,
                self._rules.connect_s,
                is_http2=self._early[0].startswith(PREFACE[:4]),
            )
        except OSError as error:
            self._refuse(502, "upstream_unreachable", _why(error))
            return
        finally:
            self._connecting = None
        if self._client_lost:
            transport.abort()
            return
        transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self._upstream = transport
        for data in self._early:
            transport.write(data)
        self._early.clear()
        if self._client_ended:
            _end_half(transport)
        _resume(self._client)

    def upstream_data(self, data: bytes) -> None:
        """The upstream sent bytes."""
        if self._client_lost:
            return
        now = time.perf_counter()
        self._silent_since = now
        self._rules.traffic.from_upstream += len(data)
        if self._rules.marks and not self._tap_broken:
            try:
                self._client.write(self._tap.response_to_mark(data, now))
            except Exception:
                # Nothing of `data` was written: the marked bytes are written at once, at the end.
                self._break_tap()
                self._client.write(data)
        else:
            self._client.write(data)
            self._tell_tap(self._tap.response, data, now)
        if self._client_ended and self._tap.waiting is None:
            asyncio.get_running_loop().call_later(SETTLE_S, self._settle)

    def upstream_ended(self) -> None:
        """The upstream has ended its half: after what is buffered, the client hears so."""
        self._upstream_ended = True
        self._tell_tap(lambda: self._tap.upstream_gone(time.perf_counter(), reset=False))
        if not _end_half(self._client):
            self._client.close()
        # The upstream may have closed altogether, which cannot be told from here: so the client
        # is not left alone with a connection that nobody will ever answer.
        wait_s = SETTLE_S if self._client_ended else LINGER_S
        asyncio.get_running_loop().call_later(wait_s, self._settle_and_close)

    def upstream_lost(self, exc: Exception | None) -> None:
        """The upstream is gone."""
        if self._client_lost:
            return
        self._tell_tap(lambda: self._tap.upstream_gone(time.perf_counter(), reset=exc is not None))
        if exc is not None:
            _reset(self._client)
        else:
            self._client.close()

    @property
    def is_upstream_encrypted(self) -> bool:
        """Whether an end of the upstream's sending is the end of its connection."""
        return self._rules.upstream.tls is not None

    def pause_client(self) -> None:
        """The upstream reads too slowly."""
        _pause(self._client)

    def resume_client(self) -> None:
        """The upstream has caught up."""
        _resume(self._client)

    # ---- when the upstream does not answer

    def _watch(self, now: float) -> None:
        if self._watchdog is None:
            self._silent_since = now
            loop = asyncio.get_running_loop()
            self._watchdog = loop.call_later(self._rules.response_s, self._check_silence)

    def _check_silence(self) -> None:
        self._watchdog = None
        exchange = self._tap.waiting
        if exchange is None or self._client_lost or self._answering_itself:
            return
        since = max(self._silent_since, exchange.request.ended or exchange.request.started)
        left = since + self._rules.response_s - time.perf_counter()
        if left > 0 or not exchange.request.complete:
            loop = asyncio.get_running_loop()
            self._watchdog = loop.call_later(max(left, 0.05), self._check_silence)
        elif self._tap.has_answer_begun:
            self._tell_tap(self._tap.answered_here, 504, "timeout", time.perf_counter())
            self._close_both(abort=True)
        else:
            self._refuse(504, "timeout", f"no answer within {self._rules.response_s:g} s")

    def _refuse(self, status: int, error: str, why: str) -> None:
        """Answer in the upstream's place, and end the connection."""
        if self._client_lost:
            return
        self._answering_itself = True
        if self._upstream is not None:
            self._upstream.abort()
        waiting = self._tap.waiting
        head_only = waiting is not None and waiting.method == "HEAD"
        text = f"{self._rules.upstream.where}: {why}"
        self._client.write(own_answer(status, text, head_only=head_only))
        self._early.clear()
        self._refusal = (status, error)
        _resume(self._client)
        self._end_own_answer()
        # Whatever the client still sends is read and thrown away: closing with unread bytes would
        # reset the connection before the client has read the answer.
        asyncio.get_running_loop().call_later(LINGER_S, self._end_own_answer, True)

    def _end_own_answer(self, at_last: bool = False) -> None:
        waiting = self._tap.waiting
        request_is_whole = self._tap_broken or (waiting is not None and waiting.request.complete)
        if self._client_lost or not (request_is_whole or self._client_ended or at_last):
            return
        self._tell_tap(self._tap.answered_here, *self._refusal, time.perf_counter())
        self._client.close()

    # ---- endings

    def _settle(self) -> None:
        if self._client_lost:
            return
        connection = _socket_of(self._client)
        try:
            failed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
        except (OSError, AttributeError):
            failed = True
        self._tell_tap(lambda: self._tap.settle(gone=failed))

    def _settle_and_close(self) -> None:
        self._settle()
        self._close_both()

    def _close_both(self, abort: bool = False) -> None:
        for transport in (self._client, self._upstream):
            if transport is not None:
                transport.abort() if abort else transport.close()

    def close_when_idle(self) -> bool:
        """Close a connection that waits for nothing; False while an answer may be on its way."""
        if not self._tap.is_idle:
            return False
        self._close_both()
        return True

    def abort(self) -> None:
        """Close at once."""
        self._close_both(abort=True)

    # ---- the tap, which must not do harm

    def _tell_tap(self, what: Callable[..., None], *args: Any) -> None:
        if self._tap_broken:
            return
        try:
            what(*args)
        except Exception:
            self._break_tap()

    def _break_tap(self) -> None:
        self._tap_broken = True
        self._rules.counters.add("tap_errors_total", where="tap")
        log.exception("a connection is not read any more; its traffic is not affected")
        self._tap.go_blind("tap_error")


class _UpstreamSide(asyncio.Protocol):
    """Hands what happens on the upstream's connection to its splice."""

    def __init__(self, splice: Splice) -> None:
        self._splice = splice
        self.data_received = splice.upstream_data  # type: ignore[method-assign]

    def eof_received(self) -> bool:
        if self._splice.is_upstream_encrypted:
            return False
        self._splice.upstream_ended()
        return True

    def pause_writing(self) -> None:
        self._splice.pause_client()

    def resume_writing(self) -> None:
        self._splice.resume_client()

    def connection_lost(self, exc: Exception | None) -> None:
        self._splice.upstream_lost(exc)


def _end_half(transport: Any) -> bool:
    """End our half of a connection; False where that is impossible (TLS)."""
    if transport.is_closing():
        return True
    if not transport.can_write_eof():
        return False
    transport.write_eof()
    return True


def _pause(transport: Any) -> None:
    if transport is not None and not transport.is_closing():
        transport.pause_reading()


def _resume(transport: Any) -> None:
    if transport is not None and not transport.is_closing():
        transport.resume_reading()


def _socket_of(transport: Any) -> Any:
    try:
        return transport.get_extra_info("socket")
    except AttributeError:  # asyncio's TLS transport knows nothing any more once it is closed
        return None


def _reset(transport: Any) -> None:
    """End a connection as one that was reset, not as one that came to its end."""
    connection = _socket_of(transport)
    if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):  # it may be closed already
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
    transport.abort()


def _why(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no connection in time"
    return (error.strerror or str(error) or type(error).__name__).strip()
