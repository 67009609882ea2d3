"""Seldon's own protocol (V1): `POST [/seldon/NS/DEPLOYMENT]/api/v1.0/predictions` and `/feedback`.

Rows are `data.ndarray` or `data.tensor`, columns are named by `data.names`; `strData` is one row
of one text, `jsonData` free JSON, `binData` one row without features. The model is the path's
deployment, else the only node of `meta.requestPath`, whose image tag is the version. The id is
`meta.puid` of the request, else of the answer, else the header Seldon-Puid's. Names of outputs are
classes, except the placeholders `t:0`, `t:1`, ….

Feedback is no inference: its `truth` is the label of the request whose answer it quotes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from producers.sidecar.exchange import Exchange, Headers
from producers.sidecar.protocols.json_body import read_object, text_id
from producers.sidecar.protocols.protocol import (
    Bodies,
    DecodedExchange,
    ReportedTruth,
    UndecodableError,
    Value,
)
from producers.sidecar.protocols.rows import Rows, item, rows_of_instances
from producers.sidecar.protocols.tensors import Tensor

NAME = "seldon-v1"

_PATH = r"(?:^|/)(?:seldon/[^/]+/(?P<model>[^/]+)/)?api/v(?:0\.1|1\.0)/"
_PREDICT = re.compile(rf"{_PATH}predictions/?$")
_FEEDBACK = re.compile(rf"{_PATH}feedback/?$")
_PLACEHOLDER = re.compile(r"t:\d+")


class SeldonV1:
    """Requests for predictions.

    >>> SeldonV1().target("/seldon/ns1/iris/api/v1.0/predictions")
    ('iris', None)
    """

    name = NAME
    reads_bodies = True
    is_inference = True

    def matches(self, method: str, path: str, headers: Headers) -> bool:
        """Whether this is a prediction."""
        return method == "POST" and _PREDICT.search(path) is not None

    def target(self, path: str) -> tuple[str | None, str | None]:
        """The deployment of an ingress path."""
        return _deployment(_PREDICT, path), None

    def decode(self, exchange: Exchange, bodies: Bodies) -> DecodedExchange:
        """The payloads of both halves as rows."""
        decoded = DecodedExchange(model=_deployment(_PREDICT, exchange.path))
        succeeded = exchange.status is not None and exchange.status < 300
        try:
            request = read_object(bodies.request)
            decoded.id = text_id(_meta(request).get("puid"))
            decoded.names, decoded.inputs = _rows(request)
        except UndecodableError:
            if succeeded:
                raise
        try:
            answer = read_object(bodies.response)
        except UndecodableError:
            if succeeded:
                raise
            answer = {}
        self._read_answer(answer, decoded, succeeded=succeeded)
        return decoded

    def _read_answer(
        self, answer: Mapping[str, Any], decoded: DecodedExchange, *, succeeded: bool
    ) -> None:
        meta = _meta(answer)
        decoded.id = decoded.id or text_id(meta.get("puid"))
        node, tag = _only_node(meta.get("requestPath"))
        decoded.model, decoded.version = decoded.model or node, tag
        status = answer.get("status")
        status = status if isinstance(status, dict) else {}
        if not succeeded or status.get("status") in (1, "FAILURE"):
            told = status.get("info") or status.get("reason") or answer.get("error")
            decoded.error = str(told) if told else None
            decoded.failure = "upstream_error" if succeeded else None
            return
        decoded.outputs = _outputs(answer, decoded.rows)


class SeldonFeedback:
    """What was right for an earlier request."""

    name = NAME
    reads_bodies = True
    is_inference = False

    def matches(self, method: str, path: str, headers: Headers) -> bool:
        """Whether this is feedback."""
        return method == "POST" and _FEEDBACK.search(path) is not None

    def target(self, path: str) -> tuple[str | None, str | None]:
        """The deployment of an ingress path."""
        return _deployment(_FEEDBACK, path), None

    def decode(self, exchange: Exchange, bodies: Bodies) -> ReportedTruth:
        """The truth, and the id of the request that it is about."""
        told = read_object(bodies.request)
        truth, answer, request = (_object(told.get(k)) for k in ("truth", "response", "request"))
        puid = text_id(_meta(answer).get("puid")) or text_id(_meta(request).get("puid"))
        if puid is None or not truth:
            raise UndecodableError("no_truth")
        names, inputs = _rows(request) if request else (None, None)
        (truths,) = _outputs(truth, None if inputs is None else len(inputs)).values()
        return ReportedTruth(_deployment(_FEEDBACK, exchange.path), puid, truths, names, inputs)


def _deployment(pattern: re.Pattern[str], path: str) -> str | None:
    found = pattern.search(path)
    return unquote(found["model"]) if found is not None and found["model"] else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _meta(message: Mapping[str, Any]) -> dict[str, Any]:
    return _object(message.get("meta"))


def _only_node(request_path: Any) -> tuple[str | None, str | None]:
    """The node of a graph that has one, and its image's tag."""
    if not isinstance(request_path, dict) or len(request_path) != 1:
        return None, None
    ((node, image),) = request_path.items()
    tag = str(image).rpartition("/")[2].partition("@")[0].partition(":")[2]
    return node, tag or None


def _rows(message: Mapping[str, Any]) -> Rows:
    if "data" in message:
        names, values = _data(message)
        if values and not any(isinstance(row, (list, dict)) for row in values):
            # A vector is one row of its names, else of one column.
            values = [values] if names and len(names) == len(values) else [[v] for v in values]
        found, rows = rows_of_instances(values)
        return (found or names or None), rows
    if "jsonData" in message:
        free = message["jsonData"]
        return rows_of_instances(free if isinstance(free, list) else [free])
    if isinstance(message.get("strData"), str):
        return None, [[message["strData"]]]
    if "binData" in message:
        return [], [[]]
    raise UndecodableError("no_data")


def _data(message: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
    data = _object(message.get("data"))
    names = data.get("names")
    names = list(map(str, names)) if isinstance(names, list) else []
    tensor = data.get("tensor")
    if isinstance(tensor, dict):
        shape, values = tensor.get("shape"), tensor.get("values")
        if not isinstance(shape, list) or not isinstance(values, list):
            raise UndecodableError("shape")
        if set(map(type, shape)) != {int}:
            raise UndecodableError("shape")
        if len(shape) == 1:
            return names, values
        return names, list(Tensor("", tuple(shape), values).rows())
    if isinstance(data.get("ndarray"), list):
        return names, data["ndarray"]
    raise UndecodableError("no_data")


def _outputs(message: Mapping[str, Any], rows: int | None) -> dict[str, Sequence[Value]]:
    if "data" not in message:
        if "jsonData" in message:
            free = message["jsonData"]
            return {"": [item(row) for row in free] if isinstance(free, list) else [free]}
        if isinstance(message.get("strData"), str):
            return {"": [message["strData"]]}
        raise UndecodableError("no_data")
    names, values = _data(message)
    if rows == 1 and len(values) > 1 and not any(isinstance(v, list) for v in values):
        values = [values]
    items = [item(row) for row in values]
    if names and not any(_PLACEHOLDER.fullmatch(name) for name in names):
        items = [
            dict(zip(names, i, strict=True)) if isinstance(i, list) and len(i) == len(names) else i
            for i in items
        ]
    return {"": items}
