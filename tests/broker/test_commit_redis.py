"""Redis loses everything, or its last second, or is away: nothing is lost, and nothing is wrong."""

import time
from contextlib import contextmanager

import pytest
import redis
from commit_rig import CommitRig
from eventually import eventually
from fault_feed import FaultFeed
from live_results import LiveResults
from redis_history import go_back, snapshot

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def rig(tmp_path, real_kafka, redis_server, prefix):
    rig = CommitRig(tmp_path, real_kafka, redis_server, prefix)
    yield rig
    rig.close()


@pytest.fixture
def client(redis_server):
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
        yield client


@contextmanager
def running(rig, seed):
    """An engine at work on input that goes on; at the end all windows equal the recompute."""
    feed = FaultFeed(rig.settings, seed)
    feed.send(40)
    driver = rig.driver()
    with LiveResults(rig.settings) as live:
        with feed.flowing():
            eventually(lambda: len(live.read()) > 20, 40)
            yield feed, live
        feed.close()
        truth = rig.settled(feed, live, 40)
        assert not live.went_down, live.went_down[:3]
        assert not live.shrank, live.shrank[:3]
        assert driver.poll() is None, rig.tail()
        print(
            f"{feed.sent.rows} rows, {rig.repaired()} records read again from the log, "
            f"{live.records} results, {len(truth.windows)} windows equal in every field"
        )
    assert rig.stop(driver) == 0


def test_after_a_flush_all_is_rebuilt_before_anything_is_published(rig, client):
    with running(rig, seed=11) as (feed, live):
        before = feed.sent.rows
        client.flushall()
        epochs = rig.said("evaluation begins in epoch")
        eventually(lambda: rig.said("evaluation begins in epoch") > epochs, 20)
        time.sleep(1.0)
        client.flushall()
        eventually(lambda: rig.said("evaluation begins in epoch") > epochs + 1, 20)
        assert feed.sent.rows > before
    assert rig.repaired() > 40


def test_a_failover_that_lost_the_last_writes_loses_no_row(rig, client, prefix):
    with running(rig, seed=12) as (feed, live):
        held = snapshot(client, prefix)
        before = feed.sent.rows
        eventually(lambda: feed.sent.rows > before + 200)
        time.sleep(1.5)
        go_back(client, prefix, held)
        eventually(lambda: rig.said("loading what it holds") > 0, 20)
    assert rig.repaired() > 0


def test_redis_killed_and_started_again_loses_no_row(rig, client, redis_server):
    with running(rig, seed=13) as (feed, live):
        before = feed.sent.rows
        redis_server.kill()
        eventually(lambda: feed.sent.rows > before + 200)
        redis_server.start()
        published = live.records
        eventually(lambda: live.read() and live.records > published, 40)
    assert rig.said("again in") > 0


def test_a_redis_that_takes_no_writes_pauses_the_work_which_says_so(rig, client):
    with running(rig, seed=14) as (feed, live):
        before = feed.sent.rows
        client.config_set("maxmemory", client.info("memory")["used_memory"])
        try:
            eventually(lambda: rig.said("used memory > 'maxmemory'"), 20)
            eventually(lambda: feed.sent.rows > before + 200)
        finally:
            client.config_set("maxmemory", 0)
        at_full = live.records
        eventually(lambda: live.read() and live.records > at_full, 40)
        before = feed.sent.rows
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        try:
            eventually(lambda: rig.said("read only replica"), 20)
            eventually(lambda: feed.sent.rows > before + 200)
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")
