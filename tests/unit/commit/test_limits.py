"""Names beyond the limits are stored as they are counted: in `__other__`, and nowhere else."""

import json
from types import SimpleNamespace

import pytest
from memory_stores import MemoryKeptStore, MemoryPartitionStore

from inferwatch.events.kinds import Kind
from inferwatch.settings import load
from pipeline.commit import PartitionOwner
from pipeline.decode import Decoder, RawRecord
from pipeline.fold import Folder
from pipeline.models import ModelPlans
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.state.keys import SourcePartition
from pipeline.state.packing import unpack
from pipeline.surroundings import Surroundings
from pipeline.work import EventWork, PaneExpiry

SOURCE = SourcePartition("inference.predictions", 0)
SETTINGS = load(
    None, text="limits: {models: 3, segments: 2}\nmodels: [{name: '*', segments: [region]}]\n"
)


class Owned:
    """A partition, its owner, and the panes that a fold without a store holds."""

    def __init__(self):
        self.store = MemoryPartitionStore()
        self._offset = 0
        references = ReferenceCatalog()
        plans = ModelPlans(SETTINGS)

        async def nothing(*_):
            return None

        around = Surroundings(
            store=self.store,
            kept=MemoryKeptStore(),
            log=SimpleNamespace(bounds=lambda source: (0, 0)),
            references=references,
            references_read=nothing,
            rules_of=lambda model: plans.of(model).counting,
            first_offset=lambda source: 0,
            send_dead_letters=nothing,
            notify=nothing,
            now_ms=lambda: 0,
        )
        work = EventWork(Folder(SETTINGS, references), PaneExpiry(SETTINGS, dict))
        decoder = Decoder(Kind.PREDICTION, SETTINGS.limits, clock=lambda: 0)
        self.owner = PartitionOwner(SOURCE, decoder, work, around)

    async def take(self, **more):
        """One row, counted and written by a step of its own."""
        event = {"model": "m", "version": "1", "ts": 1_000, "prediction": "a"} | more
        value = json.dumps(event).encode()
        record = RawRecord(SOURCE.topic, 0, self._offset, 10**15, None, value, ())
        self._offset += 1
        await self.owner.take(record, lambda: None)
        await self.owner.step()

    async def stored(self):
        """The panes as Redis holds them, and as the owner does."""
        keys = sorted((await self.store.load(SOURCE)).panes)
        ((_, packed),) = await self.store.panes([SOURCE], keys)
        held = {key: pane.snapshot() for key, pane in self.owner._state.panes.items()}
        return {key: unpack(data, "") for key, data in zip(keys, packed, strict=True)}, held


@pytest.mark.parametrize("what", ["model", "version", "region"])
async def test_what_is_stored_is_what_is_held(what):
    owned = Owned()
    for n in range(20):
        name = f"n{n}"
        more = {"segment": {"region": name}} if what == "region" else {what: name}
        await owned.take(**more)
        stored, held = await owned.stored()
        assert stored == held
    assert len(held) < 12
