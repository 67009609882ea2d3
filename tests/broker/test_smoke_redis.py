"""The Redis of this run is as a worker needs it: no eviction, an append-only file, Lua."""

import pytest
import redis

pytestmark = pytest.mark.broker

# The shape of the fold's atomic write: taken only when the stored generation is the expected one.
COMPARE_AND_SET = """
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'generation', ARGV[2], 'offset', ARGV[3])
return 1
"""


@pytest.fixture
def client(redis_server):
    with redis.Redis.from_url(redis_server.url) as client:
        yield client


def test_it_never_evicts_and_syncs_every_second(client):
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    wanted = {"appendonly": "yes", "appendfsync": "everysec"}
    assert wanted.items() <= client.config_get("append*").items()


def test_a_script_compares_and_sets(client, prefix):
    key = prefix + "cas"
    client.hset(key, "generation", "a")
    write = client.register_script(COMPARE_AND_SET)
    assert write([key], ["a", "b", 7]) == 1
    assert write([key], ["a", "c", 9]) == 0
    assert client.hgetall(key) == {b"generation": b"b", b"offset": b"7"}


def test_a_killed_redis_comes_back_with_what_it_had_answered(redis_server, client, prefix):
    client.set(prefix + "kept", "1")
    url = redis_server.url
    redis_server.kill()
    redis_server.start()
    assert redis_server.url == url
    assert client.get(prefix + "kept") == b"1"
