"""Since when a sample is in force: after it is stored, and after what may have been kept before."""

import json

import pytest
from memory_stores import MemoryPartitionStore

from inferwatch.events.kinds import Kind
from inferwatch.settings import load
from pipeline import commit
from pipeline.commit import PartitionOwner, Surroundings
from pipeline.decode import Decoder, RawRecord
from pipeline.fold import Folder
from pipeline.models import ModelPlans
from pipeline.partition import PartitionState
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.state.keys import SourcePartition
from pipeline.work import EventWork, PaneExpiry

SOURCE = SourcePartition("inference.predictions", 0)
SETTINGS = load(None, text="defaults: {reference: {learn: off}}")


class Memory:
    """What would be in force, whatever is kept."""

    def __init__(self):
        self.halvings = {}

    def keep(self, kept, time):
        return None

    async def look(self):
        return None


class Kept:
    """Takes kept rows, and forgets them."""

    async def keep(self, source, batches):
        return ""


class ListLog:
    """A log in memory."""

    def __init__(self):
        self.records = []

    def bounds(self, source):
        return 0, len(self.records)

    def read(self, source, first, after):
        yield self.records[first:after]

    def write(self, count):
        for offset in range(len(self.records), len(self.records) + count):
            event = {"model": "m", "ts": offset, "prediction": "x", "id": str(offset)}
            value = json.dumps(event).encode()
            self.records.append(RawRecord(SOURCE.topic, 0, offset, 10**12, None, value, ()))
        return self.records[-count:]


class World:
    """One partition, and its owners one after the other."""

    def __init__(self):
        self.store, self.log, self.memory = MemoryPartitionStore(), ListLog(), Memory()
        self.kept_by = []

    def open(self):
        async def nothing(*_):
            return None

        world = self

        class Noting(EventWork):
            async def fold(self, state, decoded, through):
                world.kept_by.append(state.label_halvings.get("m", 0))
                return await super().fold(state, decoded, through)

        around = Surroundings(
            store=self.store,
            kept=Kept(),
            log=self.log,
            references=ReferenceCatalog(),
            references_read=nothing,
            rules_of=lambda model: ModelPlans(SETTINGS).of(model).counting,
            first_offset=lambda source: 0,
            send_dead_letters=nothing,
            notify=nothing,
            now_ms=lambda: 0,
        )
        work = Noting(Folder(SETTINGS, ReferenceCatalog()), PaneExpiry(SETTINGS, dict), self.memory)
        decoder = Decoder(Kind.PREDICTION, SETTINGS.limits, clock=lambda: 0)
        self.owner = PartitionOwner(SOURCE, decoder, work, around)

    async def step(self, records):
        for record in records:
            await self.owner.take(record, lambda: None)
        await self.owner.step()

    async def stored(self):
        held = await self.store.load(SOURCE)
        head = commit.unpack(held.head, "a head")
        return PartitionState.restore(0, head, {}, {}).label_halvings


@pytest.fixture
async def world():
    world = World()
    world.open()
    return world


async def test_a_sample_is_stored_before_a_row_is_kept_by_it(world):
    world.memory.halvings = {"m": 2, "never kept": 0}
    await world.step(world.log.write(3))
    assert (world.kept_by, await world.stored()) == ([0], {"m": 2})
    world.memory.halvings = {"m": 0}
    await world.step(world.log.write(3))
    await world.step(world.log.write(3))
    assert (world.kept_by, await world.stored()) == ([0, 2, 0], {"m": 0})


async def test_who_loads_a_partition_stays_with_its_sample_to_the_end_of_the_log(world):
    world.memory.halvings = {"m": 1}
    await world.step(world.log.write(3))
    world.memory.halvings = {"m": 4}
    records = world.log.write(6)
    world.open()
    await world.step(records[:3])
    await world.step(records[3:])
    await world.step(world.log.write(1))
    assert world.kept_by == [0, 1, 1, 4]


@pytest.mark.parametrize("limit", ["records", "bytes"])
async def test_but_no_longer_than_one_step_of_its_predecessor(world, monkeypatch, limit):
    await world.step(world.log.write(1))
    world.memory.halvings = {"m": 4}
    records = world.log.write(40)
    if limit == "records":
        monkeypatch.setattr(commit, "MAX_STEP_RECORDS", 5)
    else:
        monkeypatch.setattr(EventWork, "step_bytes", 5 * len(records[0].value))
    world.open()
    for first in range(0, 40, 5):
        await world.step(records[first : first + 5])
    # A step takes the record that passes its bytes too.
    old = 2 if limit == "records" else 3
    assert world.kept_by == [0] * old + [4] * (9 - old)
