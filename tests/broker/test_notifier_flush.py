"""Redis is emptied while people are told of alerts: what they asked for, and were told, stays."""

import json

import pytest
import redis
from alert_story import alert_event
from click.testing import CliRunner
from eventually import eventually
from http_receiver import HttpReceiver
from notifier_process import Process, told

from inferwatch.commands import alerts as alerts_command
from inferwatch.commands import silence as silence_command

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
    return text.count("came back without") >= times and text.count("reading alerts") > times


def test_a_silence_still_mutes(alerts, hook, run, flush, tmp_path):
    with Process(tmp_path) as notifier:
        eventually(lambda: "reading alerts from" in notifier.log.read_text())
        run(silence_command, "add", "model=fraud", "--duration", "1h", "--comment", "deploy")
        flush()
        # Of one partition, so that the silenced one is read first.
        alerts(alert_event("silenced", fingerprint="f"))
        alerts(alert_event("other", fingerprint="f", label_model="price"))
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
