"""HTTP/2 as a client and a server put it on the wire, from a capture."""

from __future__ import annotations

from typing import Any

from exchanges import body_of
from hpack import Encoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
END_STREAM, END_HEADERS, PADDED = 1, 4, 8


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


class Client:
    """Requests, on streams 1, 3, 5, …; the state of HPACK goes on from one to the next."""

    def __init__(self) -> None:
        self._encoder = Encoder()
        self._stream = -1

    def ask(self, capture: dict[str, Any]) -> bytes:
        self._stream += 2
        request = capture["request"]
        head = frame(1, END_HEADERS, self._stream, self._encoder.encode(request["headers"]))
        begin = PREFACE + SETTINGS if self._stream == 1 else b""
        return begin + head + frame(0, END_STREAM, self._stream, body_of(request))


class Server:
    """Answers, in the same way; `cut`: heads in two frames, data padded and in two frames."""

    def __init__(self, *, cut: bool = False) -> None:
        self._encoder = Encoder()
        self._stream = -1
        self._cut = cut

    def answer(self, capture: dict[str, Any]) -> bytes:
        self._stream += 2
        response = capture["response"]
        body, trailers = body_of(response), response.get("trailers")
        last = END_STREAM if not body and not trailers else 0
        parts = [SETTINGS] if self._stream == 1 else []
        parts += self._head(response["headers"], last)
        if body:
            parts += self._data(body, 0 if trailers else END_STREAM)
        if trailers:
            parts += self._head(trailers, END_STREAM)
        return b"".join(parts)

    def _head(self, headers: list[list[str]], flags: int) -> list[bytes]:
        block = self._encoder.encode(headers)
        if not self._cut:
            return [frame(1, flags | END_HEADERS, self._stream, block)]
        first = frame(1, flags, self._stream, block[:3])
        return [first, frame(9, END_HEADERS, self._stream, block[3:])]

    def _data(self, body: bytes, flags: int) -> list[bytes]:
        if not self._cut:
            return [frame(0, flags, self._stream, body)]
        padded = b"\x05" + body[4:] + bytes(5)
        return [
            frame(0, 0, self._stream, body[:4]),
            frame(0, flags | PADDED, self._stream, padded),
        ]
