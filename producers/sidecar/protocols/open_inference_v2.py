"""The Open Inference Protocol V2 over REST: MLServer, KServe, Triton.

`POST /v2/models/M[/versions/V]/infer`, also behind a prefix. Rows are the first dimension of the
tensors. One tensor of [n, f] has no names for its columns (the tensor's own name is none); where
each tensor is a column (or a single one has the shape [n]), tensor names are feature names. The
id is the request's, else the answer's. JSON and raw (`Inference-Header-Content-Length`) tensors
are read, each half by its own headers: a server may answer JSON to a client that asked for raw
ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from producers.sidecar.exchange import Exchange, Headers
from producers.sidecar.protocols.json_body import error_text, read_object, text_id
from producers.sidecar.protocols.protocol import (
    Bodies,
    DecodedExchange,
    LearnedNames,
    UndecodableError,
    Value,
)
from producers.sidecar.protocols.rows import Rows
from producers.sidecar.protocols.tensors import Tensor, read_tensors, split_binary

NAME = "open-inference-v2"

_MODEL = r"(?:^|/)v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?"
_INFER = re.compile(rf"{_MODEL}/(?:infer|infer_stream|generate|generate_stream)/?$")
_DESCRIBE = re.compile(rf"{_MODEL}/?$")
_HEADER_LENGTH = b"inference-header-content-length"


class OpenInferenceV2:
    """Requests for predictions.

    >>> OpenInferenceV2().matches("POST", "/v2/models/iris/infer", [])
    True
    >>> OpenInferenceV2().matches("POST", "/v2/repository/index", [])
    False
    >>> OpenInferenceV2().target("/v2/models/iris/versions/3/infer")
    ('iris', '3')
    """

    name = NAME
    reads_bodies = True
    is_inference = True

    def matches(self, method: str, path: str, headers: Headers) -> bool:
        """Whether this is an inference of V2."""
        return method == "POST" and _INFER.search(path) is not None

    def target(self, path: str) -> tuple[str | None, str | None]:
        """Model and version of the path."""
        return _target(_INFER, path)

    def decode(self, exchange: Exchange, bodies: Bodies) -> DecodedExchange:
        """The tensors of both halves as rows; a request that cannot be read has none."""
        model, version = self.target(exchange.path)
        decoded = DecodedExchange(model=model, version=version)
        json_part, raw = split_binary(bodies.request, exchange.request.header(_HEADER_LENGTH))
        succeeded = exchange.status is not None and exchange.status < 300
        try:
            request = read_object(json_part)
            decoded.id = text_id(request.get("id"))
            # A server may accept less than the protocol wants; what it refused is read strictly.
            tensors = read_tensors(request.get("inputs"), raw, strict=not succeeded)
            decoded.names, decoded.inputs = columns_of(tensors, _is_frame(request))
        except UndecodableError:
            # What the server refused too is no surprise; what it understood should be readable.
            if succeeded:
                raise
        if not succeeded:
            decoded.error = error_text(bodies.response)
            return decoded
        json_part, raw = split_binary(bodies.response, exchange.response.header(_HEADER_LENGTH))
        response = read_object(json_part)
        decoded.id = decoded.id or text_id(response.get("id"))
        decoded.version = decoded.version or text_id(response.get("model_version"))
        tensors = read_tensors(response.get("outputs"), raw)
        decoded.outputs = {tensor.name: tensor.row_items() for tensor in tensors}
        return decoded


class OpenInferenceV2Metadata:
    """`GET /v2/models/M`: a model that takes one tensor a column tells their names and order."""

    name = NAME
    reads_bodies = True
    is_inference = False

    def matches(self, method: str, path: str, headers: Headers) -> bool:
        """Whether this asks what a model looks like."""
        return method == "GET" and _DESCRIBE.search(path) is not None

    def target(self, path: str) -> tuple[str | None, str | None]:
        """Model and version of the path."""
        return _target(_DESCRIBE, path)

    def decode(self, exchange: Exchange, bodies: Bodies) -> LearnedNames:
        """The names of the columns."""
        model, version = self.target(exchange.path)
        inputs = read_object(bodies.response).get("inputs")
        if not isinstance(inputs, list) or len(inputs) < 2 or model is None:
            raise UndecodableError("no_names")
        names = tuple(str(i.get("name")) for i in inputs if isinstance(i, Mapping))
        return LearnedNames(model, version, names)


@lru_cache(maxsize=4096)
def _target(pattern: re.Pattern[str], path: str) -> tuple[str | None, str | None]:
    match = pattern.search(path)
    if match is None:
        return None, None
    version = match["version"]
    return unquote(match["model"]), None if version is None else unquote(version)


def _is_frame(request: Mapping[str, Any]) -> bool:
    parameters = request.get("parameters")
    return isinstance(parameters, dict) and parameters.get("content_type") == "pd"


def columns_of(tensors: list[Tensor], is_frame: bool) -> Rows:
    """Tensors as rows: one of [n, f] has no names for its columns, else tensors are columns."""
    if not tensors:
        raise UndecodableError("no_tensors")
    if len(tensors) == 1 and not is_frame and len(tensors[0].shape) > 1:
        return None, tensors[0].rows()
    count = max(tensor.shape[0] for tensor in tensors)
    names: list[str] = []
    rows: list[list[Value]] = [[] for _ in range(count)]
    for tensor in tensors:
        if tensor.width == 1:
            names.append(tensor.name)
        else:
            names.extend(f"{tensor.name}.{column}" for column in range(tensor.width))
        parts = tensor.rows()
        if len(parts) == 1 and count > 1:
            # A parameter given once holds for every row.
            parts = parts * count
        if len(parts) != count:
            raise UndecodableError("rows_differ")
        for row, part in zip(rows, parts, strict=True):
            row.extend(part)
    return names, rows
