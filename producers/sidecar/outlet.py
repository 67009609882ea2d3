"""One process's way from finished exchanges to Kafka: the reader, the publisher and their bounds.

The same parts stand behind the sidecar's taps and inside of a model server that calls the SDK.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from inferwatch.broker import kafka_options
from inferwatch.events.latency import Latency
from inferwatch.settings import Settings
from inferwatch.settings.sidecar import SidecarSettings
from producers.budget import ByteBudget
from producers.counters import Counters
from producers.delivery import Broker, KafkaBroker
from producers.origin import new_origin
from producers.publisher import RESERVED, Publisher
from producers.sidecar.copies import CopyRules
from producers.sidecar.events import EventMaker
from producers.sidecar.ids import mint
from producers.sidecar.protocols.recognise import recogniser
from producers.sidecar.reader import Reader
from producers.spool.claims import Place
from producers.spool.spool import Spool

Connect = Callable[[str], Broker]
"""Makes the connection to a broker, for an origin."""


class Outlet:
    """The parts, wired: `start`, hand exchanges to `reader.put`, `close`.

    Attributes:
        copies: what whoever follows traffic needs.
        origin: who sends; new with every outlet, so that numbers begin at 0 again.
    """

    def __init__(
        self,
        settings: Settings,
        counters: Counters,
        *,
        part: str,
        connect: Connect | None = None,
        seen: Callable[[Latency], None] = lambda _latency: None,
        is_guest: bool = False,
    ) -> None:
        """Build all parts; nothing is sent before `start`.

        Args:
            settings: the whole config.
            counters: where all parts count.
            part: the first word of the origin.
            connect: another broker than the config's Kafka.
            seen: hears of every successful inference.
            is_guest: whether the process is somebody else's (see `Reader`).

        Raises:
            UsageError: the config's broker is an embedded one, or it wants a spool where there are
                no file locks.
        """
        sidecar = settings.sidecar or SidecarSettings()
        self.counters = counters
        self.origin = new_origin(part)
        self.budget = ByteBudget(sidecar.queue)
        self.publisher = Publisher(
            self._connector(settings, connect),
            origin=self.origin,
            limits=sidecar.batch,
            budget=self.budget,
            counters=counters,
            where=settings.broker.url,
            event_bytes=settings.limits.event_bytes,
            # A model server forks, and its children would hold the lock of their parent's folder.
            spool=None if is_guest else self._spool(settings, sidecar),
        )
        self.reader = Reader(
            EventMaker(sidecar, settings.for_model, counters),
            self.publisher,
            self.budget,
            counters,
            body_limit=settings.limits.event_bytes,
            seen=seen,
            is_guest=is_guest,
        )
        self._recognise = recogniser(sidecar)
        self.copies = CopyRules(
            recognise=lambda exchange: self._recognise(exchange),
            deliver=self.reader.put,
            budget=self.budget,
            counters=counters,
            body_limit=settings.limits.event_bytes,
            reserve=sidecar.queue // RESERVED,
            mint=mint if sidecar.mint_ids else None,
        )

    def follow(self, settings: Settings) -> None:
        """Read and tell exchanges by other rules from now on; all else stays as it is."""
        sidecar = settings.sidecar or SidecarSettings()
        maker = EventMaker(sidecar, settings.for_model, self.counters)
        self._recognise = recogniser(sidecar)
        self.reader.follow(maker)

    def start(self) -> None:
        """Start the threads of reader and publisher."""
        self.reader.start()
        self.publisher.start()

    def _spool(self, settings: Settings, sidecar: SidecarSettings) -> Spool | None:
        if sidecar.spool is None:
            return None
        destination = f"{settings.broker.url}\n{settings.topics.prefix}"
        return Spool(
            Place(Path(sidecar.spool.dir), destination),
            sidecar.spool.max,
            origin=self.origin,
            budget=self.budget,
            counters=self.counters,
        )

    def _connector(self, settings: Settings, connect: Connect | None) -> Callable[[], Broker]:
        if connect is not None:
            return lambda: connect(self.origin)
        options = kafka_options(settings.broker)
        prefix = settings.topics.prefix
        return lambda: KafkaBroker(options, prefix=prefix)
