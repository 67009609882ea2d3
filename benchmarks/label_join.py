"""How fast do labels find their predictions, and what does a kept prediction cost?

    python -m benchmarks.label_join [--predictions 1000000] [--labels 500000]

Seeded predictions of three classes with scores, the same with segments, and of a number are folded
from columnar batches of 1,024 rows and kept in a real Redis; `MEMORY USAGE` of every key of theirs,
by the row, is what one costs. Then the owner of a labels partition takes labels in, in columnar
batches of 1,024: some of unknown ids, some sent twice, some corrected. It decodes, looks up, counts
into panes of a minute and writes its state to Redis, as in a worker (only Kafka is left out). CPU
seconds of this process; what Redis itself takes is told beside.

The yardstick is pandas on the same bytes: predictions lie in a DataFrame already; labels are read,
merged with it, reduced to the last one of each, and counted. Before a figure is printed, the counts
by minute, segment, label and prediction are compared: they must be equal.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from redis.asyncio import Redis

from inferwatch.embedded.redis import EmbeddedRedis
from inferwatch.events.kinds import ARROW_STREAM, Kind
from inferwatch.settings import Settings, load
from pipeline.commit import CHECK_EVERY_S, PartitionOwner, Surroundings
from pipeline.decode import Decoder, RawRecord
from pipeline.fold import Folder
from pipeline.garbage import rest_collector
from pipeline.models import ModelPlans
from pipeline.partition import PartitionState
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.state.kept import KeptStore
from pipeline.state.keys import Keys, SourcePartition
from pipeline.state.packing import unpack
from pipeline.state.partitions import PartitionStore
from pipeline.windows.pane import Pane, PaneKey
from pipeline.work import LabelWork, PaneExpiry

BATCH = 1_024
BATCHES_A_STEP = 16
LABEL_BATCHES = 28  # about the 2 MiB that an owner takes at once when labels wait
BEGAN = 1_764_000_000_000
HOUR = 3_600_000
SPAN = 6 * HOUR
CONFIG = """
defaults: {reference: {learn: off}}
retention: {restate: 1h}
models:
  - {name: m, task: multiclass, windows: [1m], labels: {horizon: 6h}}
  - {name: s, task: multiclass, windows: [1m], segments: [region], labels: {horizon: 6h}}
  - {name: r, task: regression, windows: [1m], labels: {horizon: 6h}}
"""
ABOUT = {
    "m": "of three classes with scores",
    "s": "of three classes with scores and a segment",
    "r": "of a number",
}
CLASSES = np.array(["a", "b", "c"])
REGIONS = np.array(["eu", "us", "ap", "sa"])


def records(columns: dict[str, Any], topic: str, metadata: dict[str, str]) -> list[RawRecord]:
    """The columns as columnar batches, as a sender makes them."""
    table = pa.table(columns).replace_schema_metadata(metadata)
    made = []
    for offset, batch in enumerate(table.to_batches(max_chunksize=BATCH)):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_batch(batch)
        headers = (("content-type", ARROW_STREAM.encode()),)
        value = sink.getvalue().to_pybytes()
        made.append(RawRecord(topic, 0, offset, BEGAN + 10**12, None, value, headers))
    return made


def prediction_columns(rng: np.random.Generator, ids: list[str]) -> dict[str, Any]:
    """Predictions of three classes over six hours, in order of time."""
    size = len(ids)
    scores = rng.dirichlet([1.0, 1.0, 1.0], size)
    return {
        "id": ids,
        "ts": BEGAN + np.arange(size) * SPAN // size,
        "prediction": CLASSES[scores.argmax(1)],
        **{f"scores.{name}": scores[:, n] for n, name in enumerate(CLASSES)},
        "segment.region": REGIONS[rng.integers(len(REGIONS), size=size)],
    }


def label_columns(
    rng: np.random.Generator, ids: NDArray[Any], ts: NDArray[np.int64], size: int
) -> dict[str, Any]:
    """Labels up to an hour later: 5 % of unknown ids, 2 % sent twice, 2 % corrected."""
    first = rng.choice(len(ids), int(size * 0.91), replace=False)
    again = first[: int(size * 0.02)]
    corrected = first[-int(size * 0.02) :]
    which = np.concatenate([first, again, corrected])
    delay = rng.integers(1, HOUR, len(first))
    later = np.concatenate([delay, delay[: len(again)], delay[-len(corrected) :] + 60_000])
    labels = CLASSES[rng.integers(3, size=len(first))]
    texts = np.concatenate(
        [labels, labels[: len(again)], CLASSES[rng.integers(3, size=len(corrected))]]
    )
    unknown = size - len(which)
    named = np.concatenate([ids[which], [f"unknown-{n}" for n in range(unknown)]])
    times = np.concatenate([ts[which] + later, BEGAN + rng.integers(SPAN, size=unknown)])
    texts = np.concatenate([texts, CLASSES[rng.integers(3, size=unknown)]])
    order = np.argsort(times, kind="stable")
    return {"id": named[order], "ts": times[order], "label": texts[order]}


async def keep_all(
    settings: Settings, store: KeptStore, made: Sequence[RawRecord]
) -> tuple[int, float, float]:
    """Fold and keep predictions: rows, CPU seconds of the fold, and of the keeping."""
    source = SourcePartition("inference.predictions", 0)
    decoder = Decoder(Kind.PREDICTION, settings.limits, clock=lambda: 0)
    folder, state = Folder(settings, ReferenceCatalog()), PartitionState()
    rows, folding, keeping = 0, 0.0, 0.0
    for first in range(0, len(made), BATCHES_A_STEP):
        step = made[first : first + BATCHES_A_STEP]
        began = time.process_time()
        outcome = folder.fold(state, decoder.decode(step), step[-1].offset)
        folded = time.process_time()
        await store.keep(source, outcome.kept)
        folding += folded - began
        keeping += time.process_time() - folded
        rows += sum(len(kept.ids) for kept in outcome.kept)
        state.panes.clear()
    return rows, folding, keeping


async def bytes_a_row(redis: Redis, keys: Keys, rows: int) -> float:
    """All memory of the keys of kept predictions, by the row."""
    total = 0
    async for key in redis.scan_iter(f"{keys.root}{{kept:*", count=1_000):
        total += await redis.memory_usage(key, samples=0) or 0
    return total / rows


async def redis_cpu(redis: Redis) -> float:
    """CPU seconds of Redis so far."""
    info = await redis.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


class NoLog:
    """The log of a partition that loses nothing: never read."""

    def bounds(self, source: SourcePartition) -> tuple[int, int]:
        return 0, 0

    def read(self, source: SourcePartition, first: int, after: int) -> Any:
        yield from ()


def owner_of(settings: Settings, redis: Redis, keys: Keys, kept: KeptStore) -> PartitionOwner:
    """The owner of the labels partition, as a worker has one."""

    async def nothing(*_: object) -> None:
        return None

    async def counted() -> int:
        return BEGAN

    async def epoch() -> str:
        return "e"

    plans = ModelPlans(settings)
    around = Surroundings(
        store=PartitionStore(redis, keys),
        kept=kept,
        log=NoLog(),
        references=ReferenceCatalog(),
        references_read=nothing,
        rules_of=lambda model: plans.of(model).counting,
        first_offset=lambda source: 0,
        send_dead_letters=nothing,
        notify=nothing,
        now_ms=lambda: BEGAN,
    )
    work = LabelWork(settings, around.references, kept, PaneExpiry(settings, dict), counted, epoch)
    decoder = Decoder(Kind.LABEL, settings.limits, clock=lambda: 0)
    return PartitionOwner(SourcePartition("inference.labels", 0), decoder, work, around)


async def join_all(owner: PartitionOwner, made: Sequence[RawRecord]) -> float:
    """Take all labels in; CPU seconds.

    An owner's first second is left out: then it looks for what another one left open.
    """
    await owner.take(made[0], lambda: None)
    await owner.step()
    await asyncio.sleep(CHECK_EVERY_S)
    await owner.step()
    began = time.process_time()
    for first in range(1, len(made), LABEL_BATCHES):
        for record in made[first : first + LABEL_BATCHES]:
            await owner.take(record, lambda: None)
        await owner.step()
    return time.process_time() - began


async def counted_pairs(redis: Redis, keys: Keys, settings: Settings) -> Counter[Any]:
    """(minute, segment, label, prediction) -> pairs, as they lie in Redis."""
    plans = ModelPlans(settings)
    stored: Any = await redis.hgetall(
        keys.partition(SourcePartition("inference.labels", 0), "panes")
    )
    pairs: Counter[Any] = Counter()
    for text, packed in stored.items():
        key = PaneKey.parse(text.decode())
        pane = Pane.restore(unpack(packed, text), {}, plans.of(key.model).counting)
        for counts in pane.counts.values():
            block: Any = counts.quality.result(1) if counts.quality else None
            for label, row in (block.confusion if block else {}).items():
                for predicted, number in row.items():
                    pairs[key.start, key.segment, label, predicted] += number
    return pairs


def merged_pairs(
    predictions: pd.DataFrame, made: Sequence[RawRecord]
) -> tuple[Counter[Any], float]:
    """The same pairs by pandas, and its CPU seconds."""
    began = time.process_time()
    tables = [pa.ipc.open_stream(record.value).read_all() for record in made]
    labels = pa.concat_tables(tables).to_pandas().rename(columns={"ts": "label_ts"})
    pairs = labels.merge(predictions, on="id")
    pairs = pairs[(pairs.label_ts - pairs.ts).abs() <= SPAN]
    pairs = pairs.sort_values("label_ts", kind="stable").drop_duplicates("id", keep="last")
    pairs["minute"] = pairs.ts // 60_000 * 60_000
    found: Counter[Any] = Counter()
    segments = [pd.Series("", index=pairs.index)]
    if "segment.region" in pairs:
        segments.append("region=" + pairs["segment.region"])
    for segment in segments:
        sizes = pairs.groupby([pairs.minute, segment, pairs.label, pairs.prediction]).size()
        found.update(sizes.to_dict())
    return found, time.process_time() - began


async def keep_and_weigh(
    settings: Settings, redis: Redis, keys: Keys, columns: dict[str, Any], model: str
) -> KeptStore:
    """Keep all predictions of a model; print what one costs."""
    made = records(columns, "inference.predictions", {"model": model, "version": "7"})
    store = KeptStore(redis, keys, SPAN)
    before = await redis_cpu(redis)
    rows, folding, keeping = await keep_all(settings, store, made)
    inside = await redis_cpu(redis) - before
    assert rows == len(columns["id"]), "a prediction was not kept"
    print(
        f"{rows:,} predictions {ABOUT[model]}:"
        f" {await bytes_a_row(redis, keys, rows):.1f} bytes a kept prediction;"
        f" decode and fold {folding / rows * 1e6:.2f} us a row,"
        f" keep {keeping / rows * 1e6:.2f} us, in Redis {inside / rows * 1e6:.2f} us",
        flush=True,
    )
    return store


async def join_and_compare(
    settings: Settings,
    redis: Redis,
    keys: Keys,
    store: KeptStore,
    frame: pd.DataFrame,
    made: Sequence[RawRecord],
) -> None:
    """Join all labels, compare the pairs with pandas', print the speed of both."""
    labels = sum(pa.ipc.open_stream(record.value).read_all().num_rows for record in made)
    owner = owner_of(settings, redis, keys, store)
    before = await redis_cpu(redis)
    seconds = await join_all(owner, made)
    inside = await redis_cpu(redis) - before
    joined = labels - BATCH
    theirs, yardstick = merged_pairs(frame, made)
    assert +await counted_pairs(redis, keys, settings) == +theirs, "the pairs differ"
    pairs = sum(number for (_, segment, _, _), number in theirs.items() if not segment)
    print(
        f"{labels:,} labels: {joined / seconds:,.0f} joined a CPU-second"
        f" ({seconds / joined * 1e6:.1f} us each; in Redis {inside / joined * 1e6:.1f} us);"
        f" pandas merge {labels / yardstick:,.0f} ({yardstick / labels * 1e6:.1f} us each),"
        f" all predictions in memory; {pairs:,} equal pairs",
        flush=True,
    )


async def measure(predictions: int, labels: int, url: str) -> None:
    """All figures of one run."""
    settings, rng = load(None, text=CONFIG), np.random.default_rng(6)
    redis = Redis.from_url(url)
    ids = [bytes(row).hex() for row in rng.integers(0, 256, (predictions, 16), np.uint8)]
    classes = prediction_columns(rng, ids)
    numbers = {"id": ids, "ts": classes["ts"], "prediction": rng.normal(size=predictions)}
    await keep_and_weigh(settings, redis, Keys("r."), numbers, "r")
    await redis.flushall()
    said = label_columns(rng, np.array(ids, object), np.asarray(classes["ts"]), labels)
    made = records(said, "inference.labels", {})
    for model in ("s", "m"):
        keys = Keys(f"{model}.")
        store = await keep_and_weigh(settings, redis, keys, classes, model)
        columns = ["id", "ts", "prediction", *(["segment.region"] if model == "s" else [])]
        frame = pd.DataFrame({name: classes[name] for name in columns})
        rest_collector()
        await join_and_compare(settings, redis, keys, store, frame, made)
        await redis.flushall()
    await redis.aclose()


def main() -> None:
    """Run once, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictions", type=int, default=1_000_000)
    parser.add_argument("--labels", type=int, default=500_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, EmbeddedRedis(folder) as redis:
        asyncio.run(measure(asked.predictions, asked.labels, redis.url))


if __name__ == "__main__":
    main()
