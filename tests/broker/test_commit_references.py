"""A reference published while rows flow: what is counted against it is the same after a rebuild."""

import json
import random
import subprocess
import sys
import time

import pytest
import redis
from commit_rig import CommitRig
from eventually import eventually
from fault_feed import FaultFeed
from live_results import LiveResults

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def rig(tmp_path, real_kafka, redis_server, prefix):
    rig = CommitRig(tmp_path, real_kafka, redis_server, prefix)
    yield rig
    rig.close()


def publish(rig, folder, seed):
    """Build a reference of model `m` from made rows, and publish it, with our own command."""
    rnd = random.Random(seed)
    data, profile = folder / f"data{seed}.jsonl", folder / f"profile{seed}.json"
    rows = [{"x": rnd.gauss(0, 1), "c": rnd.choice("uvw")} for _ in range(300)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = ["-c", str(rig.path)]
    for arguments in (
        ["build", "--model", "m", "--data", str(data), "--out", str(profile), *config],
        ["publish", str(profile), *config],
    ):
        command = [sys.executable, "-m", "inferwatch", "reference", *arguments]
        subprocess.run(command, check=True, capture_output=True)


@pytest.mark.soak
def test_a_reference_that_comes_later_counts_the_same_rows_in_a_rebuild(
    rig, tmp_path, redis_server
):
    feed = FaultFeed(rig.settings, seed=41)
    feed.send(20)
    driver = rig.driver()
    with LiveResults(rig.settings) as live:
        with feed.flowing():
            eventually(lambda: len(live.read()) > 10, 40)
            publish(rig, tmp_path, seed=1)
            before = feed.sent.rows
            eventually(lambda: feed.sent.rows > before + 500)
            publish(rig, tmp_path, seed=2)
            before = feed.sent.rows
            eventually(lambda: feed.sent.rows > before + 500)
        feed.close()
        truth = rig.settled(feed, live, 40)
        against = sum(window["reference"] is not None for window in truth.windows.values())
        assert truth.references == 2
        assert 0 < against < len(truth.windows)
        records = live.records
        with redis.Redis.from_url(redis_server.url) as client:
            client.flushall()
        epochs = rig.said("evaluation begins in epoch")
        eventually(lambda: rig.said("evaluation begins in epoch") > epochs, 20)
        eventually(lambda: rig.said("evaluated here") >= 4, 30)
        time.sleep(3)
        rig.settled(feed, live, 5)
        print(
            f"{feed.sent.rows} rows, {against} of {len(truth.windows)} windows against a "
            f"reference; the rebuild published {live.records - records} results"
        )
        assert live.records == records, "a rebuild that counts the same says nothing new"
    assert rig.stop(driver) == 0
