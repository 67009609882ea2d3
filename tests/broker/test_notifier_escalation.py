"""Escalation survives a killed notifier and an emptied Redis."""

import json
from datetime import UTC, datetime

import pytest
import redis
from alert_story import alert_event
from click.testing import CliRunner
from eventually import eventually
from http_receiver import Answer, HttpReceiver
from notifier_process import Process, told

from consumers.notifier.journal.entry import remembered
from consumers.notifier.journal.topic import read_entries
from inferwatch.commands import alerts as alerts_command
from inferwatch.settings import load

pytestmark = pytest.mark.broker


def waiting(config: str) -> set[str]:
    """The incidents that `monitoring.state` says to wait for an acknowledgement."""
    return {i for lane in remembered(read_entries(load(config)), 0).lanes for i in lane.since}


def test_killed_and_with_an_empty_redis_the_next_one_is_told_once_of_what_nobody_took(
    alerts, configure, new_topic, redis_server, tmp_path
):
    new_topic("monitoring.state", partitions=2, config={"cleanup.policy": "compact"})
    config = str(tmp_path / "config.yaml")
    with HttpReceiver() as ops, HttpReceiver() as lead:
        hooks = {"ops": ops, "lead": lead}
        configure(
            [{"name": n, "webhook_configs": [{"url": hook.url}]} for n, hook in hooks.items()],
            {"escalate": [{"after": "6s", "receiver": "lead"}]},
        )
        with Process(tmp_path) as notifier:
            alerts(alert_event("i1"), alert_event("i2", label_alertname="2"))
            eventually(lambda: len(told(ops)) == 2)
            eventually(lambda: waiting(config) == {"i1", "i2"})
            taken = CliRunner().invoke(alerts_command.command, ["ack", "i2", "-c", config])
            assert taken.exit_code == 0, taken.output
            notifier.kill()
            killed_at = datetime.now(UTC).isoformat()
            with redis.Redis.from_url(redis_server.url) as plain:
                plain.flushall()
            notifier.start()
            eventually(lambda: told(lead) == [("i1", "firing")], 20)
            alerts(
                alert_event("i1", "resolved"), alert_event("i2", "resolved", label_alertname="2")
            )
            eventually(lambda: told(lead)[1:] == [("i1", "resolved")])
            eventually(lambda: ("i2", "resolved") in told(ops))
    escalation = json.loads(lead.posts[0].body)["escalation"]
    assert escalation["step"] == 1
    # What the emptied Redis had known: since before it was killed.
    assert escalation["since"] < killed_at


def test_killed_and_with_an_empty_redis_the_one_who_stands_in_hears_of_the_end(
    alerts, configure, new_topic, redis_server, tmp_path
):
    new_topic("monitoring.state", partitions=2, config={"cleanup.policy": "compact"})
    config = str(tmp_path / "config.yaml")
    with HttpReceiver(lambda n: Answer(503)) as dead, HttpReceiver() as chat:
        fallback = {"receiver": "chat", "after": "1s"}
        configure(
            [
                {"name": "ops", "webhook_configs": [{"url": dead.url}], "fallback": fallback},
                {"name": "chat", "webhook_configs": [{"url": chat.url}]},
            ]
        )
        with Process(tmp_path) as notifier:
            alerts(alert_event("i1"))
            eventually(lambda: told(chat) == [("i1", "firing")])
            eventually(
                lambda: any(
                    lane.told and lane.address.receiver == "chat"
                    for lane in remembered(read_entries(load(config)), 0).lanes
                )
            )
            notifier.kill()
            with redis.Redis.from_url(redis_server.url) as plain:
                plain.flushall()
            notifier.start()
            alerts(alert_event("i1", "resolved"))
            eventually(lambda: told(chat)[1:] == [("i1", "resolved")], 20)
    assert json.loads(chat.posts[0].body)["insteadOf"]["receiver"] == "ops"
