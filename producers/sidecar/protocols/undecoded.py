"""Inference that is known by its path, and whose payload is not read.

Its requests make latency events where the model is known: from the path, else the config. A free
JSON server is told by the config's `routes`.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from producers.sidecar.exchange import Exchange, Headers
from producers.sidecar.protocols.protocol import Bodies, DecodedExchange


class UndecodedProtocol:
    """One such protocol.

    >>> TORCHSERVE.target("/predictions/densenet/2")
    ('densenet', '2')
    """

    reads_bodies = False
    is_inference = True

    def __init__(self, name: str, pattern: str) -> None:
        """`pattern` is a regular expression of whole paths; groups `model` and `version`."""
        self.name = name
        self._pattern = re.compile(pattern)

    def matches(self, method: str, path: str, headers: Headers) -> bool:
        """Whether the path is one of its own."""
        return method == "POST" and self._pattern.fullmatch(path) is not None

    def target(self, path: str) -> tuple[str | None, str | None]:
        """Model and version that the path names."""
        match = self._pattern.fullmatch(path)
        named = {} if match is None else match.groupdict()
        model, version = named.get("model"), named.get("version")
        return (
            None if model is None else unquote(model),
            None if version is None else unquote(version),
        )

    def decode(self, exchange: Exchange, bodies: Bodies) -> DecodedExchange:
        """Model and version, and nothing else."""
        model, version = self.target(exchange.path)
        return DecodedExchange(model=model, version=version)


MLFLOW = UndecodedProtocol("mlflow", r"/invocations")
SAGEMAKER = UndecodedProtocol("sagemaker", r"/invocations|/models/(?P<model>[^/]+)/invoke")
SELDON_V1 = UndecodedProtocol(
    "seldon-v1", r"(?:/seldon/[^/]+/(?P<model>[^/]+))?/api/v(?:0\.1|1\.0)/predictions"
)
TORCHSERVE = UndecodedProtocol(
    "torchserve", r"/predictions/(?P<model>[^/]+)(?:/(?P<version>[^/]+))?"
)
OPENAI = UndecodedProtocol(
    "openai", r"(?:/[^/]+)*/v1/(?:chat/completions|completions|embeddings|responses)"
)
ALL = (SAGEMAKER, MLFLOW, SELDON_V1, TORCHSERVE, OPENAI)
