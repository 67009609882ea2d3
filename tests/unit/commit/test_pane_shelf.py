"""Panes that rest in the store: read again when rows come for them, and then as if never gone."""

import asyncio
import json
import random
from types import SimpleNamespace

import pytest
from memory_stores import MemoryKeptStore, MemoryPartitionStore

from inferwatch.events.kinds import Kind
from inferwatch.settings import load
from pipeline import work
from pipeline.commit import PartitionOwner
from pipeline.decode import Decoder, RawRecord
from pipeline.fold import Folder
from pipeline.models import ModelPlans
from pipeline.pane_shelf import PaneRoom, PaneShelf
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.state import stored_panes
from pipeline.state.history import Refused
from pipeline.state.keys import SourcePartition
from pipeline.surroundings import Surroundings
from pipeline.windows.pane import Pane, PaneKey
from pipeline.work import EventWork, PaneExpiry

SOURCE = SourcePartition("inference.predictions", 0)
TEXT = """
defaults: {windows: [1m], lateness: 2h, reference: {learn: "off"}}
limits: {segments: 3}
models: [{name: m, segments: [region]}]
"""
SETTINGS = load(None, text=TEXT)
RULES = ModelPlans(SETTINGS).of("m").counting


def shelf(*stored, whole=0, kept_steps=1, read=None):
    reads = [] if read is None else read

    def fetch(keys):
        reads.append(list(keys))
        return {key: Pane(RULES) for key in keys}

    return PaneShelf(stored, fetch, PaneRoom(whole, kept_steps))


SIZE = Pane(RULES).nbytes


def test_what_was_used_last_stays_and_the_others_rest():
    reads = []
    panes = shelf(whole=2 * SIZE, kept_steps=0, read=reads)
    for key in "abc":
        panes[key] = Pane(RULES)
        panes.settle()
    assert (panes.awake, panes.bytes) == (2, 2 * SIZE)
    assert panes["b"].counts == {}
    panes["d"] = Pane(RULES)
    panes.settle()
    # "c" was used before "b" and "d".
    assert [panes[key].counts for key in "bd"] == [{}, {}]
    assert reads == []
    assert panes["c"].counts == {}
    assert reads == [["c"]]
    assert sorted(panes) == list("abcd")


def test_nothing_rests_before_its_step_is_stored_and_some_more():
    panes = shelf(kept_steps=3)
    panes["a"] = Pane(RULES)
    left = []
    for _ in range(5):
        left.append(panes.awake)
        panes.settle()
    assert left == [1, 1, 1, 1, 0]


def test_what_rests_is_there_is_forgotten_unread_and_read_at_once():
    reads = []
    panes = shelf("a", "b", "c", whole=10**6, read=reads)
    assert (len(panes), panes.awake, "a" in panes, "z" in panes) == (3, 0, True, False)
    del panes["b"]
    panes.wake(["a", "b", "c"])
    assert reads == [["a", "c"]]
    assert panes.get("z") is None
    with pytest.raises(KeyError):
        del panes["b"]
    panes.settle()
    assert panes.pop("a").counts == {}
    assert list(panes) == ["c"]
    assert panes.bytes == SIZE


def test_a_partition_may_take_what_others_leave_and_gives_it_back():
    room = PaneRoom(4 * SIZE, 0)
    one, other = PaneShelf(room=room), PaneShelf(room=room)
    for key in "abcd":
        one[key] = Pane(RULES)
    one.settle()
    assert one.awake == 4
    other["z"] = Pane(RULES)
    other.settle()
    one.settle()
    assert (one.awake, other.awake) == (3, 1)
    del other
    one["e"] = Pane(RULES)
    one.settle()
    assert one.awake == 4


class World:
    """A partition, and owners of it that hold more or less in memory."""

    def __init__(self, whole):
        self.store = MemoryPartitionStore()
        self.room = PaneRoom(whole, 0)
        self.closed = {}
        self.owner = self.open()
        self.reads = 0
        panes = self.store.panes

        async def counted(sources, fields):
            self.reads += len(fields)
            return await panes(sources, fields)

        self.store.panes = counted

    def open(self):
        async def nothing(*_):
            return None

        around = Surroundings(
            store=self.store,
            kept=MemoryKeptStore(),
            log=SimpleNamespace(bounds=lambda source: (0, 0)),
            references=ReferenceCatalog(),
            references_read=nothing,
            rules_of=lambda model: RULES,
            first_offset=lambda source: 0,
            send_dead_letters=nothing,
            notify=nothing,
            now_ms=lambda: 0,
            room=self.room,
        )
        expiry = PaneExpiry(SETTINGS, lambda: self.closed)
        counting = EventWork(Folder(SETTINGS, around.references), expiry)
        decoder = Decoder(Kind.PREDICTION, SETTINGS.limits, clock=lambda: 0)
        return PartitionOwner(SOURCE, decoder, counting, around)

    async def take(self, offset, event):
        value = json.dumps(event).encode()
        record = RawRecord(SOURCE.topic, 0, offset, 10**15, None, value, ())
        await self.owner.take(record, lambda: None)
        await self.owner.step()

    async def stored(self):
        keys = sorted((await self.store.load(SOURCE)).panes)
        ((_, packed),) = await self.store.panes([SOURCE], keys)
        return dict(zip(keys, packed, strict=True))


def events(size=300):
    """Rows of an hour in no order, of five regions of which three are told apart."""
    draw = random.Random(4)
    for _ in range(size):
        yield {
            "model": "m",
            "ts": 10**12 + draw.randrange(3_600_000),
            "prediction": draw.choice("ab"),
            "features": {"x": draw.gauss(0, 1)},
            "segment": {"region": draw.choice("uvwxy")},
        }


async def test_however_little_memory_there_is_the_same_panes_are_stored():
    roomy, tight = World(10**9), World(0)
    for offset, event in enumerate(events()):
        for world in (roomy, tight):
            await world.take(offset, event)
        if offset == 150:
            # A successor knows only what is stored.
            tight.owner = tight.open()
    assert roomy.owner._panes.awake > 100
    assert tight.owner._panes.awake == 0
    assert roomy.reads == 0
    assert tight.reads > 300
    assert await tight.stored() == await roomy.stored()


async def test_a_successor_begins_with_the_latest_panes_in_memory(monkeypatch):
    monkeypatch.setattr(stored_panes, "LATEST", 7)
    world = World(10**9)
    for offset, event in enumerate(events(60)):
        await world.take(offset, event)
    keys = sorted((await world.store.load(SOURCE)).panes, key=lambda k: PaneKey.parse(k).start)
    world.owner = world.open()
    await world.take(60, next(events(1)) | {"ts": PaneKey.parse(keys[-1]).start})
    assert set(keys[-3:]) <= set(world.owner._panes._awake)
    assert 7 <= world.owner._panes.awake < 12


async def test_a_pane_that_redis_lost_means_another_history():
    world = World(0)
    first, second = ({"model": "m", "ts": ts, "prediction": "a"} for ts in (10**12, 10**12 + 10**6))
    await world.take(0, first)
    await world.take(1, second)
    held = world.store._held[SOURCE]
    world.store._held[SOURCE] = (*held[:3], {}, *held[4:])
    with pytest.raises(Refused, match="no longer holds the pane"):
        await world.take(2, first)
    assert world.owner.offset is None


async def test_panes_are_read_in_a_thread_while_the_loop_goes_on():
    world = World(0)
    await world.take(0, {"model": "m", "ts": 10**12, "prediction": "a"})
    read = stored_panes.StoredPanes(
        SOURCE, world.store, ReferenceCatalog(), lambda model: RULES, asyncio.get_running_loop()
    )
    keys = list((await world.store.load(SOURCE)).panes)
    panes = await asyncio.to_thread(read, keys)
    assert sum(c.rows for pane in panes.values() for c in pane.counts.values()) == 1


async def test_panes_that_no_window_needs_any_more_go_unread(monkeypatch):
    monkeypatch.setattr(work, "EXPIRE_EVERY", 1)
    world = World(0)
    for offset, event in enumerate(events(20)):
        await world.take(offset, event)
    held = len(world.owner._panes)
    world.closed["m"] = 10**13
    world.reads = 0
    await world.take(20, {"model": "m", "ts": 10**12, "prediction": "a"})
    assert held > 20
    assert list(world.owner._panes) == list((await world.store.load(SOURCE)).panes) == []
    assert world.reads < 5
