"""HTTP/2, read from copies: frames to exchanges, for gRPC and for whatever else speaks it.

Only what an exchange needs is followed: heads (with HPACK's state, which spans the connection),
data, ends and resets. Streams are told apart by their number, so many requests may be under way.
The status of a gRPC call is that of its trailers, told as the usual HTTP equivalent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from producers.sidecar.exchange import Exchange, Headers, Message
from producers.sidecar.http1 import HEAD_LIMIT, NotHttpError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

_DATA, _HEADERS, _RST_STREAM, _PUSH_PROMISE, _CONTINUATION = 0, 1, 3, 5, 9
_READ_WHOLE = (_HEADERS, _RST_STREAM, _CONTINUATION)
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x4, 0x8, 0x20
_MOST_STREAMS = 10_000
_TABLE_LIMIT = 64 * 1024

_HTTP_OF_GRPC = {
    0: 200,
    1: 499,
    3: 400,
    4: 504,
    5: 404,
    6: 409,
    7: 403,
    8: 429,
    9: 400,
    10: 409,
    11: 400,
    12: 501,
    14: 503,
    16: 401,
}


class Listener(Protocol):
    """Who is told what was found."""

    now: float

    def stream_began(self, exchange: Exchange) -> None:
        """A request's head is whole."""

    def stream_ended(self, exchange: Exchange) -> None:
        """An exchange is over; its status, and its error where it has one, are set."""

    def keep(self, exchange: Exchange, message: Message, piece: bytes) -> None:
        """A piece of a body came."""


class Http2:
    """Both directions of one connection."""

    def __init__(self, listener: Listener) -> None:
        """Begin with the client's first byte."""
        self._listener = listener
        self.streams: dict[int, Exchange] = {}
        self._client = _Frames(preface=len(PREFACE))
        self._server = _Frames()
        # Its tables take 4 MB, which a server that only speaks HTTP/1.1 need not pay for.
        import hpack

        self._bad_block = hpack.HPACKError
        self._client_heads, self._server_heads = hpack.Decoder(), hpack.Decoder()
        for heads in (self._client_heads, self._server_heads):
            heads.max_allowed_table_size = _TABLE_LIMIT

    def request(self, data: bytes) -> None:
        """Read on what the client sent; raises NotHttpError when that is not possible."""
        for kind, flags, stream, payload in self._client.feed(data):
            if kind == _HEADERS:
                self._request_head(stream, self._decode(self._client_heads, payload))
            elif kind == _DATA and stream in self.streams:
                exchange = self.streams[stream]
                self._keep(exchange, exchange.request, payload)
            elif kind == _RST_STREAM and stream in self.streams:
                self._end(stream, 499, "client_closed")
            if flags & _END_STREAM and stream in self.streams:
                request = self.streams[stream].request
                request.complete, request.ended = True, self._listener.now

    def response(self, data: bytes) -> None:
        """Read on what the server sent; raises NotHttpError when that is not possible."""
        for kind, flags, stream, payload in self._server.feed(data):
            exchange = self.streams.get(stream)
            if kind == _HEADERS:
                # Decoded for every stream: the state of the table depends on it.
                headers = self._decode(self._server_heads, payload)
                if exchange is not None:
                    self._response_head(exchange, headers)
            elif kind == _DATA and exchange is not None:
                self._keep(exchange, exchange.response, payload)
            elif kind == _RST_STREAM and exchange is not None:
                self._end(stream, exchange.status or 502, "upstream_reset")
            if flags & _END_STREAM and stream in self.streams:
                self.streams[stream].response.complete = True
                self._end(stream, _final_status(self.streams[stream]), None)

    def fail_all(self, status: int, error: str) -> None:
        """The connection is over."""
        for stream in list(self.streams):
            self._end(stream, status, error)

    # ---- what frames say

    def _request_head(self, stream: int, headers: Headers) -> None:
        if stream in self.streams:
            return  # trailers of a request
        if len(self.streams) >= _MOST_STREAMS:
            raise NotHttpError("too_many_streams")
        exchange = Exchange()
        exchange.request.started = self._listener.now
        for name, value in headers:
            if name == b":method":
                exchange.method = value.decode("latin-1")
            elif name == b":path":
                exchange.target = value.decode("latin-1")
            else:
                exchange.request.headers.append((name, value))
        self.streams[stream] = exchange
        self._listener.stream_began(exchange)

    def _response_head(self, exchange: Exchange, headers: Headers) -> None:
        status = next((value for name, value in headers if name == b":status"), None)
        if status is not None:
            if not status.isdigit() or 100 <= int(status) < 200:
                return
            exchange.status = int(status)
            exchange.response.started = self._listener.now
        exchange.response.add_headers([pair for pair in headers if pair[0] != b":status"])

    def _keep(self, exchange: Exchange, message: Message, piece: bytes) -> None:
        if message.first_body is None:
            message.first_body = self._listener.now
        self._listener.keep(exchange, message, piece)

    def _end(self, stream: int, status: int, error: str | None) -> None:
        exchange = self.streams.pop(stream)
        exchange.status, exchange.error = status, error
        self._listener.stream_ended(exchange)

    def _decode(self, heads: Any, block: bytes) -> Headers:
        try:
            return [(bytes(name), bytes(value)) for name, value in heads.decode(block, raw=True)]
        except self._bad_block as error:
            raise NotHttpError("not_http2") from error


class _Frames:
    """Cuts bytes into frames: heads whole, data as it comes, all else passed over."""

    def __init__(self, preface: int = 0) -> None:
        self._skip = preface
        self._held = bytearray()
        # Of the data frame that is being read: stream, flags and bytes to come; padding after it.
        self._data: tuple[int, int, int] | None = None
        self._padding = 0
        self._block: tuple[int, int, bytearray] | None = None

    def feed(self, data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
        """Kind, flags, stream and payload of each frame; a frame of data may come in pieces."""
        held = self._held
        held += data
        while held:
            if self._skip:
                dropped = min(self._skip, len(held))
                self._skip -= dropped
                del held[:dropped]
            elif self._data is not None:
                yield self._data_piece()
            elif len(held) < 9:
                return
            else:
                length, kind = int.from_bytes(held[:3]), held[3]
                flags, stream = held[4], int.from_bytes(held[5:9]) & 0x7FFFFFFF
                if kind == _PUSH_PROMISE:
                    raise NotHttpError("http2_push")
                if kind == _DATA:
                    if not self._begin_data(length, flags, stream):
                        return
                    if self._data is not None and self._data[2] == 0:
                        yield self._data_piece()
                elif kind in _READ_WHOLE:
                    if length > HEAD_LIMIT:
                        raise NotHttpError("head_too_large")
                    if len(held) < 9 + length:
                        return
                    payload = bytes(held[9 : 9 + length])
                    del held[: 9 + length]
                    yield from self._whole(kind, flags, stream, payload)
                else:
                    del held[:9]
                    self._skip = length

    def _begin_data(self, length: int, flags: int, stream: int) -> bool:
        """Begin a frame of data; False while its padding is not known yet."""
        held = self._held
        padding = 0
        if flags & _PADDED:
            if len(held) < 10:
                return False
            padding = held[9] + 1
            if padding > length:
                raise NotHttpError("not_http2")
            del held[:10]
            self._padding = padding - 1
        else:
            del held[:9]
            self._padding = 0
        self._data = (stream, flags, length - padding)
        return True

    def _data_piece(self) -> tuple[int, int, int, bytes]:
        assert self._data is not None
        stream, flags, left = self._data
        piece = bytes(self._held[:left])
        del self._held[: len(piece)]
        left -= len(piece)
        if left:
            self._data = (stream, flags, left)
            return _DATA, 0, stream, piece
        self._data, self._skip = None, self._padding
        return _DATA, flags, stream, piece

    def _whole(
        self, kind: int, flags: int, stream: int, payload: bytes
    ) -> Iterator[tuple[int, int, int, bytes]]:
        if kind == _RST_STREAM:
            yield kind, 0, stream, payload
            return
        if kind == _HEADERS:
            start = (1 if flags & _PADDED else 0) + (5 if flags & _PRIORITY else 0)
            end = len(payload) - (payload[0] if flags & _PADDED and payload else 0)
            if start > end:
                raise NotHttpError("not_http2")
            self._block = (stream, flags, bytearray(payload[start:end]))
        elif self._block is None or self._block[0] != stream:
            raise NotHttpError("not_http2")
        else:
            self._block[2].extend(payload)
            if len(self._block[2]) > HEAD_LIMIT:
                raise NotHttpError("head_too_large")
        if flags & _END_HEADERS:
            stream, first_flags, block = self._block
            self._block = None
            yield _HEADERS, first_flags & _END_STREAM, stream, bytes(block)


def _final_status(exchange: Exchange) -> int:
    content_type = exchange.response.header(b"content-type") or ""
    if not content_type.startswith("application/grpc"):
        return exchange.status or 502
    told = exchange.response.header(b"grpc-status")
    if told is None or not told.isascii() or not told.isdigit():
        return 500
    return _HTTP_OF_GRPC.get(int(told), 500)
