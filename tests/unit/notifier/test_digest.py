"""Digests: timelines of what is told in one message, and when it comes."""

import asyncio
import json
from datetime import UTC, datetime

import jsonschema
import orjson
import pytest
from alert_story import BEGIN, Story
from click.testing import CliRunner
from message_bodies import bodies

from consumers.notifier.channels.slack import ATTACHMENT_CHARACTERS, ATTACHMENTS, slack_message
from consumers.notifier.notification import from_plain, to_plain
from consumers.notifier.stages.route import build_tree
from consumers.notifier.stages.silence import Silence
from inferwatch.commands import routes
from inferwatch.errors import ConfigError
from inferwatch.settings import load
from inferwatch.settings.notify import NotifySettings
from inferwatch.settings.notify.channels import SlackSettings
from inferwatch.settings.notify.matchers import parse_matchers
from inferwatch.settings.notify.schedule import Schedule
from inferwatch.settings.schema import schema

HOUR = 3600


def tree(digest="24h", **route) -> dict:
    return {
        "route": {
            "receiver": "ops",
            "group_by": ["..."],
            "group_wait": "0s",
            "routes": [
                {"receiver": "chat", "matchers": ["severity=ticket"], "digest": digest, **route}
            ],
        },
        # The end of an incident is told in a digest whatever the channel says.
        "receivers": [
            {"name": r, "console_configs": [{"send_resolved": "false"}]} for r in ("ops", "chat")
        ],
    }


def tickets(story: Story, hours: float, *names: str, status: str = "firing", **more) -> None:
    for name in names:
        story.at(hours * HOUR).push(name, status, label_severity="ticket", **more)


def digests(story: Story) -> list[tuple[float, list[str]]]:
    return [(s.at / HOUR, s.told) for s in story.said if s.receiver == "chat" and s.ok]


# The story begins at 16:00 UTC.
@pytest.mark.parametrize(
    ("digest", "first", "second"),
    [
        ("24h", 8, 32),
        ("12h", 8, 20),
        ("09:00", 17, 41),
        ({"at": "09:00", "location": "Europe/Berlin"}, 16, 40),
    ],
)
def test_one_message_at_its_time_of_what_goes_on_and_what_came_and_went(digest, first, second):
    story = Story(tree(digest))
    tickets(story, 1, "a", "b")
    tickets(story, 2, "b", status="resolved")
    tickets(story, first + 0.5, "c")
    tickets(story, first + 1, "a", status="resolved")
    story.tell((second + 1) * HOUR)
    assert digests(story) == [
        (first, ["a firing", "b resolved"]),
        (second, ["c firing", "a resolved"]),
    ]
    one, two = (s.message for s in story.said)
    assert one.reason == "digest"
    assert two.preface.startswith("Digest since 2025-11-2")
    assert two.preface.endswith("UTC: 1 go on, 1 are over")
    assert two.digest_since == BEGIN + first * HOUR * 1000
    assert one.id != two.id


def test_what_goes_on_is_told_each_time_and_when_all_is_told_nothing_comes():
    story = Story(tree())
    tickets(story, 1, "a")
    tickets(story, 40, "a", status="resolved")
    story.tell(200 * HOUR)
    assert digests(story) == [(8, ["a firing"]), (32, ["a firing"]), (56, ["a resolved"])]
    assert len({s.message.id for s in story.said}) == 3


def test_pages_do_not_wait_for_it():
    story = Story(tree())
    tickets(story, 1, "a")
    story.at(1.5 * HOUR).push("p")
    story.tell(10 * HOUR)
    first = {s.receiver: s.at / HOUR for s in reversed(story.said)}
    assert first == {"ops": 1.5, "chat": 8}


def test_a_group_by_of_its_own_makes_a_message_each():
    story = Story(tree(group_by=["model"]))
    tickets(story, 1, "a", label_model="fraud")
    tickets(story, 2, "b", label_model="price")
    story.tell(10 * HOUR)
    assert sorted(digests(story)) == [(8, ["a firing"]), (8, ["b firing"])]


def test_routes_below_it_have_what_they_would_have_without_it():
    above = {
        "receiver": "ops",
        "group_by": ["model"],
        "group_wait": "10s",
        "group_interval": "10m",
        "escalate": [{"after": "15m", "receiver": "chat"}],
    }
    below = {"receiver": "ops", "matchers": ["model=fraud"]}
    notify = tree(routes=[below])
    notify["route"] |= above
    tickets = notify["route"]["routes"][0]
    with_digest = build_tree(NotifySettings.model_validate(notify)).children[0]
    del tickets["digest"]
    without = build_tree(NotifySettings.model_validate(notify)).children[0]
    assert with_digest.children == without.children
    (child,) = with_digest.children
    assert (child.group_by, child.group_wait) == (frozenset({"model"}), 10_000)
    assert (child.group_interval, child.digest) == (600_000, None)
    assert [step.receiver for step in child.steps] == ["chat"]
    assert (with_digest.group_by, with_digest.steps) == (frozenset(), ())


def test_what_is_silenced_then_comes_with_the_next_one():
    story = Story(tree())
    silence = Silence(
        id="1",
        matchers=parse_matchers("alertname=2"),
        starts_at=BEGIN,
        ends_at=BEGIN + 10 * HOUR * 1000,
        created_by="ann",
        comment="",
    )
    asyncio.run(story.store.put_silence(silence, BEGIN))
    tickets(story, 1, "a")
    tickets(story, 1, "b", label_alertname="2")
    story.tell(40 * HOUR)
    assert digests(story) == [(8, ["a firing"]), (32, ["a firing", "b firing"])]


def test_what_was_over_before_the_first_look_is_not_told():
    story = Story(tree())
    long_ago = BEGIN - 5 * 24 * HOUR * 1000
    for status, ends_at in (("firing", None), ("resolved", long_ago + 1)):
        tickets(story, 1, "old", status=status, recorded=-1e6, starts_at=long_ago, ends_at=ends_at)
    tickets(story, 1, "new")
    story.tell(10 * HOUR)
    assert digests(story) == [(8, ["new firing"])]


def test_an_end_whose_event_time_lags_behind_is_told():
    story = Story(tree())
    tickets(story, 1, "a")
    tickets(story, 10, "b")
    ended = BEGIN + 7 * HOUR * 1000
    tickets(story, 11, "b", status="resolved", ends_at=ended)
    story.tell(33 * HOUR)
    assert digests(story)[1] == (32, ["a firing", "b resolved"])


def test_a_refused_digest_comes_with_the_next():
    story = Story(tree())
    story.refusing("chat", until=10 * HOUR)
    tickets(story, 1, "a")
    tickets(story, 2, "a", status="resolved")
    story.tell(40 * HOUR)
    assert digests(story)
    assert digests(story)[0][1] == ["a resolved"]


def test_after_a_flush_nothing_is_told_early_and_nothing_is_lost():
    story = Story(tree())
    tickets(story, 1, "a", "b")
    story.tell(9 * HOUR)
    on = story.after_a_flush()
    tickets(on, 9, "a", "b", recorded=HOUR)
    tickets(on, 10, "a", "c", status="resolved")
    on.tell(40 * HOUR)
    assert digests(on) == [(32, ["b firing", "a resolved", "c resolved"])]


def test_more_than_an_inbox_of_them_are_one_message():
    story = Story(tree())
    names = [f"i{n:04}" for n in range(1_200)]
    tickets(story, 1, *names)
    story.tell(10 * HOUR)
    ((at, told),) = digests(story)
    assert at == 8
    assert len(told) == 1_200


def digest_message():
    story = Story(tree())
    tickets(story, 1, "a", "b", dashboard_url="https://d/1")
    tickets(story, 2, "b", status="resolved", dashboard_url="https://d/1")
    story.tell(10 * HOUR)
    return story.said[0].message


def test_a_stored_digest_is_the_same():
    message = digest_message()
    assert from_plain(orjson.loads(orjson.dumps(to_plain(message)))) == message


@pytest.mark.parametrize("kind", ["slack", "teams", "connector", "apprise", "mail"])
def test_channels_for_people_show_a_line_for_each_alert(kind):
    said = bodies(digest_message())[kind]
    assert "Digest" in said
    assert "1 go on, 1 are over" in said
    assert "TICKET firing: a is slow (since 2025-11-24 17:00:00 UTC) https://d/1" in said
    assert "TICKET resolved: b is slow (since 2025-11-24 18:00:00 UTC, until " in said
    assert "window" not in said


def test_a_webhook_says_since_when():
    body = json.loads(bodies(digest_message())["webhook"])
    assert body["digest"]["since"] == "2025-11-24T00:00:00.000Z"
    assert [a["status"] for a in body["alerts"]] == ["firing", "resolved"]


def test_slack_shows_hundreds_within_its_limits():
    story = Story(tree())
    tickets(story, 1, *(f"{n:03}" for n in range(300)))
    story.tell(10 * HOUR)
    body = slack_message(story.said[0].message, SlackSettings(api_url="https://a/"))
    assert len(body["attachments"]) <= ATTACHMENTS
    assert all(len(a["text"]) <= ATTACHMENT_CHARACTERS for a in body["attachments"])
    text = "\n".join(a["text"] for a in body["attachments"])
    assert all(f"{n:03} is slow" in text for n in range(300))


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        # Berlin goes back to winter time on 2026-10-25 at 03:00, and on to summer time on 03-29.
        ("2026-10-24T07:00:00", "2026-10-25T08:00:00"),
        ("2026-10-25T08:00:00", "2026-10-26T08:00:00"),
        ("2026-03-28T08:00:00", "2026-03-29T07:00:00"),
        ("2026-03-29T06:59:59", "2026-03-29T07:00:00"),
    ],
)
def test_a_time_of_day_follows_the_clock_of_its_zone(now, expected):
    schedule = Schedule.model_validate({"at": "09:00", "location": "Europe/Berlin"})
    assert schedule.next_after(ms(now)) == ms(expected)
    assert schedule.last_before(ms(expected)) == ms(expected)


CONFIG = """
notify:
  route:
    receiver: ops
    routes: [{matchers: ['a=b'], digest: 24h}]
  receivers: [{name: ops}]
"""


@pytest.mark.parametrize(
    ("digest", "words"),
    [
        ("digest: soon", "no duration"),
        ("digest: 25:00", "no time of day"),
        ("digest: 1ms", "too short"),
        ("digest: {}", "one of `every` (24h) and `at` (09:00)"),
        ("digest: {every: 24h, at: 09:00}", "one of `every` (24h) and `at` (09:00)"),
        ("digest: {at: 09:00, location: Nowhere}", "no time zone"),
        ("digest: 24h, escalate: [{after: 1h, receiver: ops}]", "exclude each other"),
    ],
)
def test_mistakes(digest, words):
    with pytest.raises(ConfigError) as caught:
        load(None, text=CONFIG.replace("digest: 24h", digest))
    (mistake,) = caught.value.mistakes
    assert words in mistake
    assert "notify.route.routes[0]" in mistake


@pytest.mark.parametrize("digest", ["24h", "09:00", {"at": "09:00"}, {"every": "1h"}])
def test_each_way_to_write_it_is_in_the_schema(digest):
    route = {"receiver": "ops", "digest": digest}
    jsonschema.validate({"notify": {"route": route, "receivers": [{"name": "ops"}]}}, schema())
    with pytest.raises(jsonschema.ValidationError):
        wrong = {"notify": {"route": {**route, "digest": 7}, "receivers": [{"name": "ops"}]}}
        jsonschema.validate(wrong, schema())


def test_times_of_a_group_mean_nothing_beside_it():
    (warning,) = load(None, text=CONFIG.replace("24h", "24h, group_interval: 5m")).warnings
    assert "group_interval: warning: a digest comes at its own time" in warning
    below = "24h, group_interval: 5m, routes: [{matchers: ['c=d']}]"
    assert load(None, text=CONFIG.replace("24h", below)).warnings == ()


def test_routes_test_says_that_it_comes_in_a_digest(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    said = [
        CliRunner().invoke(routes.command, ["test", label, "-c", str(path)]).stdout
        for label in ("a=b", "a=c")
    ]
    assert ["in a digest" in text for text in said] == [True, False]
