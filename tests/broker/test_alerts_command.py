"""`inferwatch alerts` on the run's Kafka and Redis."""

import json

import pytest
from alert_story import BEGIN, alert_event
from click.testing import CliRunner

from inferwatch.commands.alerts import command
from inferwatch.errors import InferwatchError, ServiceUnreachableError, UsageError

pytestmark = pytest.mark.broker


@pytest.fixture
def run(tmp_path, configure, new_topic):
    new_topic("monitoring.state", partitions=1)
    configure([{"name": "ops", "console_configs": [{}]}])

    def call(*args: str):
        return CliRunner().invoke(command, [*args, "-c", str(tmp_path / "config.yaml")])

    return call


def test_what_goes_on_is_listed_and_with_all_what_is_over(alerts, run):
    alerts(alert_event("later", at=BEGIN + 5, label_alertname="2"), alert_event("first"))
    alerts(alert_event("over", at=BEGIN - 5), alert_event("over", "resolved", at=BEGIN - 5))
    said = run("list")
    assert said.exit_code == 0, said.output
    first, later = said.stdout.splitlines()
    assert first == "first  since 2025-11-24 16:00:00 UTC  PAGE firing: first is slow"
    assert later.startswith("later ")
    everything = json.loads(run("list", "--all", "--json").stdout)
    assert [a["incident"] for a in everything] == ["over", "first", "later"]
    assert everything[0]["status"] == "resolved"
    assert everything[1]["acknowledgement"] is None


def test_one_is_shown_as_the_page_that_was_sent(alerts, run):
    cause = {"cause": "load", "confidence": 0.9, "why": "twice the requests"}
    alerts(alert_event("i1", causes=[cause], runbook_url="https://example.com/slow"))
    said = run("show", "i1").stdout
    assert said.startswith("PAGE firing: i1 is slow\n\nmodel: fraud 7\n")
    assert "- load (90%): twice the requests" in said
    assert "runbook: https://example.com/slow" in said
    assert json.loads(run("show", "i1", "--json").stdout)["causes"] == [cause]


def test_an_acknowledgement_says_who_and_why(alerts, run):
    alerts(alert_event("i1"))
    said = run("ack", "i1", "--author", "ann", "--comment", "on it")
    assert said.stdout.startswith("i1 acknowledged by ann at 20")
    (listed,) = json.loads(run("list", "--json").stdout)
    taken = listed["acknowledgement"]
    assert (taken["by"], taken["comment"]) == ("ann", "on it")
    assert taken["at"] > BEGIN
    assert "[acknowledged by ann" in run("list").stdout
    assert run("show", "i1").stdout.rstrip().endswith("UTC: on it")
    again = json.loads(run("ack", "i1", "--author", "bob", "--json").stdout)
    assert (again["incident"], again["by"], again["comment"]) == ("i1", "bob", "")


def test_what_is_over_or_unknown_is_not_acknowledged(alerts, run):
    alerts(alert_event("i1"), alert_event("i1", "resolved"))
    over = run("ack", "i1").exception
    assert isinstance(over, InferwatchError)
    assert (over.exit_code, "i1 is over" in str(over)) == (1, True)
    for verb in ("ack", "show"):
        unknown = run(verb, "nobody").exception
        assert isinstance(unknown, UsageError)
        assert "no incident 'nobody'" in str(unknown)


def test_without_a_broker(tmp_path, redis_server, prefix):
    path = tmp_path / "config.yaml"
    config = {
        "broker": {"url": "kafka://127.0.0.1:1"},
        "redis": {"url": redis_server.url},
        "topics": {"prefix": prefix},
    }
    path.write_text(json.dumps(config))
    said = CliRunner().invoke(command, ["list", "-c", str(path)])
    assert isinstance(said.exception, ServiceUnreachableError)
    assert "127.0.0.1:1" in str(said.exception)
