"""The owner of a partition, step by step: what is counted, written and acknowledged, and when."""

import asyncio
import json

import pytest
from memory_stores import MemoryKeptStore, MemoryPartitionStore

from inferwatch.events.kinds import Kind
from inferwatch.settings import load
from pipeline import commit
from pipeline.commit import Changes, PartitionOwner
from pipeline.decode import Decoder, RawRecord
from pipeline.models import ModelPlans
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.state.history import Refused
from pipeline.state.keys import SourcePartition
from pipeline.surroundings import Surroundings
from pipeline.windows.pane import Pane, PaneKey

SOURCE = SourcePartition("inference.predictions", 0)
PANE = PaneKey("m", "1", "", 0).text()


class Tally:
    """Counts rows in `totals`, and remembers the offsets that it was given, in order."""

    step_bytes = 1 << 20

    def __init__(self):
        self.offsets = []

    async def fold(self, state, decoded, through):
        for chunk in decoded.chunks:
            self.offsets += chunk.offset.tolist()
            state.totals.rows += chunk.rows.size
        state.offset = through
        state.panes.setdefault(PANE, Pane(RULES))
        return Changes(dirty={PANE})

    async def idle(self, state):
        return Changes()

    def is_full(self, state):
        return False

    def expired(self, state):
        return [], []


class ListLog:
    """A log in memory; offsets may be missing, as compaction leaves them."""

    def __init__(self, records=()):
        self.records = list(records)
        self.reads = []

    def bounds(self, source):
        return 0, max((record.offset + 1 for record in self.records), default=0)

    def read(self, source, first, after):
        self.reads.append((first, after))
        found = [record for record in self.records if first <= record.offset < after]
        for n in range(0, len(found), 2):
            yield found[n : n + 2]


def record(offset):
    value = json.dumps({"model": "m", "ts": 1000 + offset, "prediction": "x"}).encode()
    return RawRecord(SOURCE.topic, 0, offset, 10**12, None, value, ())


SETTINGS = load(None, text="{}")
RULES = ModelPlans(SETTINGS).of("m").counting


class World:
    """Everything around owners, and what happened, in order."""

    def __init__(self, log=()):
        self.store = MemoryPartitionStore()
        self.log = ListLog(log)
        self.events = []
        self.works = []
        write = self.store.write

        async def noted(source, step):
            took = await write(source, step)
            self.events.append(("write", step.offset, took))
            return took

        self.store.write = noted

    def owner(self):
        async def nothing(*_):
            return None

        async def notify(models):
            self.events.append(("notify", frozenset(models)))

        around = Surroundings(
            store=self.store,
            kept=MemoryKeptStore(),
            log=self.log,
            references=ReferenceCatalog(),
            references_read=nothing,
            rules_of=lambda model: RULES,
            first_offset=lambda source: 0,
            send_dead_letters=nothing,
            notify=notify,
            now_ms=lambda: 0,
        )
        self.works.append(Tally())
        decoder = Decoder(Kind.PREDICTION, SETTINGS.limits, clock=lambda: 0)
        return PartitionOwner(SOURCE, decoder, self.works[-1], around)

    async def deliver(self, owner, *offsets):
        for offset in offsets:
            await owner.take(
                record(offset), lambda offset=offset: self.events.append(("acknowledge", offset))
            )

    async def rows(self):
        """The rows that are counted and stored."""
        stored = await self.store.load(SOURCE)
        return commit.unpack(stored.head, "")[4][0]


@pytest.fixture
def checked_at_every_step(monkeypatch):
    monkeypatch.setattr(commit, "CHECK_EVERY_S", 0.0)


async def test_the_steps_come_in_their_order():
    world = World()
    owner = world.owner()
    await world.deliver(owner, 0, 1)
    await owner.step()
    assert world.events == [
        ("write", 1, True),
        ("notify", {"m"}),
        ("acknowledge", 0),
        ("acknowledge", 1),
    ]
    assert (await world.rows(), owner.offset) == (2, 1)


async def test_nothing_is_acknowledged_that_is_not_written():
    world = World()
    owner = world.owner()
    await world.deliver(owner, 0)
    world.store.write = _refuse
    with pytest.raises(ConnectionError):
        await owner.step()
    assert world.events == []


async def _refuse(*_):
    raise ConnectionError("Redis is away")


async def test_after_a_failure_the_same_records_are_counted_once():
    world = World()
    owner = world.owner()
    await world.deliver(owner, 0, 1)
    write, world.store.write = world.store.write, _refuse
    for _ in range(3):
        with pytest.raises(ConnectionError):
            await owner.step()
    world.store.write = write
    await owner.step()
    assert await world.rows() == 2


async def test_a_write_whose_answer_was_lost_counts_once():
    world = World()
    owner = world.owner()
    await world.deliver(owner, 0, 1)
    write = world.store.write

    async def answer_lost(source, step):
        await write(source, step)
        raise ConnectionError("the answer is lost")

    world.store.write = answer_lost
    with pytest.raises(ConnectionError):
        await owner.step()
    world.store.write = write
    await owner.step()
    assert await world.rows() == 2
    assert [event for event in world.events if event[0] == "acknowledge"] == [
        ("acknowledge", 0),
        ("acknowledge", 1),
    ]


async def test_a_hole_is_read_from_the_log_first():
    world = World(log=[record(n) for n in range(6)])
    owner = world.owner()
    await world.deliver(owner, 4, 5)
    await owner.step()
    assert world.works[0].offsets == [0, 1, 2, 3, 4, 5]
    assert world.log.reads == [(0, 4)]
    assert await world.rows() == 6


async def test_a_hole_without_records_is_read_up_to_its_position():
    world = World(log=[record(n) for n in (0, 7)])
    owner = world.owner()
    await world.deliver(owner, 7)
    await owner.step()
    assert world.works[0].offsets == [0, 7]
    assert owner.offset == 7


async def test_holes_inside_of_a_batch_are_read_where_they_are():
    world = World(log=[record(n) for n in range(6)])
    owner = world.owner()
    await world.deliver(owner, 0, 3, 5)
    await owner.step()
    assert world.works[0].offsets == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("again", [[0, 1], [1], [1, 2, 1, 2], [2, 0, 1]])
async def test_records_delivered_again_count_once(again):
    world = World(log=[record(n) for n in range(3)])
    owner = world.owner()
    await world.deliver(owner, 0, 1, 2, *again)
    await owner.step()
    await world.deliver(owner, *again)
    await owner.step()
    assert await world.rows() == 3
    assert len([e for e in world.events if e[0] == "acknowledge"]) == 3 + 2 * len(again)


async def test_a_new_owner_goes_on_where_the_last_write_is():
    world = World(log=[record(n) for n in range(4)])
    first = world.owner()
    await world.deliver(first, 0, 1)
    await first.step()
    second = world.owner()
    await world.deliver(second, 1, 2, 3)
    await second.step()
    assert world.works[1].offsets == [2, 3]
    assert await world.rows() == 4


async def test_a_zombie_is_refused_loads_and_counts_nothing_twice():
    world = World(log=[record(n) for n in range(5)])
    zombie, successor = world.owner(), world.owner()
    await world.deliver(zombie, 0, 1)
    await zombie.step()
    await world.deliver(successor, 1, 2, 3)
    await successor.step()
    await world.deliver(zombie, 2, 3, 4)
    with pytest.raises(Refused):
        await zombie.step()
    await zombie.step()
    assert await world.rows() == 5
    with pytest.raises(Refused):
        await world.deliver(successor, 4)
        await successor.step()
    await successor.step()
    assert await world.rows() == 5


async def test_redis_that_lost_all_is_noticed_without_a_record(checked_at_every_step):
    world = World(log=[record(n) for n in range(4)])
    owner = world.owner()
    await world.deliver(owner, 0, 1, 2, 3)
    await owner.step()
    world.store.lose()
    with pytest.raises(Refused):
        await owner.step()
    await owner.step()
    assert await world.rows() == 4
    assert world.works[0].offsets == [0, 1, 2, 3, 0, 1, 2, 3]


async def test_a_loss_before_the_first_write_is_noticed_too(checked_at_every_step):
    world = World()
    owner = world.owner()
    await owner.step()
    assert owner.offset is None, "loaded at the first record, or after 3 s"
    await world.deliver(owner, 0)
    await owner.step()
    world.store.lose()
    with pytest.raises(Refused):
        await owner.step()


async def test_an_idle_partition_is_loaded_and_read_to_its_end(monkeypatch):
    monkeypatch.setattr(commit, "IDLE_LOAD_S", 0.0)
    world = World(log=[record(n) for n in range(3)])
    owner = world.owner()
    await owner.step()
    assert await world.rows() == 3


async def test_a_full_inbox_makes_wait_and_closing_lets_go(monkeypatch):
    monkeypatch.setattr(commit, "MAX_INBOX_BYTES", 100)
    world = World()
    owner = world.owner()
    await world.deliver(owner, 0, 1, 2)
    waiting = asyncio.create_task(world.deliver(owner, 3))
    await asyncio.sleep(0)
    assert not waiting.done()
    owner.close()
    await asyncio.wait_for(waiting, 1)
    assert world.events == [], "what comes after the end is left to the next owner"


async def test_what_is_not_delivered_is_read_once_it_is_known(checked_at_every_step):
    world = World(log=[record(n) for n in range(3)])
    owner = world.owner()
    await world.deliver(owner, 0)
    await owner.step()
    owner.reach(3)
    await owner.step()
    assert await world.rows() == 3


async def test_a_step_that_is_cancelled_in_a_hole_closes_the_reader():
    world = World(log=[record(n) for n in range(10)])
    owner = world.owner()
    closed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def read(source, first, after):
        try:
            yield [record(0)]
            yield [record(1)]
        finally:
            loop.call_soon_threadsafe(closed.set)

    world.log.read = read
    world.store.write = _never
    await world.deliver(owner, 9)
    step = asyncio.create_task(owner.step())
    await asyncio.sleep(0.05)
    step.cancel()
    await asyncio.wait([step])
    await asyncio.wait_for(closed.wait(), 1)


async def _never(*_):
    await asyncio.Event().wait()


async def test_while_the_work_is_full_nothing_is_counted_and_what_came_waits(
    checked_at_every_step,
):
    world = World()
    owner = world.owner()
    work = world.works[-1]
    work.full, idle = False, []

    async def rest(state):
        idle.append(state.offset)
        return Changes()

    work.is_full = lambda state: work.full
    work.idle = rest
    await world.deliver(owner, 0)
    await owner.step()
    work.full = True
    await world.deliver(owner, 1, 2)
    await owner.step()
    await owner.step()
    assert (work.offsets, idle[1:]) == ([0], [0, 0]), "what makes room is done meanwhile"
    work.full = False
    await owner.step()
    assert work.offsets == [0, 1, 2]
    assert [event for event in world.events if event[0] == "acknowledge"] == [
        ("acknowledge", n) for n in range(3)
    ]


async def test_a_hole_is_read_only_as_far_as_there_is_room(checked_at_every_step):
    world = World([record(n) for n in range(6)])
    owner = world.owner()
    work = world.works[-1]
    seen = []

    async def rest(state):
        seen.append(state.offset)
        return Changes()

    # Full after each stretch of the log, until it was looked at once.
    work.is_full = lambda state: state.offset >= 1 and state.offset not in seen
    work.idle = rest
    await world.deliver(owner, 5)
    await owner.step()
    assert work.offsets == [0, 1, 2, 3, 4, 5]
    assert seen[:2] == [1, 3]


async def test_a_pane_that_went_and_came_again_in_one_step_is_stored():
    world = World()
    owner = world.owner()
    (tally,) = world.works
    fold = tally.fold

    async def fold_and_move(state, decoded, through):
        changes = await fold(state, decoded, through)
        return Changes(changes.dirty, gone={PANE, "another"})

    tally.fold = fold_and_move
    await world.deliver(owner, 0)
    await owner.step()
    assert (await world.store.load(SOURCE)).panes == {PANE}
