"""The sign of life: what it says, how often it comes, and what may not keep it back."""

import asyncio
import json

import pytest
from alert_story import BEGIN, Story
from message_bodies import bodies

from consumers.notifier.heartbeat import beat, filing, summary
from consumers.notifier.stages.silence import Silence
from consumers.notifier.vitals import Vitals, vitals_of
from inferwatch.errors import ConfigError
from inferwatch.settings import load
from inferwatch.settings.notify import NotifySettings

HOUR = 3_600_000
DAY = 24 * HOUR
MIDNIGHT = BEGIN // DAY * DAY
NOTIFY = {
    "route": {"receiver": "ops", "routes": [{"receiver": "ops"}]},
    "heartbeat": {"every": "24h", "receiver": "chat"},
    "receivers": [
        {"name": r, "console_configs": [{"send_resolved": "false"}]} for r in ("ops", "chat")
    ],
}


def give(story: Story, at: int, vitals: Vitals | None = None) -> None:
    """A notifier files the beat of a time."""
    made = beat(at, at - DAY, vitals or Vitals(3, 4320), 0)
    parsed = NotifySettings.model_validate(story.notify)
    story.clock.ms = at
    asyncio.run(story.store.file([filing(made, parsed)], at))


def window(model="fraud", start=0, **more) -> bytes:
    plain = {"model": model, "version": "7", "segment": None, "window": "1m", "start": start}
    return json.dumps(plain | {"end": start + 60_000, "completeness": 1.0} | more).encode()


def test_each_day_one_message_however_many_notifiers_make_it():
    story = Story(NOTIFY)
    for day in range(3):
        for _ in range(2):
            give(story, MIDNIGHT + day * DAY)
        story.tell((MIDNIGHT + day * DAY - BEGIN) / 1000 + 1)
    assert [s.receiver for s in story.said] == ["chat"] * 3
    assert [s.message.reason for s in story.said] == ["heartbeat"] * 3
    assert len({s.message.id for s in story.said}) == 3
    assert story.said[0].message.preface == ""


def test_what_silences_and_inhibits_all_alerts_does_not_keep_it_back():
    everything = {"source_matchers": ["kind=schema"], "target_matchers": ['alertname!="x"']}
    story = Story({**NOTIFY, "inhibit_rules": [everything]})
    silence = Silence(
        id="1", matchers=(), starts_at=0, ends_at=2**62, created_by="ann", comment="all"
    )
    asyncio.run(story.store.put_silence(silence, BEGIN))
    story.at(0).push("source", label_kind="schema")
    story.tell(1)
    give(story, MIDNIGHT + DAY)
    story.tell((MIDNIGHT + DAY - BEGIN) / 1000 + 1)
    assert [s.receiver for s in story.said] == ["chat"]


def test_it_is_told_until_the_receiver_has_it():
    story = Story(NOTIFY)
    story.down("chat", until=1e9)
    give(story, MIDNIGHT + DAY)
    story.tell((MIDNIGHT + DAY - BEGIN) / 1000 + 10)
    assert len(story.said) > 1
    assert len({s.message.id for s in story.said}) == 1


def test_it_is_no_open_incident():
    story = Story(NOTIFY)
    give(story, MIDNIGHT + DAY)
    assert asyncio.run(story.store.open_alerts()) == {}


def test_after_a_flush_it_is_not_told_again():
    story = Story(NOTIFY)
    give(story, MIDNIGHT + DAY)
    story.tell((MIDNIGHT + DAY - BEGIN) / 1000 + 1)
    on = story.after_a_flush()
    give(on, MIDNIGHT + DAY)
    on.tell((MIDNIGHT + DAY - BEGIN) / 1000 + 100)
    assert on.said == []


def test_gone_from_the_config_it_ends():
    first = Story(NOTIFY)
    give(first, MIDNIGHT + DAY)
    without = {k: v for k, v in NOTIFY.items() if k != "heartbeat"}
    routed = {**without, "route": {"receiver": "chat"}}
    second = Story(routed, store=first.store)
    second.tell((MIDNIGHT + 2 * DAY - BEGIN) / 1000)
    assert second.said == []


@pytest.mark.parametrize("kind", ["slack", "teams", "connector", "apprise", "mail", "webhook"])
def test_channels_for_people_say_it_in_a_sentence(kind):
    story = Story(NOTIFY)
    give(story, MIDNIGHT + DAY, Vitals(3, 4320, (0.987, "fraud"), (MIDNIGHT, "price")))
    story.tell((MIDNIGHT + DAY - BEGIN) / 1000 + 1)
    said = bodies(story.said[0].message)[kind]
    assert "inferwatch watches 3 models: 4320 windows, at least 98.7% complete (fraud)" in said
    if kind != "webhook":
        assert "resolved" not in said
        assert "INFO" not in said


def test_vitals_count_each_window_once_with_its_latest_completeness():
    values = [
        window(completeness=0.5),
        window(completeness=0.9, revision=1),
        window(start=60_000, completeness=None),
        window("price", start=0),
        window(segment="region=eu"),
        None,
        b"no JSON",
        b"[]",
        b'{"model":"x"}',
        window("broken", end="soon"),
    ]
    found = vitals_of(values)
    assert (found.models, found.least, found.oldest) == (2, (0.9, "fraud"), (60_000, "price"))
    assert found.windows >= 4


def test_without_a_window_it_says_so():
    assert "saw no window" in summary(Vitals(), 2)
    assert "2 incidents go on" in summary(Vitals(), 2)


CONFIG = """
notify:
  route: {receiver: ops}
  heartbeat: {every: 24h, receiver: chat}
  receivers:
    - {name: ops}
    - {name: chat, console_configs: [{}]}
"""


def test_its_receiver_is_used():
    assert load(None, text=CONFIG).warnings == ()


@pytest.mark.parametrize(
    ("heartbeat", "line"),
    [
        (
            "{every: 24h, receiver: WHO}",
            "c.yaml:4:37: notify.heartbeat.receiver: there is no receiver 'WHO'; defined are "
            "chat, ops",
        ),
        ("{receiver: chat}", "one of `every` (24h) and `at` (09:00) is wanted"),
        ("{every: 24h}", "notify.heartbeat.receiver: is missing"),
        ("24h", "notify.heartbeat.receiver: is missing"),
    ],
)
def test_mistakes(heartbeat, line):
    with pytest.raises(ConfigError) as caught:
        load("c.yaml", text=CONFIG.replace("{every: 24h, receiver: chat}", heartbeat))
    (mistake,) = (m for m in caught.value.mistakes if "heartbeat" in m)
    assert line in mistake


def test_where_nothing_would_be_shown_of_it_is_a_warning():
    pager = "pagerduty_configs: [{routing_key: 0123456789abcdef0123456789abcdef}]"
    (warning,) = load(None, text=CONFIG.replace("console_configs: [{}]", pager)).warnings
    assert "notify.heartbeat.receiver: warning: pagerduty_configs show nothing of it" in warning
