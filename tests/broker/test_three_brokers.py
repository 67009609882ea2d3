"""Three Kafka brokers, three copies of every topic, and one is killed under load: all go on."""

import pytest
from commit_rig import CommitRig
from eventually import eventually
from fault_feed import CONFIG, FaultFeed
from kafka_cluster import NODES, three_brokers
from live_results import LiveResults
from log_counts import check_counters

from inferwatch import topics
from producers.sdk.monitor import Monitor

pytestmark = [pytest.mark.broker, pytest.mark.slow]

THREE_COPIES = CONFIG.replace("partitions: 3}}", "partitions: 3, replication: 3}}")
TOLD = 300
"""Predictions that our own producer is told of while the broker is gone."""


@pytest.fixture
def cluster(tmp_path, real_kafka):
    with three_brokers(tmp_path) as cluster:
        yield cluster


@pytest.fixture
def rig(tmp_path, cluster, redis_server, prefix):
    assert THREE_COPIES != CONFIG
    rig = CommitRig(tmp_path, cluster, redis_server, prefix, THREE_COPIES)
    yield rig
    rig.close()


class KilledOneAfterTheOther:
    """Kills brokers under load; what was in flight each time."""

    def __init__(self, rig, cluster, feed, live):
        self._rig = rig
        self._cluster = cluster
        self._feed = feed
        self._live = live
        options = {"model": "m", "mint_ids": True, "batch": {"every": "20ms"}}
        self.monitor = Monitor(str(rig.path), **options)
        self.in_flight = []
        self.told = 0

    def at_work(self):
        """Wait until results are published that were not there before."""
        before = self._live.records
        eventually(lambda: self._live.read() and self._live.records > before, 60)

    def kill(self, node):
        """Kill a broker that leads partitions of predictions and labels, and see all go on."""
        for topic in (topics.PREDICTIONS, topics.LABELS, topics.WINDOWS):
            name = topic.full_name(self._rig.settings.topics.prefix)
            assert node in self._cluster.leaders(name).values(), f"{node} leads none of {name}"
        self._tell()
        self._cluster.kill(node)
        self._tell()
        held = eventually(lambda: self._feed.in_flight, 10) + self._waiting
        assert held > 0
        self.in_flight.append(held)
        labels = self._feed.sent.labels
        eventually(lambda: self._feed.in_flight == 0 and self._feed.sent.labels > labels, 60)
        assert self.monitor.flush(30)
        self.at_work()

    @property
    def _waiting(self):
        return 2 * self.told - self.monitor.published

    def _tell(self):
        for n in range(TOLD):
            prediction = "yes" if n % 3 else "no"
            known = self.monitor.log(
                features={"x": n / TOLD, "c": "u"},
                prediction=prediction,
                scores={"yes": 0.5},
                segment={"region": "eu"},
                ts=self._feed.now,
            )
            self.monitor.label(known, prediction, ts=self._feed.now + 10)
        self.told += TOLD

    def close(self):
        """Our own producer has given nothing up."""
        assert self.monitor.dropped == 0
        assert self.monitor.published == 2 * self.told
        self.monitor.close()


def check(rig, cluster, seed, nodes):
    feed = FaultFeed(rig.settings, seed)
    feed.send(20)
    worker = rig.worker()
    with LiveResults(rig.settings) as live:
        killed = KilledOneAfterTheOther(rig, cluster, feed, live)
        with feed.flowing(flush=False):
            killed.at_work()
            for number, node in enumerate(nodes):
                if number:
                    cluster.restart(nodes[number - 1])
                    wait_until_whole(rig, cluster)
                killed.kill(node)
        killed.close()
        feed.close()
        truth = rig.settled(feed, live, 60)
        assert not live.went_down and not live.shrank
    assert worker.poll() is None, rig.tail()
    counts = check_counters(rig)
    assert truth.total("rows") == counts.good - 6, "six rows close the windows"
    assert (truth.total("duplicates"), truth.total("lost")) == (counts.duplicates, counts.lost)
    assert labelled(truth) == truth.total("rows")
    print(
        f"{len(nodes)} brokers killed; {truth.total('rows')} rows, in flight when one died: "
        f"{killed.in_flight}; {counts.duplicates} sent again, {counts.lost} lost, "
        f"{counts.letters['malformed']} dead letters; {len(truth.windows)} windows equal"
    )
    assert rig.stop(worker) == 0


def labelled(truth):
    """How many of the rows have their label: those of the tiling windows of both models."""
    return sum(
        window["quality"]["labelled"]
        for window in truth.windows.values()
        if window["window"] == "2s" and window["segment"] is None
    )


def wait_until_whole(rig, cluster):
    """A second broker may go when the first is back in every copy and leads what it used to."""
    names = [topic.full_name(rig.settings.topics.prefix) for topic in topics.ALL]
    eventually(lambda: min(map(cluster.in_sync, names)) == len(NODES), 60)
    cluster.lead_evenly()


@pytest.mark.soak
@pytest.mark.timeout(120)
def test_one_of_three_brokers_killed_loses_nothing(rig, cluster):
    check(rig, cluster, 25, [2])


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_each_of_three_brokers_killed_in_turn_loses_nothing(rig, cluster):
    check(rig, cluster, 26, [1, 2, 3])
