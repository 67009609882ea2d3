"""Kept predictions: each row once, whoever writes it again; found within the horizon only."""

from dataclasses import replace

import numpy as np
import pytest
import redis.asyncio

from inferwatch.errors import StateFormatError
from pipeline.labels.kept import KeptRows
from pipeline.labels.packed_rows import FORMAT
from pipeline.labels.shape import Shape
from pipeline.state.kept import KeptStore
from pipeline.state.keys import SourcePartition
from pipeline.state.partitions import PartitionStore, Step
from pipeline.windows.watermark import NEVER

HORIZON = 10_000


@pytest.fixture
def store(client, keys):
    return KeptStore(client, keys, HORIZON)


def rows(ids, *, offsets=None, places=None, ts=50_000, segments=("region=eu",), **more):
    """Kept rows of one shape."""
    size = len(ids)
    about = {"text": "yes", "number": float("nan"), "scores": ("yes",), "wide": False} | more
    shape = Shape(model="m", version="7", closed_until=NEVER, segments=len(segments), **about)
    return KeptRows(
        shape=shape,
        ids=list(ids),
        ts=np.broadcast_to(np.array(ts, np.int64), size).copy(),
        offset=np.array(offsets if offsets is not None else [0] * size, np.int64),
        row=np.array(places if places is not None else [0] * size, np.int64),
        numbers=np.full(size, 1.5),
        scores=np.full((size, len(shape.scores)), 0.75),
        segments=np.tile(np.arange(len(segments)), (size, 1)),
        segment_texts=segments,
    )


def row(identity="a", *, offset=0, place=0, **more):
    return rows([identity], offsets=[offset], places=[place], **more)


def told(row):
    """All of a found row, as text."""
    return repr((row.identity, row.ts, row.text, row.number, row.scores, row.segments))


async def identities(store, identity="a", ts=50_000):
    return [found.identity for found in (await store.find([(identity, ts)])).get(identity, [])]


async def test_a_row_comes_back_as_it_was_kept(store, source):
    kept = row("\N{SNOWMAN}\x00\n", text="n\N{LATIN SMALL LETTER O WITH DIAERESIS}", number=1.5)
    await store.keep(source, [kept])
    found = (await store.find([(kept.ids[0], 50_000)]))[kept.ids[0]][0]
    assert found.identity == f"{source}:0:0"
    assert (found.model, found.rows.shape.version, found.ts) == ("m", "7", 50_000)
    assert (found.text, found.number, found.scores) == (kept.shape.text, 1.5, {"yes": 0.75})
    assert (found.rows.shape.closed_until, found.segments) == (NEVER, ("region=eu",))


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("text", ["", None])
@pytest.mark.parametrize("segments", [(), ("a=1", "b=")])
async def test_every_form_of_a_row_comes_back(store, source, wide, text, segments):
    ts = [2**60 if wide else 2**46 - 1, -5]
    offset = 2**62 if wide else 2**46 - 1
    kept = rows(
        ["a", "b"], offsets=[offset, 0], places=[65_535, 1], ts=ts, text=text, wide=wide,
        scores=("", "x", "y"), segments=segments,
    )  # fmt: skip
    await store.keep(source, [kept])
    found = await store.find([("a", ts[0]), ("b", ts[1])])
    # Compared as text: what is no number is not equal to itself.
    assert {one: told(*several) for one, several in found.items()} == {
        one: told(prediction) for one, prediction in kept.found(str(source))
    }
    first = found["a"][0]
    assert (first.identity, first.ts) == (f"{source}:{offset}:65535", ts[0])
    assert first.text == ("1.5" if text is None else text)
    assert first.scores == {"": 0.75, "x": 0.75, "y": 0.75}
    assert (found["b"][0].ts, found["b"][0].segments) == (-5, segments)


@pytest.mark.parametrize("count", [1, 95, 96, 97, 200, 3_000, 20_000])
async def test_pages_grow_with_the_rows_and_lose_none(store, source, client, keys, count):
    ids = [f"i{n}" for n in range(count)]
    for first in range(0, count, 777):
        part = ids[first : first + 777]
        await store.keep(source, [rows(part, offsets=range(first, first + len(part)))])
    await store.keep(source, [rows(ids[::3], offsets=range(0, count, 3))])
    found = await store.find([(one, 50_000) for one in ids])
    assert [found[one][0].identity for one in ids] == [f"{source}:{n}:0" for n in range(count)]
    assert all(len(several) == 1 for several in found.values())
    pages = [key async for key in client.scan_iter(f"{keys.root}{{kept:*:[0-9]*:[0-9]*")]
    sizes = [await client.hlen(key) for key in pages]
    assert sum(sizes) == count
    assert max(sizes) <= 300, "a page stays small enough to be packed tightly"
    assert {await client.object("encoding", key) for key in pages} <= {b"listpack", b"ziplist"}
    assert min([await client.pttl(key) for key in pages]) > 0
    await store.drop_before(10**9)
    left = [key async for key in client.scan_iter(f"{keys.root}*")]
    assert left == []


async def test_a_thousand_rows_of_one_id_are_all_found(store, source):
    kept = rows(["a"] * 1_000, offsets=range(1_000))
    await store.keep(source, [kept, row("b", offset=5_000)])
    await store.keep(source, [kept])
    assert len(set(await identities(store))) == len(await identities(store)) == 1_000
    assert await identities(store, "b") == [f"{source}:5000:0"]


async def test_a_row_of_a_newer_version_ends_the_worker(store, source, client, keys):
    await store.keep(source, [row()])
    (page,) = [key async for key in client.scan_iter(f"{keys.root}{{kept:*:*:0")]
    ((field, stored),) = (await client.hgetall(page)).items()
    await client.hset(page, field, bytes([FORMAT + 1]) + stored[1:])
    with pytest.raises(StateFormatError, match="format 2"):
        await store.find([("a", 50_000)])


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
    await store.keep(source, [rows([f"i{n}" for n in range(25_000)], offsets=range(25_000))])
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
    found = [key async for key in client.scan_iter(f"{keys.root}{{*")]
    assert len(found) == 3
    assert min([await client.pttl(key) for key in found]) >= 2 * HORIZON


async def test_rows_go_by_the_time_of_the_labels_and_younger_ones_stay(store, source):
    await store.keep(source, [row("old", ts=9_999), row("edge", ts=10_000), row("new", ts=50_000)])
    assert await store.drop_before(9_999) == 0
    assert await store.drop_before(10_000) == 1
    assert await store.drop_before(10_000) == 0
    found = await store.find([("old", 9_999), ("edge", 10_000), ("new", 50_000)])
    assert set(found) == {"edge", "new"}


@pytest.mark.parametrize("form", ["three scores and a segment", "a number"])
async def test_a_kept_prediction_costs_at_most_64_bytes(store, source, client, keys, form):
    # The million of the benchmark in short: `python -m benchmarks.label_join`.
    count = 40_000
    about = {"scores": ("a", "b", "c")}
    if form == "a number":
        about = {"scores": (), "text": None, "segments": ()}
    for first in range(0, count, 8_000):
        ids = [f"{n:032x}" for n in range(first, first + 8_000)]
        offsets = range(first, first + 8_000)
        await store.keep(source, [rows(ids, offsets=offsets, **about)])
    total = 0
    async for key in client.scan_iter(f"{keys.root}{{kept:*", count=1_000):
        total += await client.memory_usage(key, samples=0)
    assert 40 < total / count <= 64


async def memory_usage(client, keys):
    found = [key async for key in client.scan_iter(f"{keys.root}{{kept:*", count=1_000)]
    return sum([await client.memory_usage(key, samples=0) for key in found])


@pytest.mark.parametrize(
    "about",
    [
        {"scores": (), "text": None, "segments": ()},
        {"scores": ("a", "b", "c")},
        {"scores": tuple("abcdefgh"), "segments": ("a=1", "b=2", "c=3")},
        {"scores": ("a", "b", "c"), "wide": True},
    ],
    ids=["a number", "three scores", "longer than a packed row", "whole numbers"],
)
async def test_what_a_model_takes_is_within_a_tenth_of_what_redis_says(
    store, source, client, keys, about
):
    for first in range(0, 40_000, 4_000):
        ids = [f"{n:032x}" for n in range(first, first + 4_000)]
        # Rows that are written again take nothing more.
        for _ in range(2):
            await store.keep(source, [rows(ids, offsets=range(first, first + 4_000), **about)])
    taken = await store.taken()
    assert taken.keys() == {"m"}
    assert sum(taken["m"].values()) == pytest.approx(await memory_usage(client, keys), rel=0.1)


async def test_what_is_taken_by_rows_of_one_id_is_within_a_tenth_too(store, source, client, keys):
    await store.keep(source, [rows(["a"] * 4_000, offsets=range(4_000))])
    taken = await store.taken()
    assert sum(taken["m"].values()) == pytest.approx(await memory_usage(client, keys), rel=0.1)


async def test_what_is_taken_is_told_by_model_and_time_until_it_goes(store, source):
    other = rows(["c", "d"], ts=9_999)
    other = replace(other, shape=replace(other.shape, model="n"))
    await store.keep(source, [row("a"), row("b", ts=9_999), other])
    taken = await store.taken()
    assert {model: sorted(times) for model, times in taken.items()} == {
        "m": [5_000, 50_000],
        "n": [5_000],
    }
    assert taken["n"][5_000] == 2 * taken["m"][5_000] > 0
    await store.drop_before(10_000)
    assert {model: sorted(times) for model, times in (await store.taken()).items()} == {
        "m": [50_000]
    }


@pytest.fixture
async def other(redis_server, keys):
    """Another worker's."""
    client = redis.asyncio.Redis.from_url(redis_server.url)
    yield KeptStore(client, keys, HORIZON)
    await client.aclose()


async def bucket_numbers(client, keys):
    return sorted(map(int, await client.smembers(f"{keys.root}kept-buckets")))


async def expire(client, keys, bucket, parts=("", ":*")):
    """What Redis does by itself some day."""
    for part in parts:
        async for key in client.scan_iter(f"{keys.root}{{kept:*}}:{bucket}{part}", count=1_000):
            await client.delete(key)


async def test_buckets_that_expired_are_read_no_more(store, source, client, keys):
    for bucket in range(20):
        await store.keep(source, [row(f"i{bucket}", ts=bucket * store.width)])
    for bucket in range(0, 20, 2):
        await expire(client, keys, bucket)
    before = await store.taken()
    assert await store.forget_expired() == 6
    left = [bucket for bucket in range(20) if bucket % 2 or bucket >= 12]
    assert await bucket_numbers(client, keys) == left
    assert await store.forget_expired() == 0
    assert await store.taken() == before
    assert len(before["m"]) == 10
    await store.keep(source, [row("late", ts=0)])
    for bucket, identity in ((0, "late"), (3, "i3")):
        assert await identities(store, identity, bucket * store.width)


async def test_a_bucket_with_rows_is_never_off_the_list(
    store, other, source, client, keys, monkeypatch
):
    for bucket in range(20):
        await store.keep(source, [row(f"i{bucket}", ts=bucket * store.width)])
    # Rows of an older version are not measured.
    await expire(client, keys, 3, [":#"])
    await expire(client, keys, 5)
    forget, meanwhile = client.srem, []

    async def looked_up_at_once(*args):
        await forget(*args)
        meanwhile.extend(await identities(other, "i3", 3 * store.width))

    monkeypatch.setattr(client, "srem", looked_up_at_once)
    assert await store.forget_expired() == 1
    assert len(meanwhile) == 1
    assert await bucket_numbers(client, keys) == [n for n in range(20) if n != 5]


@pytest.mark.parametrize("command", ["sadd", "srem"])
async def test_a_row_that_is_kept_while_its_empty_bucket_goes_is_found(
    store, other, source, client, keys, monkeypatch, command
):
    for bucket in range(20):
        await store.keep(source, [row(f"i{bucket}", ts=bucket * store.width)])
    await expire(client, keys, 3)
    late = row("late", ts=3 * store.width)
    at_work = getattr(client, command)

    async def overtaken(*args):
        if command == "srem":
            await other.keep(source, [late])
        await at_work(*args)
        if command == "sadd":
            await other.forget_expired()

    monkeypatch.setattr(client, command, overtaken)
    if command == "sadd":
        await store.keep(source, [late])
    else:
        assert await store.forget_expired() == 0
    assert await identities(other, "late", 3 * store.width)
