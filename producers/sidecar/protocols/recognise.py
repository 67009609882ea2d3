"""Which protocol a request speaks: the first one that takes it for its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from inferwatch.settings.sidecar import RouteSettings, SidecarSettings
from producers.sidecar.exchange import Exchange
from producers.sidecar.protocols.free_json import FreeJson
from producers.sidecar.protocols.kserve_v1 import KServeV1
from producers.sidecar.protocols.mlflow import MLflow
from producers.sidecar.protocols.open_inference_grpc import OpenInferenceGrpc
from producers.sidecar.protocols.open_inference_v2 import OpenInferenceV2, OpenInferenceV2Metadata
from producers.sidecar.protocols.openai import OpenAI
from producers.sidecar.protocols.openai_text import OpenAIText
from producers.sidecar.protocols.protocol import WireProtocol
from producers.sidecar.protocols.sagemaker import SageMaker
from producers.sidecar.protocols.seldon_v1 import SeldonFeedback, SeldonV1
from producers.sidecar.protocols.torchserve import TorchServe

_UNMISTAKABLE: tuple[WireProtocol, ...] = (
    OpenInferenceV2(),
    KServeV1(),
    OpenInferenceV2Metadata(),
    OpenInferenceGrpc(),
    SeldonV1(),
    SeldonFeedback(),
    TorchServe(),
    OpenAI(),
)
# Two protocols share a path: the headers tell them apart, or the config does.
_TOLD_APART: tuple[WireProtocol, ...] = (SageMaker(is_told=True), MLflow(header=None))
_CONFIGURED: tuple[WireProtocol, ...] = (SageMaker(), MLflow())


def recogniser(settings: SidecarSettings) -> Callable[[Exchange], WireProtocol | None]:
    """What understands a request: every protocol with `auto`, else the configured one alone.

    >>> recognise = recogniser(SidecarSettings(protocol="kserve-v1"))
    >>> recognise(Exchange(method="POST", target="/v1/models/m:predict")).name
    'kserve-v1'
    >>> recognise(Exchange(method="POST", target="/v2/models/m/infer")) is None
    True
    """
    told_apart: tuple[WireProtocol, ...] = _TOLD_APART
    by_path: list[WireProtocol] = [*_UNMISTAKABLE]
    if settings.protocol != "auto":
        configured = (*_UNMISTAKABLE, *_CONFIGURED)
        told_apart = ()
        by_path = [protocol for protocol in configured if protocol.name == settings.protocol]
    width = len(settings.features.names)
    by_path = [*(_routed(route, width) for route in settings.routes), *by_path]

    @lru_cache(maxsize=4096)
    def of_path(method: str, path: str) -> WireProtocol | None:
        return next((p for p in by_path if p.matches(method, path, [])), None)

    def recognise(exchange: Exchange) -> WireProtocol | None:
        method, path = exchange.method, exchange.path
        found = of_path(method, path)
        if found is None:
            headers = exchange.request.headers
            found = next((p for p in told_apart if p.matches(method, path, headers)), None)
        return found

    return recognise


def _routed(route: RouteSettings, width: int) -> WireProtocol:
    if OpenAI().matches("POST", route.path, []):
        return OpenAIText(route)
    return FreeJson(route, width)
