"""KServe V1 and TensorFlow Serving over REST: one path, one body shape.

`POST /v1/models/M[/versions/V or /labels/L]:predict` (`:classify`, `:regress`; `:explain` is no
prediction). `instances` are rows; `inputs` are columns, answered with `outputs`; `examples` go
with `result` or `results` (TensorFlow's page says both). The body may be the `data` of a
structured CloudEvent, whose id then counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from inferwatch.events.flatten import flatten
from producers.sidecar.exchange import Exchange, Headers
from producers.sidecar.protocols.json_body import error_text, read_json, read_object, text_id
from producers.sidecar.protocols.protocol import Bodies, DecodedExchange, UndecodableError, Value

_PREDICT = re.compile(
    r"(?:^|/)v1/models/(?P<model>[^/]+?)(?:/(?:versions|labels)/(?P<version>[^/]+?))?"
    r":(?P<verb>predict|classify|regress)/?$"
)


class KServeV1:
    """Requests for predictions.

    >>> KServeV1().target("/v1/models/iris/versions/3:predict")
    ('iris', '3')
    >>> KServeV1().matches("POST", "/v1/models/iris:explain", [])
    False
    """

    name = "kserve-v1"
    reads_bodies = True
    is_inference = True

    def matches(self, method: str, path: str, headers: Headers) -> bool:
        """Whether this is a prediction of V1."""
        return method == "POST" and _PREDICT.search(path) is not None

    def target(self, path: str) -> tuple[str | None, str | None]:
        """Model and version (or label) of the path."""
        match = _PREDICT.search(path)
        if match is None:
            return None, None
        version = match["version"]
        return unquote(match["model"]), None if version is None else unquote(version)

    def decode(self, exchange: Exchange, bodies: Bodies) -> DecodedExchange:
        """Instances and predictions as rows; a request that cannot be read has none."""
        model, version = self.target(exchange.path)
        decoded = DecodedExchange(model=model, version=version)
        succeeded = exchange.status is not None and exchange.status < 300
        try:
            decoded.id = _envelope_id(bodies.request)
            decoded.names, decoded.inputs = _inputs(read_object(bodies.request))
        except UndecodableError:
            if succeeded:
                raise
        if succeeded:
            decoded.outputs = _outputs(read_object(bodies.response))
        else:
            decoded.error = error_text(bodies.response)
        return decoded


def _envelope_id(body: bytes | None) -> str | None:
    if body is None or b"specversion" not in body:
        return None
    value = read_json(body)
    return text_id(value.get("id")) if isinstance(value, dict) and "data" in value else None


def _inputs(request: Mapping[str, Any]) -> tuple[list[str] | None, list[list[Value]]]:
    for key in ("instances", "examples"):
        if isinstance(request.get(key), list):
            return _named_rows(request[key])
    columns = request.get("inputs")
    if isinstance(columns, list):
        return _named_rows(columns)
    if isinstance(columns, dict) and columns:
        return _transposed(columns)
    raise UndecodableError("no_instances")


def _named_rows(instances: Sequence[Any]) -> tuple[list[str] | None, list[list[Value]]]:
    if not any(isinstance(row, dict) for row in instances):
        return None, [_flat(row) if isinstance(row, list) else [row] for row in instances]
    flat = [_without_binary(row) if isinstance(row, dict) else {} for row in instances]
    names = list(dict.fromkeys(name for row in flat for name in row))
    return names, [[row.get(name) for name in names] for row in flat]


def _without_binary(row: Mapping[str, Any]) -> dict[str, Value]:
    """The leaves of a row by dotted names; `{"b64": …}` marks binary data, no value to watch."""
    leaves = flatten(row)
    return {name: v for name, v in leaves.items() if name != "b64" and not name.endswith(".b64")}


def _transposed(columns: Mapping[str, Any]) -> tuple[list[str] | None, list[list[Value]]]:
    listed = {name: c if isinstance(c, list) else [c] for name, c in columns.items()}
    count = max(len(column) for column in listed.values())
    if any(len(column) != count for column in listed.values()):
        raise UndecodableError("rows_differ")
    rows: list[list[Value]] = [[] for _ in range(count)]
    names: list[str] = []
    for name, column in listed.items():
        parts = [_flat(item) if isinstance(item, list) else [item] for item in column]
        width = max(map(len, parts), default=0)
        names.extend([name] if width == 1 else [f"{name}.{i}" for i in range(width)])
        for row, part in zip(rows, parts, strict=True):
            row.extend(part + [None] * (width - len(part)))
    # One matrix alone has no names for its columns, as in V2.
    is_matrix = len(listed) == 1 and any(
        isinstance(item, list) for c in listed.values() for item in c
    )
    return (None if is_matrix else names), rows


def _outputs(response: Mapping[str, Any]) -> dict[str, Sequence[Value]]:
    for key in ("result", "results"):
        if isinstance(response.get(key), list):
            return {"": [_by_class(row) for row in response[key]]}
    predictions = response.get("predictions", response.get("outputs"))
    if isinstance(predictions, dict):
        return {
            name: [_item(row) for row in rows] if isinstance(rows, list) else [rows]
            for name, rows in predictions.items()
        }
    if not isinstance(predictions, list):
        raise UndecodableError("no_predictions")
    if predictions and all(isinstance(row, dict) for row in predictions):
        names = dict.fromkeys(name for row in predictions for name in row)
        return {name: [_item(row.get(name)) for row in predictions] for name in names}
    return {"": [_item(row) for row in predictions]}


def _item(row: Any) -> Value:
    if not isinstance(row, list):
        return row
    flat = _flat(row)
    return flat[0] if len(flat) == 1 else flat


def _by_class(row: Any) -> Value:
    """`[["setosa", 0.9], …]` of a classification as scores by class."""
    if isinstance(row, list) and row and all(isinstance(p, list) and len(p) == 2 for p in row):
        return {str(name): score for name, score in row}
    return _item(row)


def _flat(row: list[Any]) -> list[Value]:
    flat: list[Value] = []
    for item in row:
        flat.extend(_flat(item)) if isinstance(item, list) else flat.append(item)
    return flat
