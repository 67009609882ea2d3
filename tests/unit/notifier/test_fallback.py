"""A receiver that stays dead falls to the next: timelines, and the mistakes of a config."""

import pytest
from alert_story import Story
from message_bodies import bodies

from consumers.notifier.channels.interface import Permanent, Retryable
from inferwatch.errors import ConfigError
from inferwatch.settings import load

PROMPT = {"group_by": ["..."], "group_wait": "0s"}
GROUPED = {"group_by": ["model"], "group_wait": "10s", "group_interval": "60s"}


def tree(route: dict, *fallbacks: tuple[str, str, str]) -> dict:
    """Receivers `ops`, `chat`, `mail`; each fallback is: whose, to whom, after how long."""
    falls = {who: {"receiver": to, "after": after} for who, to, after in fallbacks}
    return {
        "route": {"receiver": "ops", **route},
        "receivers": [
            {"name": r, "console_configs": [{}], **({"fallback": falls[r]} if r in falls else {})}
            for r in ("ops", "chat", "mail")
        ],
    }


def told(story: Story, receiver: str) -> list[tuple[float, list[str]]]:
    return [(s.at, s.told) for s in story.said if s.receiver == receiver and s.ok]


@pytest.mark.parametrize(("route", "wait"), [(PROMPT, 0), (GROUPED, 10)])
@pytest.mark.parametrize("after", [5, 300])
def test_what_is_not_taken_for_long_enough_goes_to_the_other_one(route, wait, after):
    story = Story(tree(route, ("ops", "chat", f"{after}s")))
    story.down("ops", until=1e9)
    story.at(0).push("a")
    story.tell(1000)
    assert told(story, "chat") == [(wait + after, ["a firing"])]
    (message,) = (s.message for s in story.said if s.receiver == "chat")
    assert message.preface == "This is for ops, which does not take it: you are told instead"
    assert message.reason == "its receiver does not take it"
    assert all(message.preface in said for said in bodies(message).values())
    tries = [s.message.id for s in story.said if s.receiver == "ops"]
    assert len(tries) > 5
    assert len(set(tries)) == 1


def test_who_comes_back_in_time_is_told_alone():
    story = Story(tree(PROMPT, ("ops", "chat", "60s")))
    story.down("ops", until=40)
    story.at(0).push("a")
    story.at(500).push("a", "resolved")
    story.tell(1000)
    assert told(story, "chat") == []
    assert [t for _, t in told(story, "ops")] == [["a firing"], ["a resolved"]]


def test_while_it_stays_dead_what_comes_later_does_not_wait_and_all_hear_of_the_end():
    story = Story(tree(PROMPT, ("ops", "chat", "60s")))
    story.down("ops", until=400)
    story.at(0).push("a")
    story.at(100).push("b", label_alertname="2")
    story.at(200).push("a", "resolved")
    story.at(1000).push("b", "resolved", label_alertname="2")
    story.tell(2000)
    assert told(story, "chat") == [
        (60, ["a firing"]),
        (100, ["b firing"]),
        (200, ["a resolved"]),
        (1000, ["b resolved"]),
    ]
    assert sorted(t[0] for _, t in told(story, "ops")) == [
        "a firing", "a resolved", "b firing", "b resolved",
    ]  # fmt: skip


def test_a_group_that_is_stuck_hands_over_what_comes_into_it():
    story = Story(tree(GROUPED, ("ops", "chat", "60s")))
    story.down("ops", until=1e9)
    story.at(0).push("a")
    story.at(200).push("b")
    story.at(300).push("a", "resolved")
    story.tell(1500)
    told_of = {alert for _, alerts in told(story, "chat") for alert in alerts}
    assert told_of == {"a firing", "b firing", "a resolved"}


def test_a_long_wait_for_the_next_try_is_none_for_what_comes_meanwhile():
    story = Story(tree(GROUPED, ("ops", "chat", "60s")))
    story.down("ops", until=1e9, retry_after_s=3600)
    story.at(0).push("a")
    story.at(200).push("b")
    story.tell(1500)
    tries = [s for s in story.said if s.receiver == "ops"]
    assert len(tries) == 1
    # The group's next message after 60 s, once it was handed over within 30 s.
    at = next(at for at, alerts in told(story, "chat") if "b firing" in alerts)
    assert 200 <= at <= 200 + 30 + 60


def test_what_is_over_before_it_falls_is_told_to_nobody_else():
    story = Story(tree(PROMPT, ("ops", "chat", "60s")))
    story.down("ops", until=1e9)
    story.at(0).push("a")
    story.at(30).push("a", "resolved")
    story.tell(1000)
    assert told(story, "chat") == []


def test_what_is_refused_for_good_falls_at_once_and_once():
    story = Story(tree(PROMPT, ("ops", "chat", "60s")))
    story.refusing("ops", until=2000)
    story.at(0).push("a")
    story.at(1500).push("a", "resolved")
    story.tell(3000)
    assert told(story, "chat") == [(0, ["a firing"]), (1500, ["a resolved"])]


def test_who_refused_in_between_was_not_dead_all_the_time():
    later = 3 * 3600

    def fails(at: float) -> Exception | None:
        if at < 0.5 or later <= at < later + 20:
            return Retryable("HTTP 503")
        return Permanent("HTTP 400") if at < later else None

    story = Story(tree(PROMPT, ("ops", "chat", "5m")))
    story.fails["ops"] = fails
    story.at(0).push("a")
    story.at(later).push("b", label_alertname="2")
    story.tell(later + 600)
    assert ["b firing"] in [alerts for _, alerts in told(story, "ops")]
    assert [alerts for _, alerts in told(story, "chat")] == [["a firing"]]


def test_the_next_one_may_be_dead_too():
    story = Story(tree(PROMPT, ("ops", "chat", "60s"), ("chat", "mail", "30s")))
    story.down("ops", until=1e9)
    story.down("chat", until=1e9)
    story.at(0).push("a")
    story.tell(500)
    assert told(story, "mail") == [(90, ["a firing"])]
    (message,) = (s.message for s in story.said if s.receiver == "mail")
    assert message.instead_of == "chat"


def test_a_step_of_an_escalation_falls_without_waiting_again():
    notify = tree(PROMPT, ("chat", "mail", "60s"))
    notify["route"]["escalate"] = [{"after": "10m", "receiver": "chat"}]
    story = Story(notify)
    story.down("chat", until=1e9)
    story.at(0).push("a")
    story.tell(1000)
    assert told(story, "mail") == [(660, ["a firing"])]


def test_without_a_fallback_nobody_else_is_told():
    story = Story(tree(PROMPT))
    story.down("ops", until=1e9)
    story.at(0).push("a")
    story.tell(1000)
    assert {s.receiver for s in story.said} == {"ops"}


def test_a_restart_hands_nothing_over_twice():
    first = Story(tree(PROMPT, ("ops", "chat", "60s")))
    first.down("ops", until=1e9)
    first.at(0).push("a")
    first.tell(100)
    second = Story(tree(PROMPT, ("ops", "chat", "60s")), store=first.store)
    second.down("ops", until=1e9)
    second.at(200).push("a", "resolved")
    second.tell(1000)
    assert told(second, "chat") == [(200, ["a resolved"])]


def test_after_a_flush_the_one_who_stood_in_still_hears_of_the_end():
    story = Story(tree(PROMPT, ("ops", "chat", "60s")))
    story.down("ops", until=1e9)
    story.at(0).push("a")
    story.tell(100)
    on = story.after_a_flush()
    on.down("ops", until=1e9)
    on.at(100).push("a", recorded=0)
    on.at(300).push("a", "resolved")
    on.tell(500)
    assert told(on, "chat") == [(300, ["a resolved"])]


CONFIG = """
notify:
  route: {receiver: ops}
  receivers:
    - {name: ops, fallback: {receiver: chat}}
    - name: chat
      fallback: {receiver: mail, after: 1h}
    - name: mail
"""


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "receiver: mail",
            "receiver: WHO",
            "c.yaml:7:28: notify.receivers[1].fallback.receiver: there is no receiver 'WHO'; "
            "defined are chat, mail, ops",
        ),
        (
            "receiver: chat",
            "receiver: ops",
            "c.yaml:5:40: notify.receivers[0].fallback.receiver: 'ops' falls back to itself in "
            "the end; allowed is another",
        ),
    ],
)
def test_mistakes_stand_at_their_place(old, new, line):
    with pytest.raises(ConfigError) as caught:
        load("c.yaml", text=CONFIG.replace(old, new))
    assert caught.value.mistakes == [line]


def test_a_circle_is_a_mistake_at_each_of_its_members():
    with pytest.raises(ConfigError) as caught:
        load(None, text=CONFIG.replace("receiver: mail", "receiver: ops"))
    assert len(caught.value.mistakes) == 2


def test_who_stands_in_is_used():
    assert load(None, text=CONFIG).warnings == ()
