"""Escalation: timelines of what nobody acknowledges, and what each message says of it."""

import asyncio
import json
from dataclasses import replace

import orjson
import pytest
from alert_story import BEGIN, Story
from click.testing import CliRunner
from message_bodies import bodies

from consumers.notifier.acknowledgement import Acknowledgement
from consumers.notifier.notification import from_plain, to_plain
from consumers.notifier.stages.silence import Silence
from inferwatch.commands import routes
from inferwatch.errors import ConfigError
from inferwatch.settings import load
from inferwatch.settings.notify.matchers import parse_matchers

STEPS = [{"after": "15m", "receiver": "lead"}, {"after": "45m", "receiver": "boss"}]
PROMPT = {"group_by": ["..."], "group_wait": "0s"}
GROUPED = {"group_by": ["model"], "group_wait": "10s", "group_interval": "60s"}
MINUTE = 60


def tree(root: dict, steps=STEPS, **more) -> dict:
    return {
        "route": {"receiver": "ops", "escalate": steps, **root},
        "receivers": [{"name": r, "console_configs": [{}]} for r in ("ops", "lead", "boss")],
        **more,
    }


def acknowledge(story: Story, incident: str) -> None:
    taken = Acknowledgement(incident=incident, at=story.clock.now(), by="ann", comment="on it")
    asyncio.run(story.store.acknowledge(taken))


@pytest.mark.parametrize(("route", "wait"), [(PROMPT, 0), (GROUPED, 10)])
def test_what_nobody_acknowledges_goes_up_step_by_step(route, wait):
    story = Story(tree(route))
    story.at(0).push("a")
    story.tell(60 * MINUTE).want(
        (wait, "ops", ["a firing"]),
        (wait + 15 * MINUTE, "lead", ["a firing"]),
        (wait + 45 * MINUTE, "boss", ["a firing"]),
    )
    first, lead, boss = (said.message for said in story.said)
    assert first.preface == ""
    since = "16:00:00" if wait == 0 else "16:00:10"
    said = f"nobody has acknowledged this since 2025-11-24 {since} UTC"
    assert lead.preface == f"Escalation 1: {said}"
    assert boss.preface == f"Escalation 2: {said}"
    assert lead.reason == "escalated"
    assert len({first.id, lead.id, boss.id}) == 3


def test_what_is_acknowledged_goes_no_further():
    story = Story(tree(PROMPT))
    story.at(0).push("a").push("b", label_alertname="2")
    story.tell(14 * MINUTE)
    acknowledge(story, "a")
    story.tell(20 * MINUTE)
    acknowledge(story, "b")
    story.tell(200 * MINUTE)
    told = [(s.at, s.receiver, s.told) for s in story.said]
    assert told[2:] == [(15 * MINUTE, "lead", ["b firing"])]


def test_what_is_over_in_time_is_not_told_further_up():
    story = Story(tree(PROMPT))
    story.at(0).push("a")
    story.at(14 * MINUTE).push("a", "resolved")
    story.tell(90 * MINUTE).want((0, "ops", ["a firing"]), (14 * MINUTE, "ops", ["a resolved"]))


def test_whoever_was_told_hears_of_the_end_and_nobody_further_up():
    story = Story(tree(PROMPT))
    story.at(0).push("a")
    story.at(20 * MINUTE).push("a", "resolved")
    story.tell(90 * MINUTE)
    told = [(s.receiver, s.told) for s in story.said if s.at == 20 * MINUTE]
    assert sorted(told) == [("lead", ["a resolved"]), ("ops", ["a resolved"])]
    assert "boss" not in {s.receiver for s in story.said}


def test_alerts_of_a_group_go_up_each_in_its_time():
    story = Story(tree(GROUPED, [{"after": "5m", "receiver": "lead"}]))
    story.at(0).push("a").push("b")
    story.at(100).push("c")
    story.tell(15 * MINUTE)
    lead = [(s.at, s.told) for s in story.said if s.receiver == "lead"]
    assert lead == [
        (310, ["a firing", "b firing"]),
        (410, ["a firing", "b firing", "c firing"]),
    ]


def test_the_time_begins_when_people_could_be_told():
    story = Story(tree(PROMPT, STEPS[:1]))
    silence = Silence(
        id="1",
        matchers=parse_matchers("model=fraud"),
        starts_at=BEGIN,
        ends_at=BEGIN + 3_600_000,
        created_by="ann",
        comment="deploy",
    )
    asyncio.run(story.store.put_silence(silence, BEGIN))
    story.at(0).push("a")
    story.tell(120 * MINUTE)
    (ops, lead) = ((s.receiver, s.at) for s in story.said)
    assert ops[0] == "ops"
    assert lead[0] == "lead"
    assert 60 * MINUTE <= ops[1] <= 61 * MINUTE
    assert 75 * MINUTE <= lead[1] <= 76 * MINUTE


def test_what_still_nobody_acknowledges_is_told_again_and_once_somebody_does_no_more():
    story = Story(tree({**GROUPED, "repeat_interval": "30m"}, STEPS[:1]))
    story.at(0).push("a")
    story.tell(80 * MINUTE)
    acknowledge(story, "a")
    story.tell(300 * MINUTE)
    lead = [s for s in story.said if s.receiver == "lead"]
    assert [round(s.at / MINUTE) for s in lead] == [15, 45, 75]
    assert {s.message.reason for s in lead[1:]} == {"repeat interval elapsed"}
    assert all("Escalation 1" in s.message.preface for s in lead)


def test_a_route_has_the_steps_of_its_parent_unless_it_has_its_own():
    own = {"matchers": ["team=risk"], "escalate": [{"after": "1m", "receiver": "boss"}]}
    none = {"matchers": ["team=lab"], "escalate": []}
    story = Story(tree({**PROMPT, "routes": [own, none, {"matchers": ["team=web"]}]}))
    for team in ("risk", "lab", "web"):
        story.at(0).push(team, label_team=team)
    story.tell(16 * MINUTE)
    up = [(s.at, s.receiver, s.told) for s in story.said if s.receiver != "ops"]
    assert up == [(MINUTE, "boss", ["risk firing"]), (15 * MINUTE, "lead", ["web firing"])]


def test_an_alertmanager_above_hears_of_what_is_not_acknowledged_only():
    notify = tree(PROMPT, STEPS[:1])
    notify["receivers"][1] = {"name": "lead", "alertmanager_configs": [{"url": "http://a:9093"}]}
    story = Story(notify)
    story.at(0).push("a").push("b", label_alertname="2")
    story.tell(10 * MINUTE)
    acknowledge(story, "a")
    story.tell(17 * MINUTE)
    lead = [(s.at / MINUTE, s.told) for s in story.said if s.receiver == "lead"]
    assert lead == [(15, ["b firing"]), (16, ["b firing"]), (17, ["b firing"])]


def test_a_restart_and_another_time_of_the_step():
    first = Story(tree(PROMPT, STEPS[:1]))
    first.at(0).push("a")
    first.tell(5 * MINUTE)
    second = Story(tree(PROMPT, [{"after": "15m", "receiver": "lead"}]), store=first.store)
    second.tell(20 * MINUTE).want((15 * MINUTE, "lead", ["a firing"]))


def test_a_step_that_is_gone_from_the_config_tells_nobody():
    first = Story(tree(PROMPT))
    first.at(0).push("a")
    first.tell(MINUTE)
    second = Story(tree(PROMPT, [{"after": "15m", "receiver": "lead"}]), store=first.store)
    second.tell(60 * MINUTE).want((15 * MINUTE, "lead", ["a firing"]))


def test_after_a_flush_the_time_goes_on_as_it_was():
    story = Story(tree(PROMPT))
    story.at(0).push("a").push("b", label_alertname="2").push("c", label_alertname="3")
    story.tell(20 * MINUTE)
    on = story.after_a_flush()
    again = on.at(20 * MINUTE)
    again.push("a", recorded=0).push("b", recorded=0, label_alertname="2")
    again.push("c", recorded=0, label_alertname="3")
    on.at(30 * MINUTE).push("b", "resolved", label_alertname="2")
    on.tell(31 * MINUTE)
    acknowledge(on, "c")
    on.tell(60 * MINUTE)
    told = [(s.at / MINUTE, s.receiver, s.told) for s in on.said]
    assert sorted(told) == [
        (30, "lead", ["b resolved"]),
        (30, "ops", ["b resolved"]),
        (45, "boss", ["a firing"]),
    ]


def escalated():
    story = Story(tree(PROMPT, STEPS[:1]))
    story.at(0).push("a")
    story.tell(16 * MINUTE)
    return story.said[1].message


def test_a_stored_message_is_the_same():
    message = escalated()
    assert message.escalated is not None
    assert from_plain(orjson.loads(orjson.dumps(to_plain(message)))) == message


@pytest.mark.parametrize(
    "kind",
    ["slack", "pagerduty", "opsgenie", "teams", "connector", "webhook", "apprise", "mail"],
)
def test_every_channel_says_that_it_is_an_escalation_and_since_when(kind):
    said = bodies(escalated())[kind]
    assert "Escalation 1" in said
    assert "nobody has acknowledged this since 2025-11-24 16:00:00 UTC" in said
    assert "Escalation" not in bodies(replace(escalated(), escalated=None))[kind]


def test_its_title_begins_with_it_too():
    said = bodies(escalated())
    titles = {
        "slack": json.loads(said["slack"])["text"],
        "pagerduty": json.loads(said["pagerduty"])["payload"]["summary"],
        "opsgenie": json.loads(said["opsgenie"])["message"],
        "connector": json.loads(said["connector"])["title"],
        "apprise": said["apprise"],
        "mail": said["mail"],
    }
    assert [k for k, title in titles.items() if not title.startswith("Escalation 1: ")] == []


CONFIG = """
notify:
  route:
    receiver: ops
    routes:
      - matchers: ['severity="page"']
        escalate: [{after: 15m, receiver: lead}, {after: 1h, receiver: WHO}]
  receivers: [{name: ops}, {name: lead}]
"""


def test_an_unknown_receiver_of_a_step_is_a_mistake_at_its_place():
    with pytest.raises(ConfigError) as caught:
        load("c.yaml", text=CONFIG)
    assert caught.value.mistakes == [
        "c.yaml:7:72: notify.route.routes[0].escalate[1].receiver: there is no receiver 'WHO'; "
        "defined are lead, ops"
    ]


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("[{after: 0s, receiver: ops}]", "0 is not allowed"),
        ("[{after: 15m}]", "is missing"),
        ("[{receiver: ops}]", "is missing"),
        ("[{after: 2h, receiver: ops}, {after: 1h, receiver: lead}]", "in order of their time"),
    ],
)
def test_mistakes_of_steps(steps, words):
    with pytest.raises(ConfigError) as caught:
        load(
            None,
            text=CONFIG.replace(
                "[{after: 15m, receiver: lead}, {after: 1h, receiver: WHO}]", steps
            ),
        )
    assert words in str(caught.value)


def test_a_receiver_of_a_step_alone_is_used():
    assert load(None, text=CONFIG.replace("WHO", "ops")).warnings == ()


def test_routes_test_shows_who_comes_after(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("WHO", "ops"))

    def run(*args: str) -> str:
        return CliRunner().invoke(routes.command, ["test", *args, "-c", str(path)]).stdout

    assert json.loads(run("severity=page", "--json")) == {
        "receivers": ["ops"],
        "escalation": [
            {"receiver": "lead", "after_ms": 900_000},
            {"receiver": "ops", "after_ms": 3_600_000},
        ],
    }
    assert json.loads(run("severity=info", "--json")) == {"receivers": ["ops"]}
    assert "    lead, when nobody acknowledges it for 15m" in run("severity=page")
