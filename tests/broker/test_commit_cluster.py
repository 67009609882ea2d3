"""The same on a Redis Cluster of three nodes: every event counts once, wherever its keys lie."""

import json
import signal

import httpx
import pytest
from commit_rig import CommitRig
from eventually import eventually
from fault_feed import CONFIG, FaultFeed
from live_results import LiveResults

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(150)]


NOTIFY = "notify: {{route: {{receiver: log}}, receivers: [{{name: log, console_configs: [{{}}]}}]}}"


@pytest.fixture
def rig(tmp_path, real_kafka, redis_cluster, prefix):
    config = CONFIG.replace('url: "{redis}"', 'url: "{redis}", cluster: true')
    assert config != CONFIG
    rig = CommitRig(tmp_path, real_kafka, redis_cluster, prefix, config + NOTIFY)
    yield rig
    rig.close()


@pytest.mark.soak
def test_workers_on_a_cluster_count_every_event_once_through_a_kill(rig, redis_cluster, prefix):
    feed = FaultFeed(rig.settings, seed=21)
    feed.send(40)
    workers = [rig.worker(), rig.worker()]
    with LiveResults(rig.settings) as live:
        with feed.flowing():
            eventually(lambda: len(live.read()) > 20, 60)
            before = feed.sent.rows
            workers[0].send_signal(signal.SIGKILL)
            eventually(lambda: feed.sent.rows > before + 200)
            workers.append(rig.worker())
        feed.close()
        truth = rig.settled(feed, live, 60)
    assert not live.went_down, live.went_down[:3]
    held = [len(redis_cluster.keys_of(port, f"{prefix}*")) for port in redis_cluster.ports]
    assert all(held), f"keys on the nodes: {held}"
    print(f"{feed.sent.rows} rows, {len(truth.windows)} windows equal; keys on the nodes: {held}")
    for worker in workers[1:]:
        assert rig.stop(worker) == 0


def test_every_other_part_works_on_a_cluster(rig, unused_tcp_port):
    feed = FaultFeed(rig.settings, seed=23)
    feed.send(60)
    worker, notifier = rig.worker(), rig.run("notify")
    dashboard = rig.run("dashboard", "--listen", f"127.0.0.1:{unused_tcp_port}")

    def models():
        answer = httpx.get(f"http://127.0.0.1:{unused_tcp_port}/api/v1/models")
        return {model["model"] for model in answer.json()["models"]}

    with LiveResults(rig.settings) as live:
        feed.close()
        rig.settled(feed, live, 60)
        seen = {result["model"] for result in live.read().values()}
        eventually(lambda: models() == seen, 30)
    status = json.loads(rig.output("status", "--json"))
    assert {model["model"] for model in status["models"]} == seen
    silence = ("model=m", "--duration", "2h", "--comment", "a change is rolled out")
    added = json.loads(rig.output("silence", "add", *silence, "--json"))["id"]
    assert added in rig.output("silence", "list")
    for process in (worker, notifier, dashboard):
        assert rig.stop(process) == 0
