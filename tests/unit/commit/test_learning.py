"""The rows that a reference is learned from: written with the step that counts them, and let go."""

import json

import pytest
from memory_stores import MemoryKeptStore, MemoryPartitionStore

from inferwatch.events.kinds import Kind
from inferwatch.events.reference import ReferenceProfile
from inferwatch.settings import load
from pipeline import commit
from pipeline.commit import PartitionOwner
from pipeline.decode import Decoder, RawRecord
from pipeline.fold import Folder
from pipeline.models import ModelPlans
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.state.keys import SourcePartition
from pipeline.state.samples import unpacked_samples
from pipeline.surroundings import Surroundings
from pipeline.work import EventWork, PaneExpiry

SOURCE = SourcePartition("inference.predictions", 0)
SETTINGS = load(None, text="")


class EmptyLog:
    def bounds(self, source):
        return 0, 0

    def read(self, source, first, after):
        yield []


class World:
    """A store and a catalog that outlive their owners."""

    def __init__(self):
        self.store = MemoryPartitionStore()
        self.references = ReferenceCatalog()
        self._offset = -1

    def owner(self):
        async def nothing(*_):
            return None

        plans = ModelPlans(SETTINGS)
        around = Surroundings(
            store=self.store,
            kept=MemoryKeptStore(),
            log=EmptyLog(),
            references=self.references,
            references_read=nothing,
            rules_of=lambda model: plans.of(model).counting,
            first_offset=lambda source: 0,
            send_dead_letters=nothing,
            notify=nothing,
            now_ms=lambda: 0,
        )
        work = EventWork(Folder(SETTINGS, self.references), PaneExpiry(SETTINGS, dict))
        decoder = Decoder(Kind.PREDICTION, SETTINGS.limits, clock=lambda: 0)
        return PartitionOwner(SOURCE, decoder, work, around)

    async def count(self, owner, *models):
        for model in models:
            self._offset += 1
            event = {"model": model, "ts": 1_000 + self._offset, "prediction": "x"}
            value = json.dumps(event).encode()
            record = RawRecord(SOURCE.topic, 0, self._offset, 10**12, None, value, ())
            await owner.take(record, lambda: None)
        await owner.step()

    async def kept(self):
        held = await self.store.load(SOURCE)
        samples = unpacked_samples(held.samples, "samples")
        return {model: len(sample) for model, sample in samples.items()}


async def test_a_successor_goes_on_from_what_the_step_wrote():
    world = World()
    await world.count(world.owner(), "a", "a", "b")
    assert await world.kept() == {"a": 2, "b": 1}
    await world.count(world.owner(), "a", "a")
    assert await world.kept() == {"a": 4, "b": 1}


async def test_a_refused_step_leaves_no_row():
    world = World()
    owner = world.owner()
    await world.count(owner, "a")
    other = world.owner()
    await world.count(other, "a")
    with pytest.raises(commit.Refused):
        await world.count(owner, "a", "a")
    assert await world.kept() == {"a": 2}


async def test_an_idle_partition_lets_go_what_a_reference_serves(monkeypatch):
    monkeypatch.setattr(commit, "CHECK_EVERY_S", 0.0)
    world = World()
    owner = world.owner()
    await world.count(owner, "a", "b")
    world.references.add(
        ReferenceProfile(
            model="a", version=None, rows=1, fingerprint="f", created_at=0, features={}
        )
    )
    await owner.step()
    assert await world.kept() == {"b": 1}
    await world.count(world.owner(), "a", "b")
    assert await world.kept() == {"b": 2}
