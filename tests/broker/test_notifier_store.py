"""The notifier's state in Redis: the same as in memory, and what only Redis has."""

import time

import pytest
import redis
import redis.asyncio
from alert_story import BEGIN
from notifier_store_suite import OTHER, TTL, StoreSuite, filing

from consumers.notifier.journal.entry import Remembered
from consumers.notifier.stages.group import Destination
from consumers.notifier.store.redis import OPEN_TTL_MS, OVER_TTL_MS, RedisStore
from inferwatch.errors import StateFormatError

pytestmark = pytest.mark.broker


@pytest.fixture
async def store(redis_server, prefix):
    client = redis.asyncio.Redis.from_url(redis_server.url)
    store = RedisStore(client, prefix)
    await store.restore(Remembered(), BEGIN)
    assert await store.make_whole()
    yield store
    await client.aclose()


class TestRedisStore(StoreSuite):
    def lapse(self, store, ms):
        # The lease is Redis's own, on its own clock.
        time.sleep(ms / 1000)


class TestRedisClusterStore(TestRedisStore):
    @pytest.fixture
    async def store(self, redis_cluster, prefix):
        client = redis.asyncio.RedisCluster.from_url(redis_cluster.url)
        store = RedisStore(client, prefix)
        await store.restore(Remembered(), BEGIN)
        assert await store.make_whole()
        yield store
        await client.aclose()


async def test_two_notifiers_share_the_lanes(redis_server, prefix):
    clients = [redis.asyncio.Redis.from_url(redis_server.url) for _ in range(2)]
    one, two = (RedisStore(client, prefix) for client in clients)
    await one.restore(Remembered(), BEGIN)
    assert await one.make_whole()
    assert await two.make_whole()
    assert await one.file([filing("a")], BEGIN) == [True]
    assert await two.file([filing("a")], BEGIN) == [False]
    claims = [await s.claim(BEGIN, TTL, 10) for s in (one, two)]
    assert sorted(len(c) for c in claims) == [0, 1]
    for client in clients:
        await client.aclose()


async def test_an_emptied_store_gives_nothing_to_send_until_it_is_whole(
    redis_server, prefix, store
):
    await store.file([filing("a")], BEGIN)
    plain = redis.Redis.from_url(redis_server.url)
    plain.delete(*plain.scan_iter(f"{prefix}*"))
    plain.close()
    await store.file([filing("a")], BEGIN)
    await store.move_to({0: 7})
    assert not await store.whole()
    assert await store.claim(BEGIN, TTL, 10) == []
    assert not await store.make_whole()
    await store.restore(Remembered(), BEGIN)
    assert await store.positions() == {}
    await store.move_to({0: 1})
    await store.restore(Remembered(), BEGIN)
    assert await store.positions() == {0: 1}
    assert await store.make_whole()
    assert len(await store.claim(BEGIN, TTL, 10)) == 1


async def test_keys_begin_with_the_prefix_and_values_with_a_format(redis_server, prefix, store):
    await store.file([filing("a"), filing("b", "resolved")], BEGIN)
    await store.move_to({0: 3})
    plain = redis.Redis.from_url(redis_server.url)
    keys = [k.decode() for k in plain.scan_iter(f"{prefix}*")]
    assert keys
    for key in keys:
        assert key.startswith(f"{prefix}inferwatch:notifier:"), key
        match plain.type(key).decode():
            case "hash":
                values = plain.hvals(key)
            case "list":
                values = plain.lrange(key, 0, -1)
            case _:
                values = []
        assert all(v == b"1" or v.startswith(b"1 ") for v in values), key
    plain.close()


async def test_state_of_a_newer_version_is_refused(redis_server, prefix, store):
    plain = redis.Redis.from_url(redis_server.url)
    plain.hset(f"{prefix}inferwatch:notifier:{{n}}:positions", "0", "2 17")
    with pytest.raises(StateFormatError, match="reads up to 1"):
        await store.positions()
    plain.close()


async def test_what_is_over_is_kept_no_longer_by_a_hand_over(redis_server, prefix, store):
    begin, end = filing("a"), filing("a", "resolved")
    there = [Destination(OTHER, 0, True)]
    with redis.Redis.from_url(redis_server.url) as plain:
        kept = []
        for new in (begin, end):
            await store.file([new], BEGIN)
            await store.hand_over([new.transition], there, BEGIN)
            kept.append(plain.pttl(f"{prefix}inferwatch:notifier:{{n}}:incident:a"))
    assert OVER_TTL_MS < kept[0] <= OPEN_TTL_MS
    assert 0 < kept[1] <= OVER_TTL_MS
