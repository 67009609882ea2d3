"""A partition's state in Redis: a step is written whole and once, or not at all."""

import asyncio

import pytest
from memory_stores import MemoryPartitionStore

from pipeline.state.keys import SourcePartition
from pipeline.state.partitions import PartitionStore, Step, new_generation


@pytest.fixture(params=["redis", "memory"])
def store(request, client, keys):
    return PartitionStore(client, keys) if request.param == "redis" else MemoryPartitionStore()


def step(expected, generation, offset, **changes):
    return Step(
        expected=expected, generation=generation, offset=offset, head=b"head%d" % offset, **changes
    )


async def test_nothing_is_stored_before_begin(store, source):
    assert await store.load(source) is None
    assert await store.generation(source) is None


async def test_only_the_first_owner_begins(store, source):
    assert await store.begin(source, "g1", -1, b"empty")
    assert not await store.begin(source, "g2", -1, b"other")
    held = await store.load(source)
    assert (held.generation, held.offset, held.head) == ("g1", -1, b"empty")


async def test_of_many_owners_that_begin_at_once_one_does(store, source):
    tokens = [new_generation() for _ in range(20)]
    began = await asyncio.gather(*(store.begin(source, token, -1, b"") for token in tokens))
    assert sum(began) == 1
    assert await store.generation(source) == tokens[began.index(True)]


async def test_a_step_is_written_whole_and_any_bytes_come_back(store, source):
    await store.begin(source, "g1", -1, b"")
    every_byte = bytes(range(256))
    pane, label = "m\x1f7\x1fregion=\N{SNOWMAN}\x1f60000", "id \x00\n\N{GREEK SMALL LETTER ALPHA}"
    wrote = step(
        "g1",
        "g2",
        41,
        panes={pane: every_byte},
        labels={label: every_byte[::-1]},
        dirty={pane: "g2"},
    )
    assert await store.write(source, wrote)
    held = await store.load(source)
    assert (held.generation, held.offset, held.head) == ("g2", 41, b"head41")
    assert held.panes == {pane}
    assert await store.panes([source], [pane]) == [(41, [every_byte])]
    assert held.labels == {label: every_byte[::-1]}
    assert await store.marks([source]) == [{pane: "g2"}]


async def test_a_step_on_another_history_changes_nothing(store, source):
    await store.begin(source, "g1", -1, b"")
    await store.write(source, step("g1", "g2", 5, panes={"a": b"1", "b": b"1"}))
    before = await store.load(source)
    zombie = step("g1", "z", 9, panes={"a": b"2"}, dirty={"a": "z"}, panes_gone=["b"])
    assert not await store.write(source, zombie)
    assert await store.load(source) == before
    assert await store.marks([source]) == [{}]


async def test_after_a_flush_nothing_can_be_written_on_the_old_history(store, source, client, keys):
    await store.begin(source, "g1", -1, b"")
    if isinstance(store, MemoryPartitionStore):
        store.lose()
    await client.delete(keys.partition(source, "head"))
    assert not await store.write(source, step("g1", "g2", 5))
    assert await store.load(source) is None


async def test_an_own_write_whose_answer_was_lost_is_accepted_once(store, source):
    await store.begin(source, "g1", -1, b"")
    first = step("g1", "g2", 5, panes={"a": b"1"}, dirty={"a": "g2"})
    assert await store.write(source, first)
    await store.clean(source, {"a": "g2"})
    assert await store.write(source, first)
    # The repeated write was not done again: the mark that is taken away stays away.
    assert await store.marks([source]) == [{}]
    assert await store.generation(source) == "g2"


async def test_a_count_that_comes_again_is_not_a_generation():
    assert len({new_generation() for _ in range(1000)}) == 1000


async def test_panes_and_labels_go_in_the_same_step(store, source):
    await store.begin(source, "g1", -1, b"")
    await store.write(source, step("g1", "g2", 1, panes={"a": b"1", "b": b"1"}, labels={"i": b"1"}))
    await store.write(
        source, step("g2", "g3", 2, panes={"c": b"2"}, panes_gone=["a"], labels_gone=["i"])
    )
    held = await store.load(source)
    assert held.panes == {"b", "c"}
    assert await store.panes([source], ["a", "b", "c"]) == [(2, [None, b"1", b"2"])]
    assert held.labels == {}


async def test_samples_go_in_the_same_step_and_are_read_by_field(store, source):
    other = SourcePartition(source.topic, 1)
    await store.begin(source, "g1", -1, b"")
    await store.write(source, step("g1", "g2", 1, samples={"a": b"1", "b": b"\xff", "c": b"3"}))
    await store.write(source, step("g2", "g3", 2, samples={"a": b"2"}, samples_gone=["c"]))
    assert not await store.write(source, step("g2", "z", 3, samples={"a": b"z"}))
    held = await store.load(source)
    assert held.samples == {"a": b"2", "b": b"\xff"}
    assert (held.panes, held.labels) == (frozenset(), {})
    assert await store.samples([source, other], ["a", "c", "b"]) == [held.samples, {}]


async def test_a_mark_is_cleaned_only_where_no_fold_renewed_it(store, source):
    await store.begin(source, "g1", -1, b"")
    await store.write(source, step("g1", "g2", 1, dirty={"a": "g2", "b": "g2"}))
    read = (await store.marks([source]))[0]
    await store.write(source, step("g2", "g3", 2, dirty={"b": "g3"}))
    await store.clean(source, read)
    assert await store.marks([source]) == [{"b": "g3"}]


async def test_a_pane_is_marked_outside_of_a_step(store, source):
    await store.mark(source, ["a", "b"])
    await store.mark(source, [])
    marks = (await store.marks([source]))[0]
    assert marks.keys() == {"a", "b"} and all(marks.values())


async def test_progress_tells_of_partitions_with_and_without_state(store, source):
    other = SourcePartition(source.topic, 1)
    await store.begin(source, "g1", 7, b"h")
    await store.beat(source, b"live", 60_000)
    assert await store.progress([source, other]) == [(7, b"h", b"live"), (None, None, None)]


async def test_panes_are_read_with_the_offset_that_they_include(store, source):
    other = SourcePartition(source.topic, 1)
    await store.begin(source, "g1", -1, b"")
    await store.write(source, step("g1", "g2", 9, panes={"a": b"1"}))
    found = await store.panes([source, other], ["a", "b"])
    assert found == [(9, [b"1", None]), (None, [None, None])]


async def test_a_step_of_a_hundred_thousand_labels_fits_one_command(store, source):
    await store.begin(source, "g1", -1, b"")
    labels = {f"id-{n}": b"x" * 40 for n in range(100_000)}
    assert await store.write(source, step("g1", "g2", 1, labels=labels))
    assert len((await store.load(source)).labels) == 100_000
