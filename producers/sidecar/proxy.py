"""The listening side: accepts clients, gives each a splice of its own, drains them at the end."""

from __future__ import annotations

import asyncio

from inferwatch.errors import UsageError
from inferwatch.settings.types import split_address
from producers.sidecar.splice import Splice, SpliceRules
from producers.sidecar.tls import ListenerTls, listening_options

BACKLOG = 1024
_POLL_S = 0.02


class Proxy:
    """All client connections of one sidecar."""

    def __init__(self, rules: SpliceRules, tls: ListenerTls | None = None) -> None:
        """Nothing listens before `start`; `tls` is what clients meet, None for none."""
        self._rules = rules
        self._tls = tls
        self._splices: set[Splice] = set()
        self._server: asyncio.Server | None = None
        rules.counters.gauge("connections_open", lambda: float(len(self._splices)))

    async def start(self, address: str) -> str:
        """Listen on `HOST:PORT`; the address with the port that was really taken.

        Raises:
            UsageError: the address cannot be listened on.
        """
        host, port = split_address(address)
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: Splice(self._rules, self._splices),
                host,
                port,
                backlog=BACKLOG,
                **listening_options(self._tls),
            )
        except OSError as error:
            raise cannot_listen("listen", address, error) from error
        return address_of(self._server, host)

    async def close(self, grace_s: float) -> None:
        """Accept no more, let what is under way end for `grace_s`, then cut it."""
        if self._server is not None:
            self._server.close()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace_s
        while self._splices and loop.time() < deadline:
            for splice in list(self._splices):
                splice.close_when_idle()
            await asyncio.sleep(_POLL_S)
        for splice in list(self._splices):
            splice.abort()
        # Their endings are told in the next turn of the loop.
        await asyncio.sleep(0)

    @property
    def passed(self) -> tuple[int, int]:
        """Bytes to and from the model server since the start, over all connections."""
        return self._rules.traffic.to_upstream, self._rules.traffic.from_upstream


def address_of(server: asyncio.Server, host: str) -> str:
    """`HOST:PORT` of a server, with the port it was given."""
    port = server.sockets[0].getsockname()[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def cannot_listen(option: str, address: str, error: OSError) -> UsageError:
    """One line for an address that is taken or not ours."""
    why = error.strerror or str(error)
    return UsageError(f"--{option} {address}: cannot listen there ({why}); port 0 takes a free one")
