"""The sweep of kept predictions: by the labels' time, or where no label ever came, by their own."""

import numpy as np
import pytest

from inferwatch.settings import load
from pipeline.kept_sweep import KeptSweep
from pipeline.labels.kept import KeptRows
from pipeline.labels.shape import Shape
from pipeline.partition import PartitionState
from pipeline.progress import BEAT_TTL_MS, Beat
from pipeline.state.kept import KeptStore
from pipeline.state.keys import SourcePartition
from pipeline.state.packing import pack
from pipeline.state.partitions import PartitionStore, new_generation
from pipeline.windows.watermark import NEVER

HOUR = 3_600_000
START = 480_000 * HOUR
GOES = START + 4 * HOUR
"""Half an hour more than a bucket, two horizons and `restate` after START."""
CONFIG = """
limits: {idle: 30s}
retention: {restate: 1h}
models:
  - {name: "*", labels: {horizon: 1h}}
"""
PREDICTIONS = [SourcePartition("inference.predictions", n) for n in range(2)]
LABELS = [SourcePartition("inference.labels", n) for n in range(2)]


class World:
    """A Redis that keeps one prediction of START."""

    def __init__(self, client, keys):
        settings = load(None, text=CONFIG)
        self.store = PartitionStore(client, keys)
        self.kept = KeptStore(client, keys, HOUR)
        sources = PREDICTIONS + LABELS
        self.sweep = KeptSweep(settings, self.store, self.kept, sources, lambda: 0)

    async def keep(self, ts=START):
        shape = Shape(
            model="m", version="1", text="yes", number=0.0, scores=(), segments=0, wide=False,
            closed_until=NEVER,
        )  # fmt: skip
        row = KeptRows(
            shape=shape,
            ids=["a"],
            ts=np.array([ts]),
            offset=np.array([0]),
            row=np.array([0]),
            numbers=np.zeros(1),
            scores=np.zeros((1, 0)),
            segments=np.zeros((1, 0), np.int64),
            segment_texts=(),
        )
        await self.kept.keep(PREDICTIONS[0], [row])

    async def reach(self, source, high_ts, *, lag=0, begun=True, owned=True):
        """A partition has counted up to this time, and so many of its records are not read."""
        if begun:
            head = pack(PartitionState(high_ts=high_ts).head())
            assert await self.store.begin(source, new_generation(), 9, head)
        if owned:
            beat = Beat(worker="w", end=10 + lag, last_record_at=0)
            await self.store.beat(source, beat.pack(), 100 * BEAT_TTL_MS)


@pytest.fixture
async def world(client, keys):
    world = World(client, keys)
    await world.keep()
    return world


@pytest.mark.parametrize(("labels_at", "gone"), [(GOES - HOUR // 2 - 1, 0), (GOES - HOUR // 2, 1)])
async def test_rows_go_by_the_time_of_the_slowest_labels(world, labels_at, gone):
    for source in PREDICTIONS:
        await world.reach(source, GOES + 100 * HOUR)
    await world.reach(LABELS[0], labels_at)
    await world.reach(LABELS[1], GOES)
    assert await world.sweep.once() == gone


@pytest.mark.parametrize(("slowest", "gone"), [(GOES - HOUR // 2 - 1, 0), (GOES - HOUR // 2, 1)])
async def test_where_no_label_ever_came_rows_go_by_the_time_of_the_predictions(
    world, slowest, gone
):
    for source in LABELS:
        await world.reach(source, NEVER)
    await world.reach(PREDICTIONS[0], GOES)
    await world.reach(PREDICTIONS[1], slowest)
    assert await world.sweep.once() == gone
    assert len(await world.kept.find([("a", START)])) == 1 - gone


@pytest.mark.parametrize(
    "unknown",
    [{"lag": 1}, {"owned": False}, {"begun": False}, {"begun": False, "lag": 1_000}],
    ids=["not read", "no owner", "not begun", "not begun on a long log"],
)
@pytest.mark.parametrize("other", [NEVER, GOES], ids=["no label", "labels"])
async def test_rows_stay_while_labels_may_be_unread(world, unknown, other):
    for source in PREDICTIONS:
        await world.reach(source, GOES)
    await world.reach(LABELS[0], other)
    await world.reach(LABELS[1], NEVER, **unknown)
    assert await world.sweep.once() == 0


async def test_without_a_prediction_counted_nothing_goes(world):
    for source in PREDICTIONS + LABELS:
        await world.reach(source, NEVER)
    assert await world.sweep.once() == 0


async def test_what_expired_by_itself_goes_whatever_the_time(world, client, keys):
    for number in range(1, 10):
        await world.keep(START + number * HOUR)
    async for key in client.scan_iter(f"{keys.root}{{kept:*}}:{START // world.kept.width}*"):
        await client.delete(key)
    assert await world.sweep.once() == 1
    assert await world.sweep.once() == 0
