"""The engine of a worker: folds the partitions and evaluates the models that it is given.

`app.py` hands it records and assignments (Faust at the rim only). Everything that counts happens
here and below, and reaches Kafka and Redis through what is handed in.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from inferwatch import topics
from inferwatch.errors import ServiceUnreachableError
from inferwatch.events.deadletter import DeadLetter
from inferwatch.events.json_codec import (
    alert_from_json,
    dumps,
    window_to_json,
)
from inferwatch.events.kinds import Kind
from inferwatch.events.reference import ReferenceProfile
from inferwatch.events.window import WindowResult
from inferwatch.settings import Settings
from inferwatch.tasks import end_tasks
from pipeline.commit import PartitionOwner, Work
from pipeline.decode import Decoder, RawRecord
from pipeline.detector_memory import DetectorTopic
from pipeline.epoch import EpochGate, LogSpan
from pipeline.evaluate import ModelEvaluator, Outlets
from pipeline.evaluators import Evaluators
from pipeline.first_references import FirstReferences
from pipeline.fold import Folder
from pipeline.kept_sweep import KeptSweep, kept_for
from pipeline.label_memory import LabelMemory
from pipeline.log import LogEnds, LogReader
from pipeline.models import ModelPlans, longest_horizon
from pipeline.owners import Owners
from pipeline.progress import read_progress
from pipeline.published import Published
from pipeline.reference_feed import ReferenceFeed
from pipeline.reference_publish import publish
from pipeline.start import FirstOffset
from pipeline.state.evaluations import EvaluationStore
from pipeline.state.kept import KeptStore
from pipeline.state.keys import Keys, SourcePartition
from pipeline.state.label_samples import LabelSampleStore
from pipeline.state.partitions import PartitionStore
from pipeline.surroundings import Surroundings
from pipeline.transport import TRANSIENT, Transport, partition_of_model
from pipeline.window_panes import RunRoom
from pipeline.windows_log import WORKER, WindowsLog
from pipeline.work import EventWork, LabelWork, PaneExpiry

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)

KINDS = {
    topics.PREDICTIONS: Kind.PREDICTION,
    topics.LATENCIES: Kind.LATENCY,
    topics.RESOURCES: Kind.RESOURCE,
    topics.LABELS: Kind.LABEL,
}


NOTIFY_WITHIN_S = 1.0
LETTERS_AT_ONCE = 500


class Engine:
    """Everything a worker does, apart from talking to Kafka's consumer group.

    Attributes:
        failure: done when a loop met something that it cannot mend: the worker ends.
    """

    def __init__(
        self,
        settings: Settings,
        redis: Redis,
        feed: ReferenceFeed,
        transport: Transport,
        partitions: Mapping[str, int],
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Work by these settings; `partitions` tells how many each topic has."""
        self.worker_id = secrets.token_hex(4)
        self.failure: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._settings = settings
        self._references = feed.catalog
        self._transport = transport
        self._partitions = partitions
        self._now_ms = now_ms
        self._log = LogReader(settings.broker)
        keys = Keys(settings.topics.prefix)
        self._store = PartitionStore(redis, keys)
        self._kept = KeptStore(redis, keys, longest_horizon(settings))
        self._plans = ModelPlans(settings)
        self._label_memory = LabelMemory(
            self._plans,
            self._kept,
            LabelSampleStore(redis, keys),
            keeps_for=kept_for(settings) + self._kept.width,
            width=self._kept.width,
        )
        self._evaluations = EvaluationStore(redis, keys)
        self._first_offset = FirstOffset(settings, self._log, now_ms)
        self._windows = WindowsLog(
            self._name(topics.WINDOWS),
            partitions[self._name(topics.WINDOWS)],
            self._log,
            self.worker_id,
        )
        epoch = EpochGate(self._evaluations, settings.topics.prefix)
        self._detectors = DetectorTopic(settings, transport, lambda: epoch.token)
        self._room = RunRoom()
        self._kinds = {self._name(topic): kind for topic, kind in KINDS.items()}
        self._sources = [
            SourcePartition(name, number)
            for name in self._kinds
            for number in range(partitions[name])
        ]
        self._sweep = KeptSweep(settings, self._store, self._kept, self._sources, now_ms)
        self._around = Surroundings(
            store=self._store,
            kept=self._kept,
            log=self._log,
            references=feed.catalog,
            references_read=feed.read_again,
            rules_of=lambda model: self._plans.of(model).counting,
            first_offset=self._first_offset,
            send_dead_letters=self._send_dead_letters,
            notify=self._notify,
            now_ms=now_ms,
        )
        self._log_ends = LogEnds(self._log)
        self._owners = Owners(
            self.worker_id, self._open_owner, self._store, self._log_ends, self._spawn
        )
        self._evaluators = Evaluators(
            self._sources,
            self._store,
            self._evaluations,
            self._windows,
            epoch,
            self._open_evaluator,
            self._log_span,
            now_ms,
            FirstReferences(
                self._plans,
                feed.catalog,
                feed.read_again,
                self._store,
                [s for s in self._sources if self._kinds[s.topic] is Kind.PREDICTION],
                self._publish_reference,
            ).round,
        )
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the loops."""
        self._loops = [
            self._spawn(self._owners.beat_for_ever()),
            self._spawn(self._evaluators.run_for_ever()),
            self._spawn(self._sweep.run_for_ever()),
        ]

    async def stop(self) -> None:
        """Give everything up; what was not written is counted by the next owner."""
        await end_tasks(self._loops)
        await self._owners.assign(())
        await asyncio.to_thread(self._log_ends.close)
        await asyncio.to_thread(self._windows.close)

    async def assign(self, sources: Iterable[SourcePartition], evaluating: Iterable[int]) -> None:
        """Own exactly these partitions, and evaluate the models of these partition numbers."""
        await self._owners.assign(sources)
        numbers = frozenset(evaluating)
        count = self._partitions[self._name(topics.DIRTY)]
        self._evaluators.assign(lambda model: partition_of_model(model, count) in numbers)

    async def take(self, record: RawRecord, acknowledge: Callable[[], object]) -> None:
        """Take one delivered record in; waits while its partition's inbox is full."""
        await self._owners.take(record, acknowledge)

    def wake(self) -> None:
        """A dirty notice came."""
        self._evaluators.wake()

    def _name(self, topic: topics.Topic) -> str:
        return topic.full_name(self._settings.topics.prefix)

    def _open_owner(self, source: SourcePartition) -> PartitionOwner:
        settings = self._settings
        decoder = Decoder(
            self._kinds[source.topic],
            settings.limits,
            clock=self._now_ms,
            keep=settings.deadletter.keep,
        )
        return PartitionOwner(source, decoder, self._work(source), self._around)

    def _work(self, source: SourcePartition) -> Work:
        expiry = PaneExpiry(self._settings, lambda: self._evaluators.closed)
        if self._kinds[source.topic] is Kind.LABEL:
            return LabelWork(
                self._settings,
                self._references,
                self._kept,
                expiry,
                partial(self._counted, topics.PREDICTIONS),
                self._evaluations.lookup,
            )
        memory = self._label_memory if self._kinds[source.topic] is Kind.PREDICTION else None
        return EventWork(Folder(self._settings, self._references), expiry, memory)

    async def _counted(self, topic: topics.Topic) -> int:
        """The event time up to which a topic is counted, as Redis says now."""
        name = self._name(topic)
        sources = [source for source in self._sources if source.topic == name]
        progress = await read_progress(self._store, sources, self._now_ms())
        return progress.counted(self._settings.limits.idle)

    def _open_evaluator(
        self, model: str, published: Published, whole_from: int, closed: int
    ) -> ModelEvaluator:
        async def read_again() -> Published:
            return (await asyncio.to_thread(self._windows.read, [model]))[model]

        return ModelEvaluator(
            self._plans.of(model),
            self._settings,
            self._references,
            self._store,
            self._evaluations,
            published,
            Outlets(
                window=self._send_window,
                alert=self._send_alert,
                published=read_again,
                memory=self._detectors.of(model),
            ),
            whole_from=whole_from,
            closed=closed,
            room=self._room,
        )

    async def _log_span(self) -> LogSpan:
        """What the logs of the input partitions hold now."""
        return await asyncio.to_thread(
            lambda: LogSpan(
                {source: self._log.bounds(source)[1] for source in self._sources},
                max(self._first_offset.whole_from(source) for source in self._sources),
            )
        )

    async def _send_window(self, result: WindowResult) -> None:
        key = "/".join((result.model, result.version, result.segment or "", result.window))
        name = self._name(topics.WINDOWS)
        number = partition_of_model(result.model, self._partitions[name])
        writer = [(WORKER, self.worker_id.encode())]
        await self._transport.send(name, key.encode(), window_to_json(result), number, writer)

    async def _publish_reference(self, profile: ReferenceProfile) -> None:
        try:
            await asyncio.to_thread(publish, self._settings, profile)
        except ServiceUnreachableError as error:
            raise ConnectionError(str(error)) from error

    async def _send_alert(self, alert: bytes) -> None:
        key = alert_from_json(alert).fingerprint
        await self._transport.send(self._name(topics.ALERTS), key.encode(), alert)

    async def _notify(self, models: set[str]) -> None:
        """Wake the evaluators; a lost notice is made up for by their next round."""
        name = self._name(topics.DIRTY)
        try:
            async with asyncio.timeout(NOTIFY_WITHIN_S):
                for model in models:
                    number = partition_of_model(model, self._partitions[name])
                    await self._transport.send(name, model.encode(), b"", number)
        except TRANSIENT as error:
            log.debug("no notice: %s", error)

    async def _send_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        name = self._name(topics.DEADLETTER)
        for first in range(0, len(letters), LETTERS_AT_ONCE):
            await asyncio.gather(
                *(
                    self._transport.send(
                        name, f"{one.topic}/{one.partition}/{one.offset}".encode(), dumps(one)
                    )
                    for one in letters[first : first + LETTERS_AT_ONCE]
                )
            )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(self._guard(work))

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a loop; what it cannot mend ends the worker instead of going on half-alive."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if not self.failure.done():
                self.failure.set_result(error)
