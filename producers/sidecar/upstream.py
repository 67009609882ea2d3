"""How to reach the model server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Upstream:
    """The address of the model server, as the config gives it.

    >>> Upstream.parse("http://localhost:8080").where
    'http://localhost:8080'
    """

    where: str
    host: str
    port: int
    path: str | None
    tls: ssl.SSLContext | None

    @classmethod
    def parse(cls, text: str) -> Upstream:
        """Read `http://HOST:PORT`, `https://…` or `unix:/path.sock` (checked by the settings)."""
        if text.startswith("unix:"):
            return cls(text, "", 0, text.removeprefix("unix:"), None)
        parts = urlsplit(text)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        context = None
        if parts.scheme == "https":
            context = ssl.create_default_context()
            # The client's bytes are passed on as they are, so HTTP/1.1 is all that may be agreed.
            context.set_alpn_protocols(["http/1.1"])
        return cls(text, parts.hostname or "", port, None, context)

    async def connect(
        self, protocol: Callable[[], asyncio.Protocol], timeout_s: float
    ) -> tuple[Any, Any]:
        """A new connection; raises OSError (TimeoutError is one) when there is none."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout_s):
            if self.path is not None:
                return await loop.create_unix_connection(protocol, self.path)
            return await loop.create_connection(
                protocol,
                self.host,
                self.port,
                ssl=self.tls,
                server_hostname=self.host if self.tls else None,
            )
