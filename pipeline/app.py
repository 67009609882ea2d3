"""The rim: the only file that imports Faust.

Faust gives the app, the group membership, the assignment and the agents. Not used of it: tables,
windows, exactly-once, its reaction to exceptions (an exception in an agent would acknowledge, and
so lose, the message): the agents only hand records to the engine.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import faust
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]
from faust.exceptions import ProducerSendError

from inferwatch import topics
from inferwatch.errors import InferwatchError
from inferwatch.settings import Settings
from inferwatch.settings.services import BrokerSettings
from inferwatch.tasks import end_tasks
from inferwatch.topics import consumer_group
from pipeline.decode import RawRecord
from pipeline.engine import KINDS, Engine
from pipeline.reference_feed import ReferenceFeed
from pipeline.state.keys import SourcePartition

log = logging.getLogger(__name__)

RECONCILE_EVERY_S = 0.25
SESSION_S = 8.0
"""A worker that is killed gives its partitions up after this time."""

HEARTBEAT_S = 2.0


class FaustTransport:
    """Sends through the Faust app's producer."""

    def __init__(self, app: Any) -> None:
        """Send through this app."""
        self._app = app

    async def send(
        self,
        topic: str,
        key: bytes,
        value: bytes,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Send one record; returns once the broker has taken it.

        Raises:
            ConnectionError: it did not; what Faust and aiokafka raise is no kin of OSError.
        """
        try:
            await self._app.producer.send_and_wait(
                topic, key, value, partition, None, list(headers) or None
            )
        except (ProducerSendError, KafkaError) as error:
            raise ConnectionError(f"Kafka did not take a record of {topic}: {error}") from error


def make_app(settings: Settings, datadir: str) -> Any:
    """A Faust app that joins the workers' consumer group; it keeps nothing in `datadir`."""
    return faust.App(
        consumer_group(settings.topics.prefix, "worker"),
        broker=[f"kafka://{address}" for address in settings.broker.bootstrap],
        broker_credentials=_credentials(settings.broker),
        store="memory://",
        datadir=datadir,
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=1.0,
        broker_session_timeout=SESSION_S,
        broker_rebalance_timeout=SESSION_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_max_poll_records=500,
        stream_wait_empty=False,
    )


async def run_worker(
    settings: Settings,
    redis: Any,
    feed: ReferenceFeed,
    partitions: Mapping[str, int],
    stop: asyncio.Event,
) -> None:
    """Work until `stop` is set.

    Raises:
        BaseException: what the engine could not mend.
        InferwatchError: Faust gave up.
    """
    with tempfile.TemporaryDirectory(prefix="inferwatch-faust-") as datadir:
        await _run(make_app(settings, datadir), settings, redis, feed, partitions, stop)


async def _run(
    app: Any,
    settings: Settings,
    redis: Any,
    feed: ReferenceFeed,
    partitions: Mapping[str, int],
    stop: asyncio.Event,
) -> None:
    engine = Engine(settings, redis, feed, FaustTransport(app), partitions)
    for topic in KINDS:
        _fold_agent(app, engine, topic.full_name(settings.topics.prefix))
    dirty = topics.DIRTY.full_name(settings.topics.prefix)
    _evaluate_agent(app, engine, dirty)
    app.finalize()
    await app.start()
    engine.start()
    try:
        await _until(stop, app, engine, asyncio.create_task(_reconcile(app, engine, dirty)))
    finally:
        await engine.stop()
        await app.stop()


def _fold_agent(app: Any, engine: Engine, name: str) -> None:
    topic = _raw_topic(app, name)

    @app.agent(topic, name=f"fold.{name}", concurrency=1)  # type: ignore[untyped-decorator]
    async def fold(stream: Any) -> None:
        async for event in stream.noack().events():
            await engine.take(_record(event.message), event.ack)


def _evaluate_agent(app: Any, engine: Engine, name: str) -> None:
    topic = _raw_topic(app, name)

    @app.agent(topic, name=f"evaluate.{name}", concurrency=1)  # type: ignore[untyped-decorator]
    async def evaluate(stream: Any) -> None:
        async for _ in stream:
            engine.wake()


async def _reconcile(app: Any, engine: Engine, dirty: str) -> None:
    """Tell the engine what is assigned; state is loaded at the first message, never in here."""
    while True:
        held = app.consumer.assignment() if app.consumer is not None else ()
        sources = [SourcePartition(tp.topic, tp.partition) for tp in held if tp.topic != dirty]
        await engine.assign(sources, [tp.partition for tp in held if tp.topic == dirty])
        await asyncio.sleep(RECONCILE_EVERY_S)


async def _until(
    stop: asyncio.Event, app: Any, engine: Engine, reconcile: asyncio.Task[None]
) -> None:
    stopped = asyncio.create_task(stop.wait())
    crashed = asyncio.create_task(app.wait_until_stopped())
    ends: list[asyncio.Future[Any]] = [stopped, crashed, engine.failure, reconcile]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    gave_up = crashed.done()
    outcomes = await end_tasks([stopped, crashed, reconcile])
    if engine.failure.done():
        raise engine.failure.result()
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    if gave_up:
        raise InferwatchError(f"Kafka's consumer gave up: {app.crash_reason!r}; start me again")


def _raw_topic(app: Any, name: str) -> Any:
    return app.topic(
        name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )


def _record(message: Any) -> RawRecord:
    headers = message.headers or ()
    return RawRecord(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp=round(message.timestamp * 1000),
        key=message.key,
        value=message.value,
        headers=tuple(headers.items() if isinstance(headers, Mapping) else headers),
    )


def _credentials(broker: BrokerSettings) -> Any:
    """What Faust wants to know of the broker's security; None for plain text."""
    security = broker.security
    context = None
    if security.encrypted:
        context = ssl.create_default_context(cafile=security.ca_file)
        context.check_hostname = security.verify_hostname
        if security.cert_file is not None:
            secret = security.key_password
            context.load_cert_chain(
                security.cert_file,
                security.key_file,
                None if secret is None else secret.get_secret_value(),
            )
    if security.logs_in:
        assert security.password is not None
        return faust.SASLCredentials(
            mechanism=security.mechanism,
            username=security.username,
            password=security.password.get_secret_value(),
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)
