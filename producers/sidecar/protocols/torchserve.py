"""TorchServe: `POST /predictions/M[/V]`.

Bodies are what the model's handler wants: an image, a text, JSON. A request is one row, unless it
is JSON that holds several (`instances`, or a list of lists under its only key). Of a body that is
no JSON no features are read. An answer that gives numbers by name is scores by class.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from producers.sidecar.exchange import Exchange, Headers
from producers.sidecar.protocols.invocations import rows_of_json
from producers.sidecar.protocols.json_body import error_text, read_json
from producers.sidecar.protocols.protocol import Bodies, DecodedExchange, UndecodableError, Value
from producers.sidecar.protocols.rows import Rows, item, outputs_of, rows_of_instances
from producers.sidecar.protocols.tables import cell_value

_PATH = re.compile(r"(?:^|/)predictions/(?P<model>[^/]+)(?:/(?P<version>[^/]+))?/?$")
# A longer text is no class.
_LONGEST_CLASS = 128


class TorchServe:
    """Requests for predictions.

    >>> TorchServe().target("/predictions/densenet/2")
    ('densenet', '2')
    """

    name = "torchserve"
    reads_bodies = True
    is_inference = True

    def matches(self, method: str, path: str, headers: Headers) -> bool:
        """Whether this is a prediction."""
        return method in ("POST", "PUT") and _PATH.search(path) is not None

    def target(self, path: str) -> tuple[str | None, str | None]:
        """Model and version of the path."""
        found = _PATH.search(path)
        if found is None:
            return None, None
        version = found["version"]
        return unquote(found["model"]), None if version is None else unquote(version)

    def decode(self, exchange: Exchange, bodies: Bodies) -> DecodedExchange:
        """One row, or those of a JSON that holds several."""
        model, version = self.target(exchange.path)
        names, inputs = _rows(bodies.request)
        decoded = DecodedExchange(model=model, version=version, names=names, inputs=inputs)
        if exchange.status is None or exchange.status >= 300:
            decoded.error = error_text(bodies.response)
            return decoded
        try:
            decoded.outputs = _outputs(bodies.response, len(inputs))
        except UndecodableError as error:
            decoded.lost = error.reason
        return decoded


def _rows(body: bytes | None) -> Rows:
    try:
        value = read_json(body)
    except UndecodableError:
        return [], [[]]
    if isinstance(value, dict) and "instances" not in value:
        return _rows_of_object(value)
    if isinstance(value, list) and not any(isinstance(row, (list, dict)) for row in value):
        return None, [value]
    try:
        return rows_of_json(value)
    except UndecodableError:
        return [], [[]]


def _rows_of_object(value: dict[str, Any]) -> Rows:
    only = next(iter(value.values())) if len(value) == 1 else None
    if isinstance(only, list) and only and all(isinstance(row, (list, dict)) for row in only):
        return rows_of_instances(only)
    return rows_of_instances([value])


def _outputs(body: bytes | None, rows: int) -> dict[str, Sequence[Value]]:
    try:
        value = read_json(body)
    except UndecodableError:
        return {"": [_class_of_text(body)]}
    if isinstance(value, dict) and "predictions" not in value:
        numbers = [type(v) in (int, float) for v in value.values()]
        return {"": [value]} if all(numbers) else {n: [item(v)] for n, v in value.items()}
    if isinstance(value, list) and len(value) != rows and rows == 1:
        return {"": [item(value)]}
    if isinstance(value, (dict, list)):
        return _by_class(outputs_of(value))
    return {"": [value]}


def _by_class(outputs: dict[str, Sequence[Value]]) -> dict[str, Sequence[Value]]:
    """Several outputs that hold nothing but numbers inside 0..1 are scores by class."""
    columns = list(outputs.values())
    if len(columns) < 2 or not all(
        type(v) in (int, float) and 0 <= v <= 1 for column in columns for v in column
    ):
        return outputs
    return {"": [dict(zip(outputs, row, strict=True)) for row in zip(*columns, strict=True)]}


def _class_of_text(body: bytes | None) -> Value:
    text = (body or b"")[: _LONGEST_CLASS + 1].decode("utf-8", "replace").strip()
    if not text or len(text) > _LONGEST_CLASS or not text.isprintable():
        raise UndecodableError("no_json")
    return cell_value(text)
