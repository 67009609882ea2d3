"""How to reach the model server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from inferwatch.settings.tls import UpstreamTlsSettings
from producers.sidecar.tls import UpstreamTls

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
    tls: UpstreamTls | None

    @classmethod
    def parse(cls, text: str, tls: UpstreamTlsSettings | None = None) -> Upstream:
        """Read `http://HOST:PORT`, `https://…` or `unix:/path.sock` (checked by the settings).

        Raises:
            CertificateError: a file of `tls` cannot be used.
        """
        if text.startswith("unix:"):
            return cls(text, "", 0, text.removeprefix("unix:"), None)
        parts = urlsplit(text)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        used = UpstreamTls(tls) if parts.scheme == "https" else None
        return cls(text, parts.hostname or "", port, None, used)

    async def connect(
        self, protocol: Callable[[], asyncio.Protocol], timeout_s: float, *, is_http2: bool = False
    ) -> tuple[Any, Any]:
        """A new connection; raises OSError (TimeoutError is one) when there is none.

        `is_http2`: what will be spoken, which a server behind TLS is asked for.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout_s):
            if self.path is not None:
                return await loop.create_unix_connection(protocol, self.path)
            return await loop.create_connection(
                protocol,
                self.host,
                self.port,
                ssl=None if self.tls is None else self.tls.context(is_http2=is_http2),
                server_hostname=self.host if self.tls else None,
            )
