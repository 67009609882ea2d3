"""What logged payloads say: their protocol is told by their shape, for no event names a path.

The path that such a request has on its server is put in its place, then the protocol that takes
that path reads both halves. `sidecar.protocol` names the one where the shape does not tell
(`mlflow`, `sagemaker`, `torchserve`), and a single one of `sidecar.routes` reads JSON of no known
shape (with `protocol: json` all JSON).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

from inferwatch.settings.sidecar import SidecarSettings
from producers.sidecar.exchange import Exchange, Headers
from producers.sidecar.protocols.json_body import read_object
from producers.sidecar.protocols.protocol import (
    Bodies,
    Decoded,
    DecodedExchange,
    UndecodableError,
    WireProtocol,
)

# Stands in a path where no event names the model.
_NAMELESS = "-"
_SHAPES = {
    "open-inference-v2": "/v2/models/{}/infer",
    "kserve-v1": "/v1/models/{}:predict",
    "seldon-v1": "/api/v1.0/predictions",
    "torchserve": "/predictions/{}",
    "mlflow": "/invocations",
    "sagemaker": "/invocations",
}
_SELDON = ("data", "jsonData", "strData", "binData")


class LoggedInference:
    """A pair of halves, or a request alone; `Exchange.target` is `/` and the model's name."""

    name = "cloudevents"
    reads_bodies = True
    is_inference = True

    def __init__(
        self, settings: SidecarSettings, recognise: Callable[[Exchange], WireProtocol | None]
    ) -> None:
        """Know what the config says of the servers, and the protocols it allows."""
        self._protocol = settings.protocol
        self._route = settings.routes[0].path if len(settings.routes) == 1 else None
        self._recognise = recognise

    def matches(self, method: str, path: str, headers: Headers) -> bool:
        """Never: no request of the traffic is an event."""
        return False

    def target(self, path: str) -> tuple[str | None, str | None]:
        """The model that the event named.

        >>> from producers.sidecar.protocols.recognise import recogniser
        >>> settings = SidecarSettings()
        >>> LoggedInference(settings, recogniser(settings)).target("/iris%20v2")
        ('iris v2', None)
        """
        return unquote(path[1:]) or None, None

    def decode(self, exchange: Exchange, bodies: Bodies) -> DecodedExchange:
        """What its protocol reads, under the name that the event gave the model."""
        model, _ = self.target(exchange.path)
        path = self._path(bodies)
        if path is None:
            raise UndecodableError("unknown_shape")
        as_sent = replace(exchange, target=path.replace("{}", quote(model or _NAMELESS, safe="")))
        protocol = self._recognise(as_sent)
        if protocol is None or not protocol.is_inference:
            raise UndecodableError("unknown_shape")
        decoded = protocol.decode(as_sent, bodies)
        assert isinstance(decoded, DecodedExchange)
        decoded.model = model or (None if decoded.model == _NAMELESS else decoded.model)
        return decoded

    def _path(self, bodies: Bodies) -> str | None:
        if self._protocol == "json":
            return self._route
        if self._protocol in _SHAPES:
            return _SHAPES[self._protocol]
        return shape_of(read_object(bodies.request)) or self._route


class LoggedFeedback:
    """What was right for an earlier request, as Seldon logs it."""

    name = "cloudevents"
    reads_bodies = True
    is_inference = False

    def __init__(self, inner: WireProtocol) -> None:
        """`inner` reads feedback as a server gets it."""
        self._inner = inner

    def matches(self, method: str, path: str, headers: Headers) -> bool:
        """Never: no request of the traffic is an event."""
        return False

    def target(self, path: str) -> tuple[str | None, str | None]:
        """The model that the event named."""
        return unquote(path[1:]) or None, None

    def decode(self, exchange: Exchange, bodies: Bodies) -> Decoded:
        """The truth, under the name that the event gave the model."""
        told = self._inner.decode(exchange, bodies)
        model, _ = self.target(exchange.path)
        return replace(told, model=model) if model is not None else told


def shape_of(request: dict[str, Any]) -> str | None:
    """The path of a request with this body; None where nothing known looks like it.

    >>> shape_of({"instances": [[1]]})
    '/v1/models/{}:predict'
    >>> shape_of({"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1]}]})
    '/v2/models/{}/infer'
    """
    inputs = request.get("inputs")
    if isinstance(inputs, list) and any(isinstance(i, dict) and "datatype" in i for i in inputs):
        return _SHAPES["open-inference-v2"]
    if "instances" in request or "examples" in request or "inputs" in request:
        return _SHAPES["kserve-v1"]
    if any(key in request for key in _SELDON):
        return _SHAPES["seldon-v1"]
    if "messages" in request:
        return "/v1/chat/completions"
    if "prompt" in request:
        return "/v1/completions"
    if "input" in request:
        is_answer = any(key in request for key in ("instructions", "max_output_tokens", "tools"))
        return "/v1/responses" if is_answer else "/v1/embeddings"
    return None
