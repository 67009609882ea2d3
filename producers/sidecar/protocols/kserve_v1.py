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

from producers.sidecar.exchange import Exchange, Headers
from producers.sidecar.protocols.json_body import error_text, read_json, read_object, text_id
from producers.sidecar.protocols.protocol import Bodies, DecodedExchange, UndecodableError, Value
from producers.sidecar.protocols.rows import (
    Rows,
    item,
    outputs_of,
    rows_of_columns,
    rows_of_instances,
)

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


def _inputs(request: Mapping[str, Any]) -> Rows:
    for key in ("instances", "examples", "inputs"):
        if isinstance(request.get(key), list):
            return rows_of_instances(request[key])
    columns = request.get("inputs")
    if isinstance(columns, dict) and columns:
        return rows_of_columns(columns)
    raise UndecodableError("no_instances")


def _outputs(response: Mapping[str, Any]) -> dict[str, Sequence[Value]]:
    for key in ("result", "results"):
        if isinstance(response.get(key), list):
            return {"": [item(row) for row in response[key]]}
    if "predictions" not in response and "outputs" not in response:
        raise UndecodableError("no_predictions")
    return outputs_of(response)
