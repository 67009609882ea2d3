"""The batch recompute: every window from the whole log in one pass, without Kafka or Redis.

It reads the input topics as they lie and folds each partition once, in one process that nothing
kills; whatever a live run was through, its highest revisions must say the same.
"""

from collections import defaultdict
from collections.abc import Container, Iterable
from typing import Any

from eventually import eventually
from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from inferwatch import topics
from inferwatch.broker import kafka_options
from inferwatch.events.json_codec import window_to_dict
from inferwatch.events.reference import ReferenceProfile
from inferwatch.settings import Settings
from pipeline.decode import Decoder, RawRecord
from pipeline.engine import KINDS
from pipeline.fold import Folder
from pipeline.labels.join import LabelJoin
from pipeline.labels.kept import FoundPrediction
from pipeline.log import raw_record
from pipeline.models import ModelPlans
from pipeline.partition import PartitionState
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.windows.pane import Counts, Pane, PaneKey
from pipeline.windows.result import WindowKey, window_result

ARRIVAL = ("revision", "late", "duplicates", "lost", "completeness")
"""What depends on how the rows arrived, and not on the rows alone."""


def read_topic(settings: Settings, topic: topics.Topic) -> dict[int, list[RawRecord]]:
    """All records of a topic by partition, as they lie in the log."""
    name = topic.full_name(settings.topics.prefix)
    consumer = KafkaConsumer(
        **kafka_options(settings.broker), auto_offset_reset="earliest", enable_auto_commit=False
    )
    try:
        # A broker that just woke has no leaders for a moment.
        numbers = eventually(lambda: consumer.partitions_for_topic(name))
        parts = [TopicPartition(name, n) for n in sorted(numbers)]
        consumer.assign(parts)
        consumer.seek_to_beginning(*parts)
        ends = consumer.end_offsets(parts)
        found: dict[int, list[RawRecord]] = {part.partition: [] for part in parts}
        while any(consumer.position(part) < ends[part] for part in parts):
            for part, records in consumer.poll(timeout_ms=500).items():
                found[part.partition] += [raw_record(record) for record in records]
        return found
    finally:
        consumer.close()


def recompute(
    settings: Settings,
    log: dict[topics.Topic, dict[int, list[RawRecord]]],
    references: Iterable[ReferenceProfile] | ReferenceCatalog = (),
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Every window of the log: (model, version, segment, window, start) -> the result.

    References hold from the first row, or where a catalog is given, as that one says.
    """
    if isinstance(references, ReferenceCatalog):
        catalog = references
    else:
        catalog = ReferenceCatalog()
        for reference in references:
            catalog.add(reference)
    plans = ModelPlans(settings)
    panes: dict[PaneKey, list[Pane]] = defaultdict(list)
    kept: dict[str, list[FoundPrediction]] = defaultdict(list)
    for topic, partitions in log.items():
        if topic is topics.LABELS:
            continue
        decoder = Decoder(KINDS[topic], settings.limits, clock=lambda: 0)
        for number, records in partitions.items():
            state = PartitionState()
            if records:
                decoded = decoder.decode(records)
                outcome = Folder(settings, catalog).fold(state, decoded, records[-1].offset)
                for rows in outcome.kept:
                    for identity, row in rows.found(f"{topic.name}:{number}"):
                        kept[identity].append(row)
            _collect(panes, state)
    join = LabelJoin(settings, catalog)
    for records in log.get(topics.LABELS, {}).values():
        state = PartitionState()
        decoder = Decoder(KINDS[topics.LABELS], settings.limits, clock=lambda: 0)
        news = join.newest(state, decoder.decode(records))
        join.apply(state, news, {identity: kept[identity] for identity in news})
        _collect(panes, state)
    return _windows(panes, plans, catalog)


def _collect(panes: dict[PaneKey, list[Pane]], state: PartitionState) -> None:
    for text, pane in state.panes.items():
        panes[PaneKey.parse(text)].append(pane)


def _windows(
    panes: dict[PaneKey, list[Pane]], plans: ModelPlans, catalog: ReferenceCatalog
) -> dict[tuple[Any, ...], dict[str, Any]]:
    keys = {
        (key.model, WindowKey(span, key.version, key.segment))
        for key in panes
        for span in plans.of(key.model).grid.spans_of(key.start)
    }
    found = {}
    for model, key in keys:
        plan = plans.of(model)
        counts = Counts(plan.counting)
        for start in plan.grid.panes_of(key.span):
            for pane in panes.get(PaneKey(model, key.version, key.segment, start), ()):
                pane.merge_into(counts, key.span.end)
        if not counts.empty:
            known = catalog.in_force(model, key.version, key.span.start)
            result = window_result(
                model,
                key,
                counts,
                reference=None if known is None else known.fingerprint,
                provisional=known is not None and known.provisional,
                slow_ms=plan.slow_ms,
            )
            plain = window_to_dict(result)
            found[identity(plain)] = plain
    return found


def identity(window: dict[str, Any]) -> tuple[Any, ...]:
    """What a window is: the rest is what it says."""
    return tuple(window[k] for k in ("model", "version", "segment", "window", "start"))


def highest(windows: Iterable[dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Each window at its highest revision."""
    best: dict[tuple[Any, ...], dict[str, Any]] = {}
    for window in windows:
        known = best.get(identity(window))
        if known is None or window["revision"] >= known["revision"]:
            best[identity(window)] = window
    return best


def differences(got: Any, want: Any, path: str = "", *, but: Container[str] = ARRIVAL) -> list[str]:
    """Where two results differ: counts exactly, floats by more than 1e-9 relative.

    Fields named in `but` are not compared.
    """
    if isinstance(got, dict) and isinstance(want, dict):
        return [
            line
            for key in sorted(got.keys() | want.keys())
            if not (path == "" and key in but)
            for line in differences(got.get(key), want.get(key), f"{path}.{key}".lstrip("."))
        ]
    if isinstance(got, list) and isinstance(want, list) and len(got) == len(want):
        return [
            line
            for n, (a, b) in enumerate(zip(got, want, strict=True))
            for line in differences(a, b, f"{path}[{n}]")
        ]
    if isinstance(got, float) and isinstance(want, float):
        same = abs(got - want) <= 1e-9 * max(abs(got), abs(want))
        return [] if same else [f"{path}: {got!r} is not {want!r}"]
    return [] if got == want else [f"{path}: {got!r:.60} is not {want!r:.60}"]
