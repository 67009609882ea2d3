"""Redis is emptied while people are told of alerts: what they asked for, and were told, stays."""

import json

import pytest
import redis
from alert_story import alert_event
from click.testing import CliRunner
from eventually import eventually
from http_receiver import HttpReceiver
from notifier_process import Process, told

from consumers.notifier.journal.entry import remembered
from consumers.notifier.journal.topic import read_entries
from inferwatch.commands import alerts as alerts_command
from inferwatch.commands import silence as silence_command
from inferwatch.settings import load

pytestmark = pytest.mark.broker


@pytest.fixture
def flush(redis_server):
    plain = redis.Redis.from_url(redis_server.url)
    yield plain.flushall
    plain.close()


@pytest.fixture
def hook(configure, new_topic):
    new_topic("monitoring.state", partitions=2, config={"cleanup.policy": "compact"})
    with HttpReceiver() as hook:
        configure([{"name": "ops", "webhook_configs": [{"url": hook.url}]}])
        yield hook


@pytest.fixture
def run(tmp_path):
    def call(command, *args: str) -> str:
        said = CliRunner().invoke(command.command, [*args, "-c", str(tmp_path / "config.yaml")])
        assert said.exit_code == 0, said.output
        return said.stdout

    return call


def recovered(notifier: Process, times: int = 1) -> bool:
    """Whether the notifier saw that Redis was emptied, and began to read again."""
    text = notifier.log.read_text()
    return text.count("came back without") >= times and text.count("reading alerts from") > times


def test_a_silence_still_mutes(alerts, hook, run, flush, tmp_path):
    with Process(tmp_path) as notifier:
        eventually(lambda: "reading alerts from" in notifier.log.read_text())
        run(silence_command, "add", "model=fraud", "--duration", "1h", "--comment", "deploy")
        flush()
        # Into every partition, so that no position tells of the loss.
        alerts(*[alert_event("silenced", fingerprint=f"{n}") for n in range(20)])
        alerts(alert_event("other", label_model="price"))
        eventually(lambda: ("other", "firing") in told(hook))
        (silence,) = json.loads(run(silence_command, "list", "--json"))
        assert silence["comment"] == "deploy"
    assert told(hook) == [("other", "firing")]


def test_a_silence_that_was_ended_does_not_come_back(alerts, hook, run, flush, tmp_path):
    add = ["add", "model=fraud", "--duration", "1h", "--comment", "deploy", "--json"]
    silence = json.loads(run(silence_command, *add))["id"]
    run(silence_command, "expire", silence)
    flush()
    with Process(tmp_path):
        alerts(alert_event("i1"))
        eventually(lambda: ("i1", "firing") in told(hook))
        assert json.loads(run(silence_command, "list", "--json")) == []


def test_an_acknowledgement_stays(alerts, hook, run, flush, tmp_path):
    with Process(tmp_path) as notifier:
        alerts(alert_event("i1"), alert_event("i2"))
        eventually(lambda: len(told(hook)) == 2)
        run(alerts_command, "ack", "i1", "--author", "ann")
        run(alerts_command, "ack", "i2", "--author", "bob")
        alerts(alert_event("i2", "resolved"))
        eventually(lambda: ("i2", "resolved") in told(hook))
        flush()
        eventually(lambda: recovered(notifier))

        def takers() -> dict[str, str | None]:
            found = json.loads(run(alerts_command, "list", "--all", "--json"))
            return {a["incident"]: (a["acknowledgement"] or {}).get("by") for a in found}

        eventually(lambda: takers() == {"i1": "ann", "i2": None})


def noted(tmp_path, *transitions: str) -> bool:
    """Whether `monitoring.state` says that these were told."""
    heard: set[str] = set()
    for lane in remembered(read_entries(load(str(tmp_path / "config.yaml"))), 0).lanes:
        heard |= lane.told.heard.keys() if lane.told else set()
    return heard >= set(transitions)


def test_an_open_incident_is_not_told_again_and_its_end_arrives(alerts, hook, flush, tmp_path):
    with Process(tmp_path) as notifier:
        eventually(lambda: "reading alerts from" in notifier.log.read_text())
        alerts(alert_event("i1"), alert_event("i2", label_alertname="2"))
        alerts(alert_event("i2", "resolved", label_alertname="2"))
        eventually(lambda: noted(tmp_path, "i1/firing", "i2/resolved"))
        for times in (1, 2):
            flush()
            eventually(lambda n=times: recovered(notifier, n))
        alerts(alert_event("i1", "resolved"))
        eventually(lambda: ("i1", "resolved") in told(hook))
        alerts(alert_event("last", label_alertname="3"))
        eventually(lambda: ("last", "firing") in told(hook))
    assert sorted(told(hook)) == [
        ("i1", "firing"),
        ("i1", "resolved"),
        ("i2", "firing"),
        ("i2", "resolved"),
        ("last", "firing"),
    ]


def test_what_ended_while_nobody_ran_and_redis_was_emptied_is_told(alerts, hook, flush, tmp_path):
    with Process(tmp_path) as notifier:
        alerts(alert_event("i1"), alert_event("i2", label_alertname="2"))
        eventually(lambda: noted(tmp_path, "i1/firing", "i2/firing"))
        notifier.stop()
        flush()
        alerts(alert_event("i1", "resolved"))
        notifier.start()
        eventually(lambda: ("i1", "resolved") in told(hook))
        alerts(alert_event("last", label_alertname="3"))
        eventually(lambda: ("last", "firing") in told(hook))
    firing = [incident for incident, status in told(hook) if status == "firing"]
    assert sorted(firing) == ["i1", "i2", "last"]
