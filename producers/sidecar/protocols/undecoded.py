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

    >>> UndecodedProtocol("x", "/predict/(?P<model>[^/]+)").target("/predict/a")
    ('a', None)
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


OPENAI = UndecodedProtocol(
    "openai", r"(?:/[^/]+)*/v1/(?:chat/completions|completions|embeddings|responses)"
)
ALL = (OPENAI,)
