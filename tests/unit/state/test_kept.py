"""Kept predictions: each row once, whoever writes it again; found within the horizon only."""

import pytest

from pipeline.labels.kept import KeptPrediction
from pipeline.state.kept import KeptStore
from pipeline.state.keys import SourcePartition
from pipeline.state.partitions import PartitionStore, Step
from pipeline.windows.watermark import NEVER

HORIZON = 10_000


@pytest.fixture
def store(client, keys):
    return KeptStore(client, keys, HORIZON)


def row(identity="a", *, offset=0, place=0, ts=50_000, **more):
    values = {
        "model": "m",
        "version": "7",
        "text": "yes",
        "number": float("nan"),
        "scores": {"yes": 0.75},
        "closed_until": NEVER,
        "segments": ("region=eu",),
    } | more
    return KeptPrediction(id=identity, offset=offset, row=place, ts=ts, **values)


async def identities(store, identity="a", ts=50_000):
    return [found.identity for found in (await store.find([(identity, ts)])).get(identity, [])]


async def test_a_row_comes_back_as_it_was_kept(store, source):
    kept = row("\N{SNOWMAN}\x00\n", text="n\N{LATIN SMALL LETTER O WITH DIAERESIS}", number=1.5)
    await store.keep(source, [kept])
    found = (await store.find([(kept.id, kept.ts)]))[kept.id][0]
    assert found.identity == f"{source}:0:0"
    assert (found.model, found.version, found.ts) == ("m", "7", 50_000)
    assert (found.text, found.number, found.scores) == (kept.text, 1.5, {"yes": 0.75})
    assert (found.closed_until, found.segments) == (NEVER, ("region=eu",))


async def test_a_row_written_again_is_kept_once(store, source):
    for _ in range(3):
        await store.keep(source, [row(offset=4, place=2)])
    assert await identities(store) == [f"{source}:4:2"]


async def test_every_row_of_an_id_is_kept_whatever_their_order(store, source):
    other = SourcePartition(source.topic, 1)
    await store.keep(source, [row(offset=1), row(offset=1, place=1)])
    await store.keep(other, [row(offset=1)])
    await store.keep(source, [row(offset=1, place=1), row(offset=1)])
    assert sorted(await identities(store)) == [f"{source}:1:0", f"{source}:1:1", f"{other}:1:0"]


@pytest.mark.parametrize("distance", [-HORIZON, -HORIZON + 1, -1, 0, 1, HORIZON - 1, HORIZON])
@pytest.mark.parametrize("ts", [0, 4_999, 5_000, 50_001, -7])
async def test_a_row_within_the_horizon_is_found_wherever_buckets_begin(
    store, source, ts, distance
):
    await store.keep(source, [row(ts=ts)])
    assert len(await identities(store, ts=ts + distance)) == 1


async def test_an_odd_horizon_is_looked_through_to_its_end(client, keys, source):
    store = KeptStore(client, keys, 10_001)
    await store.keep(source, [row(ts=5_000)])
    assert len(await identities(store, ts=15_001)) == 1


async def test_many_ids_are_found_in_one_call_and_unknown_ones_are_absent(store, source):
    await store.keep(source, [row(f"i{n}", offset=n) for n in range(25_000)])
    found = await store.find([(f"i{n}", 50_000) for n in range(0, 50_000, 2)])
    assert len(found) == 12_500
    assert all(len(rows) == 1 for rows in found.values())


async def test_looking_twice_for_one_id_finds_its_rows_once(store, source):
    await store.keep(source, [row()])
    found = await store.find([("a", 50_000), ("a", 51_000)])
    assert len(found["a"]) == 1


async def test_keeping_tells_the_history_and_a_step_on_another_one_is_refused(
    store, source, client, keys
):
    partitions = PartitionStore(client, keys)
    await partitions.begin(source, "g1", -1, b"")
    history = await store.keep(source, [row()])
    info = await client.info("replication")
    assert history == info["master_replid"]
    values = {"expected": "g1", "generation": "g2", "offset": 1, "head": b""}
    # A failover in between: the rows may be gone, so they are counted and kept once more.
    assert not await partitions.write(source, Step(**values, kept_in="0" * 40))
    assert (await partitions.load(source)).offset == -1
    assert await partitions.write(source, Step(**values, kept_in=history))


async def test_what_is_kept_goes_by_itself_some_day(store, source, client, keys):
    await store.keep(source, [row()])
    (key,) = [key async for key in client.scan_iter(f"{keys.root}{{*")]
    assert await client.pttl(key) >= 2 * HORIZON


async def test_rows_go_by_the_time_of_the_labels_and_younger_ones_stay(store, source):
    await store.keep(source, [row("old", ts=9_999), row("edge", ts=10_000), row("new", ts=50_000)])
    assert await store.drop_before(9_999) == 0
    assert await store.drop_before(10_000) == 1
    assert await store.drop_before(10_000) == 0
    found = await store.find([("old", 9_999), ("edge", 10_000), ("new", 50_000)])
    assert set(found) == {"edge", "new"}
