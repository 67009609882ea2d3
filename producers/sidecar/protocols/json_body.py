"""JSON bodies, and what all servers mean by an id and by an error."""

from __future__ import annotations

import json
from typing import Any

from inferwatch.errors import RejectedEventError
from inferwatch.events.json_parse import parse_json
from producers.sidecar.protocols.protocol import UndecodableError


def read_json(body: bytes | None) -> Any:
    """The value of a JSON body, read as the contract reads events: NaN and Infinity are values.

    Raises:
        UndecodableError: there is no body, or it is no JSON.

    >>> read_json(b'{"a": NaN}')
    {'a': nan}
    """
    if body is None:
        raise UndecodableError("no_body")
    try:
        return parse_json(body)
    except RejectedEventError:
        raise UndecodableError("no_json") from None


def read_object(body: bytes | None) -> dict[str, Any]:
    """The JSON object of a body; of a structured CloudEvent, its `data`.

    >>> read_object(b'{"specversion": "1.0", "id": "7", "data": {"x": 1}}')
    {'x': 1}
    """
    value = read_json(body)
    if isinstance(value, dict) and "specversion" in value and isinstance(value.get("data"), dict):
        value = value["data"]
    if not isinstance(value, dict):
        raise UndecodableError("no_object")
    return value


def text_id(value: Any) -> str | None:
    """An id as text: a whole number is its decimal text, anything but that or a text is none.

    >>> text_id(17), text_id(""), text_id("a")
    ('17', None, 'a')
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value)
    return value if isinstance(value, str) and value else None


def error_text(body: bytes | None) -> str | None:
    """The server's own words: `error`, `detail` or `message` of an object, else the plain text.

    Of a list of mistakes (as pydantic writes them) only what is wrong and where: they quote what
    was sent.

    >>> error_text(b'{"error": "no such model"}'), error_text(b"Internal Server Error")
    ('no such model', 'Internal Server Error')
    >>> error_text(b'{"detail": [{"loc": ["body", "x"], "msg": "not a number", "input": "eve"}]}')
    'body.x: not a number'
    """
    if not body:
        return None
    try:
        value = read_json(body)
    except UndecodableError:
        return body[:2048].decode("utf-8", "replace")
    if isinstance(value, dict):
        value = next(
            (value[key] for key in ("error", "detail", "message") if value.get(key)), value
        )
    if isinstance(value, dict) and isinstance(value.get("message"), str):
        value = value["message"]
    if isinstance(value, list) and value and all(isinstance(v, dict) and "msg" in v for v in value):
        return "; ".join(_mistake(v) for v in value)[:2048]
    return value if isinstance(value, str) else json.dumps(value)[:2048]


def _mistake(mistake: dict[str, Any]) -> str:
    place = mistake.get("loc")
    where = ".".join(map(str, place)) if isinstance(place, list) else ""
    return f"{where}: {mistake['msg']}" if where else str(mistake["msg"])
