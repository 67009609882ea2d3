"""When a partition counts as stuck: the log goes on, and nothing of it comes."""

from dataclasses import fields
from types import SimpleNamespace

from decoding import decoder, record

from pipeline.commit import PartitionOwner
from pipeline.state.keys import SourcePartition
from pipeline.surroundings import Surroundings

SOURCE = SourcePartition("inference.resources", 0)


class Clock:
    def __init__(self):
        self.ms = 1_000_000

    def __call__(self):
        return self.ms


def owner_at(clock):
    parts = dict.fromkeys((f.name for f in fields(Surroundings)), None)
    around = Surroundings(**{**parts, "now_ms": clock})
    return PartitionOwner(SOURCE, decoder(), SimpleNamespace(step_bytes=1024), around)


async def delivered(owner, offset):
    """A record comes, and is taken out of the inbox as a step does."""
    await owner.take(record(b"{}", offset=offset), lambda: None)
    owner._next_batch()


async def test_a_record_that_ends_a_long_silence_is_no_stall():
    clock = Clock()
    owner = owner_at(clock)
    await delivered(owner, 0)
    clock.ms += 40_000
    assert owner.stalled_s(end=1) == 0
    clock.ms += 1_000
    assert owner.stalled_s(end=2) == 0  # written a moment ago
    await delivered(owner, 1)
    clock.ms += 40_000
    assert owner.stalled_s(end=2) == 0


async def test_a_log_that_goes_on_while_nothing_comes_is_one():
    clock = Clock()
    owner = owner_at(clock)
    await delivered(owner, 0)
    assert owner.stalled_s(end=2) == 0
    clock.ms += 21_000
    assert owner.stalled_s(end=9) == 21.0
    owner.reach(9)
    assert owner.stalled_s(end=9) == 0


async def test_whoever_is_behind_and_reads_is_not_stuck():
    clock = Clock()
    owner = owner_at(clock)
    await delivered(owner, 0)
    for offset in range(1, 30):
        assert owner.stalled_s(end=1_000) <= 1.0
        clock.ms += 1_000
        await delivered(owner, offset)
