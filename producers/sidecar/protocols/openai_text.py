"""OpenAI-compatible servers whose words the config asks for, by a route on their path.

Latency events are as without it; predictions hold what stands at the route's places. The pieces of
a streamed text are put together.
"""

from __future__ import annotations

from inferwatch.settings.sidecar import RouteSettings
from producers.sidecar.exchange import Exchange, Headers
from producers.sidecar.protocols.free_json import FreeJson
from producers.sidecar.protocols.openai import OpenAI
from producers.sidecar.protocols.protocol import Bodies, DecodedExchange


class OpenAIText(OpenAI):
    """Requests on the path of one route.

    >>> route = RouteSettings(path="/v1/completions", outputs="$.choices[0].text")
    >>> OpenAIText(route).matches("POST", "/v1/completions", [])
    True
    """

    def __init__(self, route: RouteSettings) -> None:
        """Read the route once."""
        self._route = FreeJson(route)

    def matches(self, method: str, path: str, headers: Headers) -> bool:
        """Whether this is the route's path."""
        return self._route.matches(method, path, headers)

    def decode(self, exchange: Exchange, bodies: Bodies) -> DecodedExchange:
        """Counts and times as ever, rows as the route says."""
        decoded = super().decode(exchange, bodies)
        if not self._route.reads_bodies or decoded.error is not None or decoded.failure is not None:
            return decoded
        asked = self._route.decode(exchange, bodies)
        decoded.id = asked.id or decoded.id
        decoded.names, decoded.inputs, decoded.outputs = asked.names, asked.inputs, asked.outputs
        decoded.lost = asked.lost
        return decoded
