"""The commit protocol broken on purpose, one way at a time: each must be caught by a test."""

import numpy as np

from pipeline import commit
from pipeline.commit import PartitionOwner
from pipeline.state.partitions import PartitionStore
from pipeline.windows.sequence import Admission, OriginSequence


def no_sequence_check():
    """Every row is new: what a sender resends counts again."""

    def admit(self, numbers, pane_of, *, from_start):
        return Admission(np.ones(len(numbers), np.bool_))

    OriginSequence.admit = admit


def higher_offset_wins():
    """A step is written on whatever history, if only its offset is higher."""
    rule = """
local held = redis.call('HGET', KEYS[1], 'offset')
if held and tonumber(held) > tonumber(ARGV[3]) then return 0 end
redis.call('HSET'"""
    original = PartitionStore.__init__

    def init(self, redis, keys):
        original(self, redis, keys)
        body = self._write.script
        self._write = redis.register_script(rule + body.split("redis.call('HSET'", 1)[1])

    async def generation(self, source):
        # What the owner compares: it looks as if nothing had changed.
        return _last_written.get(source)

    write = PartitionStore.write

    async def remember(self, source, step):
        took = await write(self, source, step)
        if took:
            _last_written[source] = step.generation
        return took

    begin = PartitionStore.begin

    async def begin_and_remember(self, source, generation, offset, head):
        _last_written[source] = generation
        return await begin(self, source, generation, offset, head)

    load = PartitionStore.load

    async def load_and_remember(self, source):
        stored = await load(self, source)
        if stored is not None:
            _last_written[source] = stored.generation
        return stored

    PartitionStore.__init__ = init
    PartitionStore.generation = generation
    PartitionStore.write = remember
    PartitionStore.begin = begin_and_remember
    PartitionStore.load = load_and_remember


_last_written = {}


def no_hole_reading():
    """What lies between the stored offset and the first message is skipped."""

    async def mend(self, state, goal):
        state.offset = goal - 1
        await self._write(state, commit.Changes())

    PartitionOwner._mend = mend


def duplicates_in_a_batch():
    """Records that are delivered twice, as after a rebalance, count twice."""

    def runs(offset, records):
        fresh = [record for record in records if record.offset > offset]
        if fresh:
            yield fresh

    commit._runs = runs


def acknowledge_first():
    """Records are acknowledged when they come, and then written."""
    take = PartitionOwner.take

    async def take_and_acknowledge(self, record, acknowledge):
        acknowledge()
        await take(self, record, lambda: None)

    PartitionOwner.take = take_and_acknowledge


BREAKS = {
    "no-sequence-check": no_sequence_check,
    "higher-offset-wins": higher_offset_wins,
    "no-hole-reading": no_hole_reading,
    "duplicates-in-a-batch": duplicates_in_a_batch,
    "acknowledge-first": acknowledge_first,
}
