"""What `inferwatch status` tells: how far the work is, and what fires; read-only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from inferwatch import topics
from inferwatch.broker import reach_broker
from inferwatch.events.alert import Alert, Status
from inferwatch.events.json_codec import alert_from_json, window_from_json
from inferwatch.events.window import WindowResult
from inferwatch.settings import Settings
from inferwatch.store import connect_async, reach_redis
from pipeline.decode import RawRecord
from pipeline.epoch import Rebuild, rebuild_of
from pipeline.labels.falling_sample import SampleInForce
from pipeline.log import LogReader
from pipeline.models import ModelPlans, longest_horizon
from pipeline.partition import Totals
from pipeline.progress import Progress, read_progress
from pipeline.state.evaluations import EvaluationStore
from pipeline.state.kept import KeptStore
from pipeline.state.keys import Keys, SourcePartition
from pipeline.state.label_samples import LabelSampleStore
from pipeline.state.partitions import PartitionStore
from pipeline.windows.watermark import NEVER

LAST_WINDOWS = 500
"""Of each partition of `monitoring.windows`, the records that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatus:
    """One input partition since its beginning.

    Attributes:
        lag: in records; None where no worker owns it.
        lost: prediction rows that their senders numbered and that did not come so far.
    """

    topic: str
    partition: int
    worker: str | None
    offset: int | None
    lag: int | None
    rows: int
    duplicates: int
    too_late: int
    rejected: dict[str, int]
    lost: int = 0
    senders_forgotten: int = 0
    labels_given_up: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStatus:
    """What is kept of a model for its labels.

    Attributes:
        sample: share of the ids that is kept now; below `of`, it has fallen by itself.
        of: the share that the config says.
        bytes: of Redis, that the kept predictions take.
        memory: the bound on them, `labels.memory`.
    """

    sample: float
    of: float
    bytes: int
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """One model: its watermark (ms since the epoch), how far behind now, its latest window."""

    model: str
    watermark: int | None
    behind_ms: int | None
    window: str | None
    rows: int | None
    completeness: float | None
    kept: KeptStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What Redis holds, read once."""

    progress: Progress
    epoch: bytes | None
    kept: Mapping[str, KeptStatus]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemStatus:
    """Everything that `status` tells.

    Attributes:
        rebuild: records counted again after Redis lost them, of those to count before anything is
            published; None where nothing is missing.
    """

    at: int
    workers: int
    lag: int
    rebuild: Rebuild | None = None
    partitions: list[PartitionStatus] = field(default_factory=list)
    models: list[ModelStatus] = field(default_factory=list)
    firing: list[Alert] = field(default_factory=list)


def read_status(settings: Settings) -> SystemStatus:
    """Read the state of the system.

    Raises:
        ServiceUnreachableError: Kafka or Redis does not answer.
    """
    reach_broker(settings)
    reach_redis(settings)
    reader = LogReader(settings.broker)
    sources = [
        SourcePartition(name, number)
        for topic in topics.INPUTS
        for name in [topic.full_name(settings.topics.prefix)]
        for number in reader.partitions(name)
    ]
    held = asyncio.run(_held(settings, sources))
    progress, epoch = held.progress, held.epoch
    partitions = [_partition(progress, source) for source in sources]
    workers = {p.worker for p in partitions if p.worker is not None}
    return SystemStatus(
        at=progress.now_ms,
        workers=len(workers),
        lag=sum(p.lag or 0 for p in partitions),
        rebuild=None if epoch is None else _rebuild(progress, epoch, reader),
        partitions=partitions,
        models=list(_models(settings, held, reader)),
        firing=_firing(settings, reader),
    )


async def _held(settings: Settings, sources: list[SourcePartition]) -> _Held:
    client = connect_async(settings.redis)
    try:
        keys = Keys(settings.topics.prefix)
        epoch = await EvaluationStore(client, keys).held_epoch()
        store = PartitionStore(client, keys)
        progress = await read_progress(store, sources, time.time_ns() // 1_000_000)
        taken = await KeptStore(client, keys, longest_horizon(settings)).taken()
        in_force = await LabelSampleStore(client, keys).read()
        return _Held(progress=progress, epoch=epoch, kept=dict(_kept(settings, taken, in_force)))
    finally:
        await client.aclose()


def _kept(
    settings: Settings,
    taken: Mapping[str, Mapping[int, int]],
    in_force: Mapping[str, SampleInForce],
) -> Iterator[tuple[str, KeptStatus]]:
    plans = ModelPlans(settings)
    for model in sorted(taken.keys() | in_force.keys()):
        labels = plans.of(model).settings.labels
        sample = in_force.get(model)
        yield (
            model,
            KeptStatus(
                sample=labels.sample if sample is None else sample.share(labels.sample),
                of=labels.sample,
                bytes=sum(taken.get(model, {}).values()),
                memory=labels.memory,
            ),
        )


def _rebuild(progress: Progress, epoch: bytes, reader: LogReader) -> Rebuild | None:
    offsets = {source: one.offset for source, one in progress.sources.items()}
    return rebuild_of(epoch, offsets, {source: reader.bounds(source)[0] for source in offsets})


def _partition(progress: Progress, source: SourcePartition) -> PartitionStatus:
    one = progress.sources[source]
    totals = Totals.restore([*one.totals])
    return PartitionStatus(
        topic=source.topic,
        partition=source.number,
        worker=None if one.beat is None else one.beat.worker,
        offset=one.offset,
        lag=None if one.beat is None else one.lag,
        rows=totals.rows,
        duplicates=totals.duplicates,
        too_late=totals.too_late,
        rejected=totals.rejected,
        lost=totals.lost,
        senders_forgotten=totals.senders_forgotten,
        labels_given_up=totals.labels_given_up,
    )


def _models(settings: Settings, held: _Held, reader: LogReader) -> Iterator[ModelStatus]:
    progress = held.progress
    plans = ModelPlans(settings)
    latest: dict[str, WindowResult] = {}
    for record in _tail(settings, reader, topics.WINDOWS, LAST_WINDOWS):
        window = window_from_json(record.value or b"")
        known = latest.get(window.model)
        if window.segment is None and (known is None or window.end >= known.end):
            latest[window.model] = window
    for model in sorted(progress.models):
        prefix, idle = settings.topics.prefix, settings.limits.idle
        watermark = progress.watermark(model, prefix, plans.of(model).lateness, idle)
        last = latest.get(model)
        yield ModelStatus(
            model=model,
            watermark=None if watermark == NEVER else watermark,
            behind_ms=None if watermark == NEVER else max(0, progress.now_ms - watermark),
            window=None if last is None else last.window,
            rows=None if last is None else last.rows,
            completeness=None if last is None else last.completeness,
            kept=held.kept.get(model),
        )


def _firing(settings: Settings, reader: LogReader) -> list[Alert]:
    last: dict[str, Alert] = {}
    for record in _tail(settings, reader, topics.ALERTS, None):
        alert = alert_from_json(record.value or b"")
        last[alert.incident] = alert
    return sorted(
        (alert for alert in last.values() if alert.status is Status.FIRING),
        key=lambda alert: alert.starts_at,
    )


def _tail(
    settings: Settings, reader: LogReader, topic: topics.Topic, most: int | None
) -> Iterator[RawRecord]:
    name = topic.full_name(settings.topics.prefix)
    for number in reader.partitions(name):
        source = SourcePartition(name, number)
        first, after = reader.bounds(source)
        start = first if most is None else max(first, after - most)
        for records in reader.read(source, start, after):
            yield from (record for record in records if record.value is not None)
