"""Connections that never lead to a link-local address or a cloud's metadata service.

A host name is resolved once, every address it has is checked, and one of these is the address that
is connected to: a name that answers differently the second time gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from consumers.notifier.channels.interface import Permanent
from inferwatch.settings.notify.addresses import refusal


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections to checked addresses only."""

    def __init__(self) -> None:
        """Connect as httpx does by itself."""
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, check every address, connect to the first that answers."""
        failure: Exception | None = None
        for address in await resolve(host, port):
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """No receiver is a socket file."""
        raise httpcore.ConnectError("a receiver is reached over TCP")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, all of them checked.

    Raises:
        Permanent: one of them is link-local or a metadata service.
        httpcore.ConnectError: the name has no address.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(f"{host} has no address: {error}") from None
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        why = refusal(address)
        if why is not None:
            raise Permanent(f"{why}, and nothing is ever sent there")
    return addresses


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx over a guarded connection, which is kept open for a while."""

    def __init__(self, context: ssl.SSLContext) -> None:
        """Connect at the first request."""
        super().__init__(verify=context)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=1,
            max_keepalive_connections=1,
            keepalive_expiry=30.0,
            network_backend=GuardedBackend(),
        )
