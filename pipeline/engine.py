"""The engine of a worker: folds the partitions and evaluates the models that it is given.

`app.py` hands it records and assignments (Faust at the rim only). Everything that counts happens
here and below, and reaches Kafka and Redis through what is handed in.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from inferwatch import topics
from inferwatch.events.deadletter import DeadLetter
from inferwatch.events.json_codec import (
    alert_from_json,
    dumps,
    window_from_json,
    window_to_json,
)
from inferwatch.events.kinds import Kind
from inferwatch.events.window import WindowResult
from inferwatch.settings import Settings
from pipeline.commit import PartitionOwner, Surroundings, Work
from pipeline.decode import Decoder, RawRecord
from pipeline.evaluate import ModelEvaluator, Outlets
from pipeline.evaluators import Evaluators
from pipeline.fold import Folder
from pipeline.log import LogReader
from pipeline.models import ModelPlans, longest_horizon
from pipeline.owners import Owners
from pipeline.published import Published
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.start import FirstOffset
from pipeline.state.evaluations import EvaluationStore
from pipeline.state.kept import KeptStore
from pipeline.state.keys import Keys, SourcePartition
from pipeline.state.partitions import PartitionStore
from pipeline.transport import Transport, partition_of_model
from pipeline.windows.watermark import NEVER
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


class Engine:
    """Everything a worker does, apart from talking to Kafka's consumer group.

    Attributes:
        failure: done when a loop met something that it cannot mend: the worker ends.
    """

    def __init__(
        self,
        settings: Settings,
        redis: Redis,
        references: ReferenceCatalog,
        transport: Transport,
        partitions: Mapping[str, int],
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Work by these settings; `partitions` tells how many each topic has."""
        self.worker_id = secrets.token_hex(4)
        self.failure: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._settings = settings
        self._references = references
        self._transport = transport
        self._partitions = partitions
        self._now_ms = now_ms
        self._log = LogReader(settings.broker)
        keys = Keys(settings.topics.prefix)
        self._store = PartitionStore(redis, keys)
        self._kept = KeptStore(redis, keys, longest_horizon(settings))
        self._evaluations = EvaluationStore(redis, keys)
        self._plans = ModelPlans(settings)
        self._kinds = {self._name(topic): kind for topic, kind in KINDS.items()}
        self._sources = [
            SourcePartition(name, number)
            for name in self._kinds
            for number in range(partitions[name])
        ]
        self._around = Surroundings(
            store=self._store,
            kept=self._kept,
            log=self._log,
            references=references,
            rules_of=lambda model: self._plans.of(model).counting,
            first_offset=FirstOffset(settings, self._log, now_ms),
            send_dead_letters=self._send_dead_letters,
            notify=self._notify,
            now_ms=now_ms,
        )
        self._owners = Owners(self.worker_id, self._open_owner, self._store, transport, self._spawn)
        self._evaluators = Evaluators(
            self._sources,
            self._store,
            self._evaluations,
            self._open_evaluator,
            self._ends,
            now_ms,
        )
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the loops."""
        self._loops = [
            self._spawn(self._owners.beat_for_ever()),
            self._spawn(self._evaluators.run_for_ever()),
        ]

    async def stop(self) -> None:
        """Give everything up; what was not written is counted by the next owner."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self._owners.assign(())

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
            return LabelWork(self._settings, self._kept, expiry, self._predictions_watermark)
        return EventWork(Folder(self._settings, self._references), expiry)

    def _predictions_watermark(self) -> int:
        """The event time that all busy partitions of predictions have counted."""
        progress = self._evaluators.progress
        idle_ms = self._settings.limits.idle
        return min(
            (
                one.high_ts
                for one in progress.of_kind(topics.PREDICTIONS, prefix=self._settings.topics.prefix)
                if one.high_ts != NEVER and not one.at(progress.now_ms).idle(idle_ms)
            ),
            default=NEVER,
        )

    async def _open_evaluator(self, model: str) -> ModelEvaluator:
        evaluator = ModelEvaluator(
            self._plans.of(model),
            self._settings,
            self._references,
            self._store,
            self._evaluations,
            await asyncio.to_thread(self._read_published, model),
            Outlets(window=self._send_window, alert=self._send_alert),
        )
        await evaluator.open()
        return evaluator

    def _read_published(self, model: str) -> Published:
        """What the topic already says of the model's windows."""
        published = Published()
        name = self._name(topics.WINDOWS)
        source = SourcePartition(name, partition_of_model(model, self._partitions[name]))
        first, after = self._log.bounds(source)
        start = f"{model}/".encode()
        for records in self._log.read(source, first, after):
            for record in records:
                if record.value is not None and (record.key or b"").startswith(start):
                    result = window_from_json(record.value)
                    if result.model == model:
                        published.learn(result, record.timestamp)
        return published

    async def _ends(self) -> Mapping[SourcePartition, int]:
        ends = {}
        for source in self._sources:
            _, ends[source] = await asyncio.to_thread(self._log.bounds, source)
        return ends

    async def _send_window(self, result: WindowResult) -> None:
        key = "/".join((result.model, result.version, result.segment or "", result.window))
        name = self._name(topics.WINDOWS)
        number = partition_of_model(result.model, self._partitions[name])
        await self._transport.send(name, key.encode(), window_to_json(result), number)

    async def _send_alert(self, alert: bytes) -> None:
        key = alert_from_json(alert).fingerprint
        await self._transport.send(self._name(topics.ALERTS), key.encode(), alert)

    async def _notify(self, models: set[str]) -> None:
        name = self._name(topics.DIRTY)
        for model in models:
            number = partition_of_model(model, self._partitions[name])
            await self._transport.send(name, model.encode(), b"", number)

    async def _send_dead_letters(self, letters: Iterable[DeadLetter]) -> None:
        for letter in letters:
            key = f"{letter.topic}/{letter.partition}/{letter.offset}"
            await self._transport.send(self._name(topics.DEADLETTER), key.encode(), dumps(letter))

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
