"""The traffic in front of one model server: the proxy with its taps, and the server's resources."""

from __future__ import annotations

import asyncio

from inferwatch.settings.sidecar import SidecarSettings, is_loopback
from producers.sidecar.events import UNVERSIONED
from producers.sidecar.outlet import Outlet
from producers.sidecar.proxy import Proxy
from producers.sidecar.resources import ResourceSampler, ServedModels, listeners
from producers.sidecar.splice import SpliceRules
from producers.sidecar.tap import Tap, TapRules
from producers.sidecar.tls import ListenerTls
from producers.sidecar.upstream import Upstream


def served_models(settings: SidecarSettings) -> ServedModels:
    """The models that the server is seen to serve; the config's where none was seen yet."""
    return ServedModels(configured_model(settings))


def configured_model(settings: SidecarSettings) -> tuple[str, str] | None:
    """Model and version of the config; None where it names no model."""
    return (settings.model, settings.version or UNVERSIONED) if settings.model else None


class Traffic:
    """What passes to one model server and back."""

    def __init__(
        self,
        settings: SidecarSettings,
        upstream: Upstream,
        tls: ListenerTls | None,
        outlet: Outlet,
        models: ServedModels,
    ) -> None:
        """Nothing listens before `start`; `tls` is what clients meet, None for none."""
        self._settings = settings
        self._upstream = upstream
        rules = TapRules(outlet.copies)
        self._proxy = Proxy(
            SpliceRules(
                upstream=upstream,
                counters=outlet.counters,
                new_tap=lambda: Tap(rules),
                marks=settings.mint_ids,
                connect_s=settings.timeouts.connect / 1000,
                response_s=settings.timeouts.response / 1000,
            ),
            tls,
        )
        self._sampler = ResourceSampler(
            outlet.publisher,
            models,
            origin=outlet.origin,
            pids=self._find_server,
            passed=lambda: self._proxy.passed,
            every_s=settings.resources.every / 1000,
        )

    async def start(self) -> str:
        """Listen; the address that clients reach it by.

        Raises:
            UsageError: the address cannot be listened on.
        """
        listening = await self._proxy.start(self._settings.listen)
        self._sampler.start()
        return listening

    async def close(self, grace_s: float) -> None:
        """Let requests under way end, within this time."""
        await self._proxy.close(grace_s)
        await asyncio.to_thread(self._sampler.close)

    def _find_server(self) -> list[int]:
        if self._settings.resources.pid is not None:
            return [self._settings.resources.pid]
        host = self._upstream.host
        is_here = bool(host) and is_loopback(f"{'[' + host + ']' if ':' in host else host}:1")
        return listeners(self._upstream.port) if is_here else []
