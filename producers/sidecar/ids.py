"""Ids: what joins a label to its prediction.

In this order: the request body's, the id minted for this answer, the answer body's, then the
headers of the request and of the answer.
"""

from __future__ import annotations

import os
import re
import time

from inferwatch.settings.sidecar import ID_HEADERS
from producers.sidecar.exchange import Exchange
from producers.sidecar.protocols.json_body import read_json, text_id
from producers.sidecar.protocols.protocol import UndecodableError

_ID_HEADERS = tuple(name.encode() for name in ID_HEADERS)

# Parsed on the request path, and only with `mint_ids`: so only what is parsed in microseconds.
_SMALL = 64 * 1024
_ID_KEY = re.compile(rb'"id"\s*:')


def header_id(exchange: Exchange) -> str | None:
    """The id that the headers name; those of the request come first.

    >>> exchange = Exchange()
    >>> exchange.request.headers.append((b"X-Request-ID", b"abc"))
    >>> header_id(exchange)
    'abc'
    """
    for message in (exchange.request, exchange.response):
        for name in _ID_HEADERS:
            value = message.header(name)
            if value:
                return value
    return None


def exchange_id(exchange: Exchange, body_id: str | None) -> str | None:
    """The id of the whole request; None where nobody named one."""
    return exchange.minted or body_id or header_id(exchange)


def row_ids(request_id: str | None, rows: int) -> list[str | None]:
    """One id a row: the request's own for one row, else ids that begin with it.

    >>> row_ids("a", 1), row_ids("a", 2), row_ids(None, 2)
    (['a'], ['a:0', 'a:1'], [None, None])
    """
    if request_id is None or rows == 1:
        return [request_id] * rows
    return [f"{request_id}:{row}" for row in range(rows)]


def mint(exchange: Exchange) -> str | None:
    """A new id for an answer whose request named none; None where the wire names one.

    Decided when the answer's head has come, so before its body: an id that only the answer's
    body holds does not count.
    """
    if exchange.status is None or exchange.status >= 300 or header_id(exchange) is not None:
        return None
    if exchange.request.cut is not None or not exchange.request.complete:
        return None
    body = b"".join(exchange.request.body)
    if _ID_KEY.search(body) is not None:
        if len(body) > _SMALL:
            return None
        try:
            value = read_json(body)
        except UndecodableError:
            return None
        if isinstance(value, dict) and text_id(value.get("id")) is not None:
            return None
    return new_id()


def new_id() -> str:
    """128 bits as hex: 48 of the time in milliseconds (so ids sort by time), the rest random.

    >>> len(new_id())
    32
    """
    return f"{int(time.time() * 1000):012x}{os.urandom(10).hex()}"
