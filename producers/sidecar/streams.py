"""Answers that come piece by piece: server-sent events, and JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

_MEDIA = (
    "text/event-stream",
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/jsonlines",
    "application/x-jsonlines",
)


@lru_cache(maxsize=256)
def media_type(content_type: str | None) -> str:
    """The media type alone, in lower case.

    >>> media_type("Text/CSV; header=present")
    'text/csv'
    """
    return (content_type or "").partition(";")[0].strip().lower()


def is_stream(content_type: str | None) -> bool:
    """Whether an answer of this type comes piece by piece, by its header.

    >>> is_stream("text/event-stream; charset=utf-8"), is_stream("application/json")
    (True, False)
    """
    return media_type(content_type) in _MEDIA


def server_sent(body: bytes) -> Iterator[tuple[bytes, int]]:
    r"""The data of each server-sent event, and the offset of the byte after it.

    Comments and other fields are passed over; an event's several data lines are one datum. The
    last event counts without its blank line too: servers forget it, and what is cut in the middle
    is for the reader of the datum to find out.

    >>> list(server_sent(b": hi\n\ndata: 1\n\ndata:2\r\n\r\n"))
    [(b'1', 14), (b'2', 23)]
    """
    lines: list[bytes] = []
    end = at = 0
    size = len(body)
    while at < size:
        stop = body.find(b"\n", at)
        stop = size if stop < 0 else stop
        line = body[at:stop].rstrip(b"\r")
        at = stop + 1
        if line.startswith(b"data:"):
            lines.append(line[6:] if line[5:6] == b" " else line[5:])
            end = min(at, size)
        elif not line and lines:
            yield b"\n".join(lines), end
            lines = []
    if lines:
        yield b"\n".join(lines), end
