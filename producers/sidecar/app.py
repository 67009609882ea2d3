"""The sidecar put together: proxy, reader, publisher, sampler, collector and admin port."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable

from inferwatch.certificates import CertificateError
from inferwatch.errors import UsageError
from inferwatch.settings import Settings
from inferwatch.settings.sidecar import SidecarSettings
from inferwatch.settings.types import split_address
from producers.counters import Counters
from producers.sidecar.admin.routes import Routes
from producers.sidecar.admin.server import AdminConnection, Clients
from producers.sidecar.collector.collector import Collector
from producers.sidecar.outlet import Connect, Outlet
from producers.sidecar.proxy import address_of, cannot_listen
from producers.sidecar.reload import Reloader, Reread
from producers.sidecar.tls import ListenerTls, listening_options
from producers.sidecar.traffic import Traffic, configured_model, served_models
from producers.sidecar.upstream import Upstream

log = logging.getLogger("inferwatch.sidecar")

# In all well below the 30 s after which orchestrators kill.
DRAIN_TRAFFIC_S = 10.0
DRAIN_READER_S = 2.0
DRAIN_EVENTS_S = 5.0
# Pure Python in the reader's thread must give the event loop its turn sooner than after the usual
# 5 ms.
SWITCH_INTERVAL_S = 0.00005


class Sidecar:
    """One sidecar: `start`, then `close`."""

    def __init__(self, settings: Settings, *, connect: Connect | None = None) -> None:
        """Build all parts; nothing listens and nothing is sent before `start`.

        Args:
            settings: the whole config; `sidecar.upstream` must be there, or `sidecar.admin` alone.
            connect: another broker than the config's Kafka, by origin.

        Raises:
            UsageError: there is no upstream.
        """
        sidecar = settings.sidecar
        if sidecar is None or (sidecar.upstream is None and not sidecar.is_collector):
            raise UsageError(
                "no upstream: say where the model server is, with --upstream http://HOST:PORT "
                "or `sidecar.upstream` in the config; a collector of CloudEvents alone is told "
                "--admin HOST:PORT, and neither upstream nor listen"
            )
        self._settings = sidecar
        self.counters = Counters()
        self.listening = ""
        self.admin_listening = ""
        self._closing = False
        try:
            upstream = (
                None
                if sidecar.upstream is None
                else Upstream.parse(sidecar.upstream, sidecar.upstream_tls)
            )
            self._tls = None if sidecar.tls is None else ListenerTls(sidecar.tls)
        except CertificateError as error:
            raise UsageError(f"sidecar: TLS: {error}") from None
        self._upstream = upstream
        self.upstream_address = None if upstream is None else upstream.where
        models = self._models = served_models(sidecar)
        outlet = Outlet(settings, self.counters, part="sidecar", connect=connect, seen=models.saw)
        self.origin = outlet.origin
        self.publisher = outlet.publisher
        self._outlet = outlet
        self._traffic = (
            None if upstream is None else Traffic(sidecar, upstream, self._tls, outlet, models)
        )
        self._collector = Collector(sidecar, outlet)
        self._admin: asyncio.Server | None = None
        self._admin_clients = Clients()

    @property
    def has_spool(self) -> bool:
        """Whether events outlive the process while Kafka is away."""
        return self._settings.spool is not None

    async def start(self) -> None:
        """Listen, and begin to send.

        Raises:
            UsageError: an address cannot be listened on.
        """
        self.admin_listening = await self._start_admin()
        if self._traffic is not None:
            try:
                self.listening = await self._traffic.start()
            except UsageError:
                if self._admin is not None:
                    self._admin.close()
                raise
        self._outlet.start()
        self._collector.start()

    def follow(self, settings: Settings) -> None:
        """Take over what can be changed while traffic passes (`reload.LIVE`)."""
        sidecar = settings.sidecar or SidecarSettings()
        self._outlet.follow(settings)
        self._collector.follow(sidecar)
        self._models.fixed = configured_model(sidecar)

    def renew(self, settings: Settings) -> None:
        """Read the certificates again, not on the event loop: files may be slow, keys are locked.

        They are those of the start, renewed in place; what cannot be used changes nothing.
        """
        sidecar = settings.sidecar or SidecarSettings()
        upstream = None if self._upstream is None else self._upstream.tls
        try:
            if self._tls is not None:
                self._tls.refresh(sidecar.tls)
        except CertificateError as error:
            log.warning("the certificates in use stay: sidecar.tls: %s", error)
        try:
            if upstream is not None:
                upstream.refresh(sidecar.upstream_tls)
        except CertificateError as error:
            log.warning("the certificates in use stay: sidecar.upstream_tls: %s", error)

    async def close(
        self,
        *,
        traffic_s: float = DRAIN_TRAFFIC_S,
        events_s: float = DRAIN_EVENTS_S,
    ) -> None:
        """Let requests under way end, read and send what there is, within these times."""
        self._closing = True
        if self._traffic is not None:
            await self._traffic.close(traffic_s)
        self._collector.close()
        # The admin port stays until the end, so that the counters can still be read.
        await asyncio.to_thread(self._outlet.reader.close, DRAIN_READER_S)
        await asyncio.to_thread(self.publisher.close, events_s)
        if self._admin is not None:
            self._admin.close()
            for connection in list(self._admin_clients.open):
                connection.close()
            await asyncio.sleep(0)

    async def _start_admin(self) -> str:
        token = self._settings.admin_token
        routes = Routes(
            self.counters,
            self.publisher,
            self._collector,
            token=None if token is None else token.get_secret_value(),
            is_ready=lambda: not self._closing,
        )
        host, port = split_address(self._settings.admin)
        try:
            self._admin = await asyncio.get_running_loop().create_server(
                lambda: AdminConnection(routes, self._admin_clients),
                host,
                port,
                # Probes and Prometheus come in the clear, except where events come the same way.
                **listening_options(self._tls if self._settings.is_collector else None),
            )
        except OSError as error:
            raise cannot_listen("admin", self._settings.admin, error) from error
        return address_of(self._admin, host)


def run(settings: Settings, reread: Reread | None = None) -> None:
    """Run a sidecar until SIGTERM or SIGINT; a second signal ends it at once.

    SIGHUP takes over what `reread` reads; without it there is no config to be read again.
    """
    # kafka-python tells every one of its retries; the publisher tells what matters, once.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, reread))


def _calm_the_interpreter() -> None:
    """Keep the reader's thread and the cyclic collector from making requests wait.

    Rows make many objects and no cycles: with the usual thresholds full collections of 20 ms
    come several times a second under load.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _serve(settings: Settings, reread: Reread | None) -> None:
    sidecar = Sidecar(settings)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, _stop_or_die, stopped)
    reloader = Reloader(settings, reread, sidecar.follow, sidecar.counters, renew=sidecar.renew)
    loop.add_signal_handler(signal.SIGHUP, reloader.ask)
    await sidecar.start()
    _calm_the_interpreter()
    if sidecar.upstream_address is None:
        log.info("collector of CloudEvents, listening on %s", sidecar.admin_listening)
    else:
        log.info(
            "listening on %s, in front of %s; admin listening on %s",
            sidecar.listening,
            sidecar.upstream_address,
            sidecar.admin_listening,
        )
    await stopped.wait()
    log.info("closing: requests under way end, events are sent")
    await sidecar.close()
    dropped = sidecar.counters.total("rows_dropped_total")
    log.info(
        "closed; %d rows published, %d dropped%s",
        sidecar.counters.total("rows_published_total"),
        dropped,
        f", {sidecar.publisher.spooled_rows} wait on disk" if sidecar.has_spool else "",
    )


def _stop_or_die(stopped: asyncio.Event) -> None:
    if stopped.is_set():
        sys.exit(1)
    stopped.set()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None  # as on Windows: plain asyncio takes 20 µs more a request
    return uvloop.new_event_loop
