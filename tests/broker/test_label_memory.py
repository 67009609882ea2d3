"""`labels.memory` on a real Kafka and Redis: the sample falls, and coverage stays what it says."""

import json

import pytest
import redis
from commit_rig import CommitRig
from eventually import eventually
from fault_feed import CONFIG, PARTITIONS, FaultFeed
from live_results import LiveResults

from inferwatch.settings import load
from pipeline.state.keys import Keys

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(120)]

MEMORY = 64 * 1024
"""Some 1,100 rows; what a few steps keep before it is seen to be passed may go beyond it."""
KILLS = ("5-keep:6",)
BOUNDED = CONFIG.replace(
    "segments: [region], labels: {{horizon: 10m}}",
    "segments: [region], labels: {{horizon: 10m, memory: 64KiB}}",
)


@pytest.fixture
def rig(tmp_path, real_kafka, redis_server, prefix):
    rig = CommitRig(tmp_path, real_kafka, redis_server, prefix, BOUNDED)
    yield rig
    rig.close()


def kept_bytes(redis_server, prefix):
    """What Redis says that all kept predictions take."""
    with redis.Redis.from_url(redis_server.url) as client:
        found = list(client.scan_iter(f"{Keys(prefix).root}{{kept:*", count=1_000))
        return sum(client.memory_usage(key, samples=0) for key in found)


@pytest.mark.soak
def test_the_sample_falls_through_kills_and_every_expected_label_counts(rig, redis_server, prefix):
    assert load(str(rig.path)).warnings == ()
    feed = FaultFeed(rig.settings, seed=71)
    feed.send(40)
    driver = rig.driver(*(part for kill in KILLS for part in ("--kill", kill)))
    with LiveResults(rig.settings) as live:
        with feed.flowing(every_s=0.2):
            lives = []
            for line in driver.stdout:
                if "last life" in line:
                    break
                lives.append(line)
        assert len(lives) == len(KILLS), f"{lives}\n{rig.tail()}"
        # What was in the log when a life began is kept by the sample that was in force before.
        known = rig.said("m: evaluated here")
        eventually(lambda: rig.said("m: evaluated here") > known, 30)
        with feed.flowing(every_s=0.002):
            eventually(lambda: feed.sent.rows > 4_500, 60)
        feed.close()

        def all_labelled():
            windows = [w for w in live.read().values() if w["end"] <= feed.ends_before]
            covered = {w["quality"]["label_coverage"] for w in windows if "quality" in w}
            assert covered == {1.0}, f"{covered}\n{rig.tail()}"
            whole = [w for w in windows if w["segment"] is None and w["window"] == "2s"]
            counted = sum(w["rows"] for w in whole)
            assert counted == feed.sent.rows - 2 * PARTITIONS, f"{counted}\n{rig.tail()}"
            of_other = [w for w in whole if w["model"] == "n"]
            labelled = sum(w["quality"]["labelled"] for w in of_other if "quality" in w)
            assert labelled == sum(w["rows"] for w in of_other), "the other model keeps all"
            return whole

        windows = eventually(all_labelled, 40, every_s=1.0)
    rows, labelled = {}, {}
    for window in windows:
        model = window["model"]
        rows[model] = rows.get(model, 0) + window["rows"]
        labelled[model] = labelled.get(model, 0) + window.get("quality", {}).get("labelled", 0)
    assert 0 < labelled["m"] < 0.7 * rows["m"]
    status = json.loads(rig.output("status", "--json"))
    kept = {model["model"]: model["kept"] for model in status["models"]}
    assert kept["n"]["sample"] == kept["n"]["of"] == 1.0
    assert kept["m"]["sample"] < kept["m"]["of"] == 1.0
    assert 0 < kept["m"]["bytes"] <= 1.5 * MEMORY
    assert kept["m"]["memory"] == MEMORY
    total = kept["m"]["bytes"] + kept["n"]["bytes"]
    assert total == pytest.approx(kept_bytes(redis_server, prefix), rel=0.35)
    assert rig.said("m: kept predictions take") >= 1
    assert rig.stop(driver) == 0
    print(f"{len(KILLS)} kills: {labelled['m']} of {rows['m']} labels, {kept['m']}")
