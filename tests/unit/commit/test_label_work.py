"""The owner's work on labels: what is looked up again, when, and what it says of it."""

import json

import pytest
from found_rows import found_prediction

from inferwatch.events.kinds import Kind
from inferwatch.settings import load
from pipeline.decode import Decoder, RawRecord
from pipeline.partition import PartitionState
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.windows.watermark import NEVER
from pipeline.work import LabelWork, PaneExpiry

CONFIG = """
retention: {restate: 10s, history: 1h}
models:
  - {name: "*", task: binary, labels: {horizon: 60s}}
"""


class World:
    """Kept rows, how far predictions are, and the epoch that is to be looked up for."""

    def __init__(self):
        settings = load(None, text=CONFIG)
        self.rows = {}
        self.looked_for = []
        self.counted_to = NEVER
        self.epoch = ""
        self.decoder = Decoder(Kind.LABEL, settings.limits, clock=lambda: 0)

        async def counted():
            return self.counted_to

        async def lookup():
            return self.epoch

        self.work = LabelWork(
            settings, ReferenceCatalog(), self, PaneExpiry(settings, dict), counted, lookup
        )
        self.state = PartitionState()

    async def find(self, wanted):
        self.looked_for.append([identity for identity, _ in wanted])
        return {identity: self.rows[identity] for identity, _ in wanted if identity in self.rows}

    async def label(self, offset, identity, ts):
        value = json.dumps({"id": identity, "ts": ts, "label": "x"}).encode()
        record = RawRecord("inference.labels", 0, offset, 10**15, None, value, ())
        return await self.work.fold(self.state, self.decoder.decode([record]), offset)

    def keep(self, identity, place, ts):
        found = found_prediction(f"p:{place}:0", "m", "1", ts, "x", 0.0, {}, NEVER, ())
        self.rows.setdefault(identity, []).append(found)

    async def idle(self):
        self.work._rest_until = 0.0
        return await self.work.idle(self.state)


@pytest.fixture
def world():
    return World()


async def test_a_label_without_a_row_is_looked_up_until_the_predictions_have_passed_it(world):
    await world.label(0, "a", 100_000)
    await world.idle()
    world.counted_to = 110_000
    await world.idle()
    assert world.state.labels["a"].open
    world.counted_to = 110_001
    changes = await world.idle()
    assert not world.state.labels["a"].open
    assert changes.labels == {"a"}
    await world.idle()
    assert world.looked_for[-2:] == [["a"], []]


async def test_nothing_closes_while_a_partition_of_predictions_is_not_known(world):
    await world.label(0, "a", 100_000)
    for _ in range(3):
        await world.idle()
    assert world.state.labels["a"].open
    world.keep("a", 0, 99_000)
    changes = await world.idle()
    assert world.state.labels["a"].joined == ["p:0:0"]
    assert changes.dirty


async def test_a_new_epoch_looks_all_open_labels_up_and_says_so(world):
    world.keep("a", 0, 99_000)
    await world.label(0, "a", 100_000)
    assert (await world.idle()).looked_up == ""
    world.keep("a", 1, 99_500)
    await world.idle()
    assert world.state.labels["a"].joined == ["p:0:0"], "it has a row, and waits to be closed"
    world.epoch = "e1"
    assert (await world.idle()).looked_up == "e1"
    assert world.state.labels["a"].joined == ["p:0:0", "p:1:0"]


async def test_a_state_that_was_loaded_again_is_looked_up_again(world):
    world.epoch = "e1"
    world.keep("a", 0, 99_000)
    await world.label(0, "a", 100_000)
    await world.idle()
    world.keep("a", 1, 99_500)
    held = world.state
    world.state = PartitionState(offset=held.offset, panes=held.panes, labels=held.labels)
    await world.idle()
    assert world.state.labels["a"].joined == ["p:0:0", "p:1:0"]


async def test_too_many_labels_without_a_row_go_with_the_next_write_and_are_counted(monkeypatch):
    monkeypatch.setattr("pipeline.labels.unresolved.MOST_UNRESOLVED", 10)
    world = World()
    for n in range(12):
        await world.label(n, f"i{n}", 100_000 + n)
    assert world.work.is_full(world.state), "the predictions are behind: nothing goes"
    assert world.work.expired(world.state) == ([], [])
    world.counted_to = 100_002
    changes = await world.idle()
    assert changes.labels == {"i0", "i1"}, "the write that lets them go"
    assert world.work.expired(world.state) == ([], ["i0", "i1"])
    assert world.state.totals.labels_given_up == 2
    assert not world.work.is_full(world.state)
    assert world.work.expired(world.state) == ([], []), "once"
