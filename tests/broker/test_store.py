"""Clients of a real Redis: plain, with an ACL user, and of a cluster."""

import subprocess
import time

import pytest
import redis

from inferwatch.embedded.redis import find_server
from inferwatch.errors import ServiceUnreachableError
from inferwatch.settings import load
from inferwatch.store import connect, connect_async, reach_redis

pytestmark = pytest.mark.broker


def settings_of(**keys):
    text = ", ".join(f"{key}: '{value}'" for key, value in keys.items())
    return load("f", text=f"redis: {{{text}}}")


@pytest.fixture
def acl_user(redis_server):
    with redis.Redis.from_url(redis_server.url) as client:
        client.acl_setuser(
            "ann", enabled=True, passwords=["+right"], categories=["+@all"], keys="*"
        )
        yield "ann"
        client.acl_deluser("ann")


@pytest.fixture
def cluster(tmp_path, unused_tcp_port_factory):
    """The address of a cluster of one node that holds all slots."""
    port, bus = unused_tcp_port_factory(), unused_tcp_port_factory()
    ports = ["--port", str(port), "--cluster-port", str(bus)]
    node = subprocess.Popen(
        [find_server(), *ports, "--cluster-enabled", "yes"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    try:
        with redis.Redis(port=port) as client:
            until(lambda: client.ping())
            client.execute_command("CLUSTER ADDSLOTSRANGE 0 16383")
            until(lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok")
        yield f"redis://127.0.0.1:{port}"
    finally:
        node.terminate()
        node.wait()


def until(condition, deadline_s=20):
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        try:
            if condition():
                return
        except redis.ConnectionError:
            pass
        time.sleep(0.02)
    raise AssertionError("not in time")


def test_a_redis_that_answers_is_reached(redis_server):
    reach_redis(settings_of(url=redis_server.url))


async def test_both_clients_see_the_same_values_as_bytes(redis_server, prefix):
    settings = settings_of(url=redis_server.url)
    with connect(settings.redis) as client:
        client.set(prefix + "key", "value", ex=60)
    async with connect_async(settings.redis) as client:
        assert await client.get(prefix + "key") == b"value"


def test_an_acl_user_logs_in_and_a_wrong_password_is_told_without_it(redis_server, acl_user):
    reach_redis(settings_of(url=redis_server.url, username=acl_user, password="right"))
    with pytest.raises(ServiceUnreachableError) as raised:
        reach_redis(settings_of(url=redis_server.url, username=acl_user, password="wr0ng"))
    assert "invalid username-password pair" in str(raised.value)
    assert "wr0ng" not in str(raised.value)


async def test_a_cluster_is_reached_by_both_clients(cluster):
    settings = settings_of(url=cluster, cluster="true")
    reach_redis(settings)
    with connect(settings.redis) as client:
        client.set("key", "value")
    async with connect_async(settings.redis) as client:
        assert await client.get("key") == b"value"


def test_a_redis_that_is_no_cluster_is_one_line(redis_server):
    with pytest.raises(ServiceUnreachableError) as raised:
        reach_redis(settings_of(url=redis_server.url, cluster="true"))
    assert "\n" not in str(raised.value)
