"""First references learned on a real Kafka and Redis: through kills, to windows, and promoted."""

import json
import subprocess
import sys
import time

import pytest
import redis
from commit_rig import CommitRig
from eventually import eventually
from fault_feed import CONFIG, PARTITIONS, FaultFeed
from live_results import LiveResults
from recompute import read_topic

from inferwatch import topics
from inferwatch.events.kinds import Kind
from pipeline.decode import Decoder
from pipeline.fold import Folder
from pipeline.partition import PartitionState
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.reference.row_sample import KEPT_ROWS
from pipeline.reference_publish import published_references
from pipeline.state.keys import Keys, SourcePartition
from pipeline.state.samples import unpacked_samples

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(150)]

KILLS = ("4-fold:3", "5-keep:5", "6-write:4", "3-mend:1", "8-acknowledge:2")


@pytest.fixture
def start(tmp_path, real_kafka, redis_server, prefix):
    """A rig whose models learn from so much event time."""
    rigs = []

    def start(learn):
        config = CONFIG.replace("learn: off", f"learn: {learn}")
        rigs.append(CommitRig(tmp_path, real_kafka, redis_server, prefix, config))
        return rigs[-1]

    yield start
    for rig in rigs:
        rig.close()


def sources(settings):
    name = topics.PREDICTIONS.full_name(settings.topics.prefix)
    return [SourcePartition(name, number) for number in range(PARTITIONS)]


def stored(settings, redis_server):
    """The samples in Redis, by partition and model."""
    keys = Keys(settings.topics.prefix)
    with redis.Redis.from_url(redis_server.url) as client:
        fields = [client.hgetall(keys.partition(s, "samples")) for s in sources(settings)]
    return [
        unpacked_samples({name.decode(): data for name, data in found.items()}, "samples")
        for found in fields
    ]


def recomputed(settings):
    """The same from the whole log, each partition in one pass."""
    found = []
    for records in read_topic(settings, topics.PREDICTIONS).values():
        state = PartitionState()
        decoder = Decoder(Kind.PREDICTION, settings.limits, clock=lambda: 0)
        folder = Folder(settings, ReferenceCatalog())
        folder.fold(state, decoder.decode(records), records[-1].offset)
        found.append(state.samples)
    return found


@pytest.mark.soak
def test_kills_change_no_row_that_is_learned_from(start, redis_server):
    rig = start("1h")
    feed = FaultFeed(rig.settings, seed=51)
    feed.send(700)
    driver = rig.driver(*(part for kill in KILLS for part in ("--kill", kill)))
    for line in driver.stdout:
        if "last life" in line:
            break
        feed.send(40)
    feed.close()
    want = recomputed(rig.settings)

    def equal():
        got = stored(rig.settings, redis_server)
        counts = [{model: len(sample) for model, sample in part.items()} for part in got]
        assert got == want, f"{counts}\n{rig.tail()}"
        return counts

    counts = eventually(equal, 60, every_s=1.0)
    assert rig.stop(driver) == 0
    assert rig.repaired() > 0 and max(part["m"] for part in counts) == KEPT_ROWS
    print(f"{len(KILLS)} kills, {feed.sent.rows} rows; kept in the partitions: {counts}")


def now_ms():
    return time.time_ns() // 1_000_000


def command(rig, *arguments):
    argv = [sys.executable, "-m", "inferwatch", "reference", *arguments, "-c", str(rig.path)]
    return json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)


def test_a_reference_is_learned_measured_against_and_promoted(start, redis_server):
    rig = start("6s")
    feed = FaultFeed(rig.settings, seed=52, began_ms=now_ms() - 12_000)
    feed.send(20)
    driver = rig.driver()
    with LiveResults(rig.settings) as live:

        def of_model(**wanted):
            windows = [w for key, w in live.read().items() if key[0] == "m"]
            return [w for w in windows if all(w[k] == v for k, v in wanted.items())]

        def given():
            return [w for w in of_model(provisional=False) if w["reference"] is not None]

        # Twice as fast as the clock: windows begin after the promotion before long.
        with feed.flowing(every_s=0.1):
            eventually(lambda: len(of_model(provisional=True)) > 5, 60)
            (learned,) = [line for line in command(rig, "list", "--json") if line["model"] == "m"]
            assert learned["provisional"] and learned["rows"] > 100
            promoted = command(rig, "promote", "m", "--json")
            assert promoted["fingerprint"] == learned["fingerprint"]
            assert not given()
            eventually(lambda: len(given()) > 5, 60)
        feed.close()
        # No watermark is above the clock.
        feed.ends_before = now_ms() - 2_000
        assert min(w["start"] for w in given()) > promoted["published_at"]
        truth = rig.settled(feed, live, 40)
        drifts = [w["features"]["x"]["psi"] for w in of_model(provisional=True)]
        assert any(psi is not None for psi in drifts)
        assert truth.references == len(published_references(rig.settings).by_fingerprint) == 2
        with redis.Redis.from_url(redis_server.url) as client:
            client.flushall()
        epochs = rig.said("evaluation begins in epoch")
        eventually(lambda: rig.said("evaluation begins in epoch") > epochs, 20)
        eventually(lambda: rig.said("evaluated here") >= 4, 30)
        rig.settled(feed, live, 20)
        assert len(published_references(rig.settings).published()) == 3, "nothing is learned again"
    assert stored(rig.settings, redis_server) == [{}] * PARTITIONS
    assert rig.stop(driver) == 0
