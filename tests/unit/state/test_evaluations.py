"""A model's evaluation in Redis: one evaluator at a time; judged windows and alerts together."""

import asyncio

import pytest
from memory_stores import MemoryEvaluationStore

from pipeline.state.evaluations import EvaluationStore


@pytest.fixture(params=["redis", "memory"])
def store(request, client, keys):
    return EvaluationStore(client, keys) if request.param == "redis" else MemoryEvaluationStore()


async def write(store, expected, generation, **changes):
    values = {"state": b"s", "done": [], "alerts": []} | changes
    return await store.write("m", expected=expected, generation=generation, **values)


async def test_a_model_that_nobody_evaluated_has_nothing(store):
    assert await store.claim("m", "g1") == (None, [], [])


async def test_what_was_judged_and_its_alerts_are_there_for_the_next(store):
    await store.claim("m", "g1")
    assert await store.add_pending("m", "g1", ["w1", "w2"])
    assert await write(store, "g1", "g2", state=b"judged", done=["w1"], alerts=[b"a1", b"a2"])
    assert await store.claim("m", "g3") == (b"judged", ["w2"], [b"a1", b"a2"])


async def test_who_lost_the_model_can_neither_write_nor_add(store):
    await store.claim("m", "old")
    await store.claim("m", "new")
    assert not await write(store, "old", "older", state=b"wrong", alerts=[b"wrong"])
    assert not await store.add_pending("m", "old", ["w1"])
    assert not await store.holds("m", "old")
    assert await store.holds("m", "new")
    assert await store.claim("m", "next") == (None, [], [])


async def test_a_write_whose_answer_was_lost_is_accepted_and_adds_no_alert_twice(store):
    await store.claim("m", "g1")
    assert await write(store, "g1", "g2", alerts=[b"a"])
    assert await write(store, "g1", "g2", alerts=[b"a"])
    assert (await store.claim("m", "g3"))[2] == [b"a"]


async def test_after_a_flush_nothing_is_written_on_what_is_gone(store, client, keys):
    await store.claim("m", "g1")
    if isinstance(store, MemoryEvaluationStore):
        store.lose()
    await client.delete(keys.model("m", "head"))
    assert not await write(store, "g1", "g2")
    assert not await store.add_pending("m", "g1", ["w"])
    assert not await store.holds("m", "g1")


async def test_an_alert_that_is_sent_leaves_the_outbox(store):
    await store.claim("m", "g1")
    await write(store, "g1", "g2", alerts=[b"a", b"b"])
    await store.sent("m", b"a")
    assert (await store.claim("m", "g3"))[2] == [b"b"]


async def test_of_many_that_begin_an_epoch_one_does_and_all_see_the_same(store):
    assert await store.held_epoch() is None
    seen = await asyncio.gather(*(store.epoch(b"%d" % n) for n in range(20)))
    assert len(set(seen)) == 1
    assert await store.held_epoch() == seen[0]


async def test_the_epoch_to_look_labels_up_for(store):
    assert await store.lookup() == ""
    await store.call_lookup("e1")
    assert await store.lookup() == "e1"


async def test_models_are_closed_each_by_itself(store):
    await store.say_closed({"a": 5, "\N{SNOWMAN}": -(2**62)})
    await store.say_closed({"b": 7})
    await store.say_closed({})
    assert await store.closed() == {"a": 5, "b": 7, "\N{SNOWMAN}": -(2**62)}
