"""Servers with a JSON of their own (BentoML, LitServe, Ray Serve): the config's routes say where.

`inputs` may stand for one row (a list of values, or an object), for several (a list of either), or
for columns (an object of equally long lists). A list of plain values is one row, unless the answer
holds one item for each of them. Answers may come as server-sent events or as lines: then the last
piece that has the wanted place counts, or all of them where they are as many as the rows; the
pieces of a text are put together. Without
`inputs` rows have no features; without `outputs` and `scores` there are latency events only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

from inferwatch.json_path import JsonPath
from inferwatch.settings.sidecar import RouteSettings
from producers.sidecar.exchange import Exchange, Headers
from producers.sidecar.protocols.json_body import error_text, read_json, text_id
from producers.sidecar.protocols.protocol import Bodies, DecodedExchange, UndecodableError, Value
from producers.sidecar.protocols.rows import Rows, item, rows_of_columns, rows_of_instances
from producers.sidecar.protocols.tables import json_lines
from producers.sidecar.streams import is_stream, media_type, server_sent

# A class or a word; of a longer text the beginning is told, where the config asks for it (`$`).
LONGEST_TEXT = 1024


class FreeJson:
    """Requests on one path of the config.

    >>> route = RouteSettings(path="/predict", inputs="$.features", outputs="$.label")
    >>> FreeJson(route).matches("POST", "/predict", [])
    True
    """

    name = "json"
    is_inference = True

    def __init__(self, route: RouteSettings, width: int = 0) -> None:
        """`width`: how many columns have a name in the config, 0 where that is not known."""
        self._path = route.path.rstrip("/") or "/"
        self._width = width
        self._inputs, self._outputs, self._scores, self._id = (
            None if text is None else JsonPath.parse(text)
            for text in (route.inputs, route.outputs, route.scores, route.id)
        )
        self.reads_bodies = any((self._inputs, self._outputs, self._scores, self._id))

    def matches(self, method: str, path: str, headers: Headers) -> bool:
        """Whether this is its path."""
        return method in ("POST", "PUT") and (path.rstrip("/") or "/") == self._path

    def target(self, path: str) -> tuple[str | None, str | None]:
        """The path names neither model nor version."""
        return None, None

    def decode(self, exchange: Exchange, bodies: Bodies) -> DecodedExchange:
        """What stands at the configured places."""
        decoded = DecodedExchange()
        if not self.reads_bodies:
            return decoded
        try:
            request = read_json(bodies.request)
        except UndecodableError as error:
            request, decoded.lost = None, error.reason
        if exchange.status is None or exchange.status >= 300:
            # What the server refused need not be what the routes describe: its rows are unknown.
            decoded.id = self._read_id([request])
            decoded.error = error_text(bodies.response)
            return decoded
        pieces: list[Any] = []
        try:
            pieces = _pieces(bodies.response, exchange.response.header(b"content-type"))
        except UndecodableError as error:
            decoded.lost = decoded.lost or error.reason
        decoded.id = self._read_id([request, *pieces[-1:]])
        self._read_rows(request, pieces, decoded)
        if len(pieces) > 1 and isinstance(pieces[-1], dict) and pieces[-1].get("error"):
            decoded.failure = "stream_error"
        return decoded

    def _read_id(self, places: Sequence[Any]) -> str | None:
        for place in places if self._id is not None else ():
            try:
                found = self._id.read(place) if self._id is not None else None
            except LookupError:
                continue
            return text_id(found)
        return None

    def _read_rows(self, request: Any, pieces: list[Any], decoded: DecodedExchange) -> None:
        """Fill in the rows, and what is lost of them."""
        answers = {
            name: _found(path, pieces)
            for name, path in (("prediction", self._outputs), ("scores", self._scores))
            if path is not None
        }
        answers = {name: found for name, found in answers.items() if found}
        try:
            decoded.names, rows = self._rows(request, _count(answers.values()))
            decoded.inputs = rows
            decoded.outputs = {name: _items(found, len(rows)) for name, found in answers.items()}
        except LookupError:
            decoded.lost = decoded.lost or "no_instances"
        except UndecodableError as error:
            decoded.lost = decoded.lost or error.reason

    def _rows(self, request: Any, answered: int) -> Rows:
        if self._inputs is None:
            return [], [[] for _ in range(answered)]
        found = self._inputs.read(request)
        name = self._inputs.name
        if isinstance(found, dict):
            lists = [value for value in found.values() if isinstance(value, list)]
            are_columns = lists and len(lists) == len(found)
            if are_columns and {len(column) for column in lists} == {answered}:
                return rows_of_columns(found)
            return rows_of_instances([found])
        if not isinstance(found, list):
            return (None if name is None else [name]), [[found]]
        if any(isinstance(row, (list, dict)) for row in found):
            return rows_of_instances(found)
        is_one_row = len(found) in (1, self._width) or len(found) != answered
        if is_one_row and not self._inputs.is_plural:
            return None, [found]
        return (None if name is None else [name]), [[value] for value in found]


def _pieces(body: bytes | None, content_type: str | None) -> list[Any]:
    """The values of an answer: one, or those of a stream; of one that is no JSON its text."""
    if body is None:
        raise UndecodableError("no_body")
    media = media_type(content_type)
    if media == "text/event-stream":
        # Some send bare text under this type: the header alone says nothing.
        data = [d for d, _ in server_sent(body) if d != b"[DONE]"] or [body]
        try:
            return [read_json(datum) for datum in data]
        except UndecodableError:
            return [_text(b"".join(data))]
    if is_stream(content_type):
        return json_lines(body)
    try:
        return [read_json(body)]
    except UndecodableError:
        if media.startswith("text/"):
            with contextlib.suppress(UndecodableError):
                # Lines of JSON under another name, as Ray Serve streams them.
                return json_lines(body) if b"\n" in body.strip() else [_text(body)]
            return [_text(body)]
        raise


def _text(body: bytes) -> str:
    return body[:LONGEST_TEXT].decode("utf-8", "ignore")


def _found(path: JsonPath, pieces: Sequence[Any]) -> list[Any]:
    """What stands at the path, in each piece that has it."""
    found = []
    for piece in pieces:
        try:
            found.append(path.read(piece))
        except LookupError:
            continue
    return found


def _count(answers: Iterable[list[Any]]) -> int:
    """How many rows the answer seems to hold."""
    for found in answers:
        if len(found) > 1:
            return len(found)
        return len(found[0]) if isinstance(found[0], list) else 1
    return 1


def _items(found: list[Any], rows: int) -> list[Value]:
    """One item a row, of what each piece of the answer holds.

    >>> _items([[0, 2]], 2), _items([[[0.1, 0.9]]], 1), _items([[0.1, 0.9]], 1)
    ([0, 2], [[0.1, 0.9]], [[0.1, 0.9]])
    >>> _items(["a", "b"], 2), _items(["a", "b"], 1)
    (['a', 'b'], ['ab'])
    >>> _items([1, 2], 1)
    [2]
    """
    if len(found) == rows and rows > 1:
        return [item(part) for part in found]
    if rows == 1 and len(found) > 1 and all(isinstance(part, str) for part in found):
        return ["".join(found)[:LONGEST_TEXT]]  # a text that came word by word
    last = found[-1]
    if isinstance(last, list) and len(last) == rows:
        return [item(part) for part in last]
    if rows == 1:
        return [item(last)]
    raise UndecodableError("rows_differ")
