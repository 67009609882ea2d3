"""`inferwatch status`: how far the work is, and what is missing after Redis lost something."""

import json

import pytest
import redis
from commit_rig import CommitRig
from fault_feed import FaultFeed
from live_results import LiveResults

from inferwatch import topics
from pipeline.state.keys import Keys, SourcePartition

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.fixture
def rig(tmp_path, real_kafka, redis_server, prefix):
    rig = CommitRig(tmp_path, real_kafka, redis_server, prefix)
    yield rig
    rig.close()


def test_it_counts_what_is_done_and_says_what_redis_lost(rig, redis_server, prefix):
    nothing = json.loads(rig.output("status", "--json"))
    assert (nothing["workers"], nothing["rebuild"], nothing["models"]) == (0, None, [])
    feed = FaultFeed(rig.settings, seed=31)
    feed.send(40)
    feed.close()
    worker = rig.worker()
    with LiveResults(rig.settings) as live:
        rig.settled(feed, live, 60)
        models = {result["model"] for result in live.read().values()}
    done = json.loads(rig.output("status", "--json"))
    assert (done["workers"], done["lag"], done["rebuild"]) == (1, 0, None)
    assert {model["model"] for model in done["models"]} == models
    counted = sum(part["rows"] for part in done["partitions"])
    assert counted > 0
    rig.stop(worker)

    source = SourcePartition(topics.PREDICTIONS.full_name(prefix), 0)
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.delete(Keys(prefix).partition(source, "head")) == 1
    lost = json.loads(rig.output("status", "--json"))
    (offset,) = (
        part["offset"]
        for part in done["partitions"]
        if (part["topic"], part["partition"]) == (source.topic, source.number)
    )
    of = lost["rebuild"]["of"]
    assert 0 < of - lost["rebuild"]["counted"] <= offset + 1
    text = rig.output("status")
    assert f"reading the log again: {lost['rebuild']['counted']} of {of} records" in text
    assert "no worker owns" in text
