"""Behind Sentinel the master dies, and its replica goes on with what it has: no row is lost."""

import pytest
from commit_rig import CommitRig
from eventually import eventually
from fault_feed import CONFIG, FaultFeed
from live_results import LiveResults
from redis_sentinel import NAME, watched_redis

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(150)]


@pytest.fixture
def watched(tmp_path, unused_tcp_port_factory):
    with watched_redis(tmp_path, unused_tcp_port_factory) as watched:
        yield watched


@pytest.fixture
def rig(tmp_path, real_kafka, watched, prefix):
    config = CONFIG.replace('url: "{redis}"', f'url: "{{redis}}", sentinel: {NAME}')
    assert config != CONFIG
    rig = CommitRig(tmp_path, real_kafka, watched, prefix, config)
    yield rig
    rig.close()


def test_a_master_that_dies_loses_no_row(rig, watched):
    feed = FaultFeed(rig.settings, seed=22)
    feed.send(40)
    worker = rig.worker()
    first, second = watched.ports
    with LiveResults(rig.settings) as live:
        with feed.flowing():
            eventually(lambda: len(live.read()) > 20, 60)
            before = feed.sent.rows
            watched.kill(first)
            eventually(lambda: watched.master() == second, 30)
            after = feed.sent.rows
            assert after > before, "no row was in flight"
            eventually(lambda: feed.sent.rows > after + 200)
        feed.close()
        truth = rig.settled(feed, live, 60)
    assert not live.went_down, live.went_down[:3]
    assert worker.poll() is None, rig.tail()
    print(
        f"{feed.sent.rows} rows, {after - before} of them without a master; "
        f"{len(truth.windows)} windows equal"
    )
    assert rig.stop(worker) == 0
