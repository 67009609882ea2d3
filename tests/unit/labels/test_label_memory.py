"""The bound on kept predictions: who measures, who decides, and what the others see of it."""

import logging
from types import SimpleNamespace

import pytest

from inferwatch.settings import load
from pipeline.label_memory import ROW_BYTES, LabelMemory
from pipeline.labels.falling_sample import SampleInForce
from pipeline.models import ModelPlans

MEMORY = 64 * 1024
HOUR = 3_600_000
CONFIG = """
models:
  - {name: m, labels: {memory: 64KiB, sample: 0.5}}
  - {name: n, labels: {memory: 1GiB}}
"""


class Redis:
    """What Redis holds: bytes of kept rows, and the samples in force."""

    def __init__(self):
        self.held, self.samples, self.measured = {}, {}, 0

    async def taken(self):
        self.measured += 1
        return {model: {0: size} for model, size in self.held.items()}

    async def read(self):
        return dict(self.samples)

    async def change(self, model, before, after):
        if self.samples.get(model) != before:
            return False
        self.samples[model] = after
        return True

    async def forget(self, models):
        for model in models:
            del self.samples[model]


@pytest.fixture
def redis():
    return Redis()


@pytest.fixture
def worker(redis):
    def worker():
        plans = ModelPlans(load(None, text=CONFIG))
        return LabelMemory(plans, redis, redis, keeps_for=60 * HOUR, width=12 * HOUR)

    return worker


def rows(model, count):
    return SimpleNamespace(shape=SimpleNamespace(model=model), ids=[""] * count)


async def keep(redis, memory, model, size, time):
    """Keep rows, as a step does, and look before the next one."""
    redis.held[model] = redis.held.get(model, 0) + size
    memory.keep([rows(model, size // ROW_BYTES)], time)
    await memory.look()


async def test_the_first_to_see_it_decides_and_says_so_and_all_others_follow(redis, worker, caplog):
    first, second = worker(), worker()
    await keep(redis, first, "m", MEMORY // 8, HOUR)
    assert redis.samples["m"] == SampleInForce(0, HOUR, MEMORY // 8)
    with caplog.at_level(logging.INFO):
        await keep(redis, first, "m", MEMORY // 2, 2 * HOUR)
    assert first.halvings == {"m": 2}
    assert [(one.levelname, one.message) for one in caplog.records] == [
        (
            "WARNING",
            "m: kept predictions take 40 KiB of labels.memory 64 KiB; only labels of 12.5 % of the "
            "ids are counted from now on (label_coverage is of these)",
        )
    ]
    await second.look()
    assert second.halvings == {"m": 2}
    assert len(caplog.records) == 1, "one of them says it"


async def test_a_model_within_its_bound_keeps_all(redis, worker):
    memory = worker()
    for hour in range(1, 9):
        await keep(redis, memory, "n", MEMORY, hour * HOUR)
    assert memory.halvings == {"n": 0}


async def test_of_two_that_decide_at_once_one_is_heard(redis, worker):
    memory = worker()
    await keep(redis, memory, "m", MEMORY // 8, HOUR)
    read = redis.read

    async def read_then_overtaken():
        found = await read()
        redis.samples["m"] = SampleInForce(5, HOUR, 0)
        return found

    redis.read = read_then_overtaken
    await keep(redis, memory, "m", MEMORY // 2, 2 * HOUR)
    assert redis.samples["m"].halvings == 5
    redis.read = read
    await keep(redis, memory, "m", MEMORY // 32, 2 * HOUR)
    assert memory.halvings["m"] >= 5


async def test_it_measures_once_in_a_while_and_when_a_noticeable_part_was_kept(redis, worker):
    memory = worker()
    for _ in range(5):
        await memory.look()
    assert redis.measured == 1
    await keep(redis, memory, "m", MEMORY // 32 - ROW_BYTES, HOUR)
    assert redis.measured == 1
    await keep(redis, memory, "m", ROW_BYTES, HOUR)
    assert redis.measured == 2


async def test_what_is_held_before_a_row_was_seen_decides_nothing(redis, worker):
    redis.held["m"] = 10 * MEMORY
    memory = worker()
    await memory.look()
    assert redis.samples == {}


async def test_a_model_of_which_nothing_is_kept_any_more_begins_anew(redis, worker):
    memory = worker()
    await keep(redis, memory, "m", MEMORY // 8, HOUR)
    await keep(redis, memory, "m", MEMORY // 2, 2 * HOUR)
    assert memory.halvings == {"m": 2}
    del redis.held["m"]
    await keep(redis, memory, "n", 2**30, 3 * HOUR)
    assert redis.samples.keys() == {"n"}
    await keep(redis, memory, "m", MEMORY // 8, 4 * HOUR)
    assert memory.halvings["m"] == 0
