"""Containers of SageMaker: `POST /invocations`, and `/models/M/invoke` of multi-model ones.

CSV without a header, JSON lines, or JSON, both ways. The model is the path's, else the header's
`X-Amzn-SageMaker-Target-Model` without its `.tar.gz`; a version stands nowhere. With the protocol
`auto` an invocation is SageMaker's when a header or its content type says so, else MLflow's.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from producers.sidecar.exchange import Exchange, Headers
from producers.sidecar.protocols.mlflow import decode_invocation
from producers.sidecar.protocols.protocol import Bodies, DecodedExchange
from producers.sidecar.protocols.tables import JSON_LINES
from producers.sidecar.streams import media_type

_PATH = re.compile(r"(?:^|/)(?:invocations|models/(?P<model>[^/]+)/invoke)/?$")
_OWN = b"x-amzn-sagemaker-"
_TARGET = b"x-amzn-sagemaker-target-model"


class SageMaker:
    """Requests for predictions.

    >>> SageMaker().target("/models/iris-v3/invoke")
    ('iris-v3', None)
    >>> SageMaker(is_told=True).matches("POST", "/invocations", [(b"Content-Type", b"text/csv")])
    False
    """

    name = "sagemaker"
    reads_bodies = True
    is_inference = True

    def __init__(self, *, is_told: bool = False) -> None:
        """`is_told`: take `/invocations` only where the headers say that it is SageMaker's."""
        self._is_told = is_told

    def matches(self, method: str, path: str, headers: Headers) -> bool:
        """Whether this is an invocation, of SageMaker's where that has to be told."""
        found = _PATH.search(path) if method == "POST" else None
        if found is None:
            return False
        return found["model"] is not None or not self._is_told or _says_so(headers)

    def target(self, path: str) -> tuple[str | None, str | None]:
        """The model of a multi-model container's path."""
        found = _PATH.search(path)
        model = None if found is None else found["model"]
        return (None if model is None else unquote(model)), None

    def decode(self, exchange: Exchange, bodies: Bodies) -> DecodedExchange:
        """The rows of both halves."""
        model, _ = self.target(exchange.path)
        target = exchange.request.header(_TARGET)
        if model is None and target:
            model = target.rpartition("/")[2].removesuffix(".tar.gz")
        return decode_invocation(exchange, bodies, DecodedExchange(model=model), header=False)


def _says_so(headers: Headers) -> bool:
    for name, value in headers:
        lower = name.lower()
        if lower.startswith(_OWN):
            return True
        if lower == b"content-type" and media_type(value.decode("latin-1")) in JSON_LINES:
            return True
    return False
