"""The only bytes that are the sidecar's own: its errors, when the model server is not there."""

from __future__ import annotations

import orjson

_REASONS = {502: "Bad Gateway", 504: "Gateway Timeout"}


def own_answer(status: int, text: str, *, head_only: bool = False) -> bytes:
    r"""A whole HTTP/1.1 answer with a JSON body; `head_only` for a HEAD request.

    >>> own_answer(502, "down").split(b"\r\n")[0]
    b'HTTP/1.1 502 Bad Gateway'
    """
    body = orjson.dumps({"error": text, "source": "inferwatch-sidecar"})
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    ).encode()
    return head if head_only else head + body
