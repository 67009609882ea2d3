"""Timelines: alerts at set times, messages at set times."""

import asyncio

import pytest
from alert_story import Story

from consumers.notifier.acknowledgement import Acknowledgement


def tree(root: dict | None = None, receivers: tuple = ("ops",), **more) -> dict:
    return {
        "route": {"receiver": "ops", **(root or {})},
        "receivers": [{"name": r, "console_configs": [{}]} for r in receivers],
        **more,
    }


PROMPT = {"group_by": ["..."], "group_wait": "0s"}
GROUPED = {
    "group_by": ["model"],
    "group_wait": "10s",
    "group_interval": "60s",
    "repeat_interval": "10m",
}


def test_a_group_waits_then_tells_what_is_new_at_each_interval():
    story = Story(tree(GROUPED))
    story.at(0).push("a")
    story.at(5).push("b")
    story.at(20).push("c")
    story.at(75).push("a", "resolved")
    story.tell(200).want(
        (10, "ops", ["a firing", "b firing"]),
        (70, "ops", ["a firing", "b firing", "c firing"]),
        (130, "ops", ["b firing", "c firing", "a resolved"]),
    )


def test_groups_are_apart_and_wait_each_for_itself():
    story = Story(tree(GROUPED))
    story.at(0).push("a", label_model="fraud")
    story.at(7).push("b", label_model="price")
    story.tell(60).want((10, "ops", ["a firing"]), (17, "ops", ["b firing"]))


def test_what_is_over_before_the_group_wait_is_never_told():
    story = Story(tree(GROUPED))
    story.at(0).push("a")
    story.at(5).push("a", "resolved")
    story.tell(500).want()


def test_all_resolved_ends_the_group_and_the_next_alert_waits_again():
    story = Story(tree(GROUPED))
    story.at(0).push("a")
    story.at(30).push("a", "resolved")
    story.at(200).push("b")
    story.tell(400).want(
        (10, "ops", ["a firing"]), (70, "ops", ["a resolved"]), (210, "ops", ["b firing"])
    )


def test_a_group_that_still_fires_is_told_again():
    story = Story(tree(GROUPED))
    story.at(0).push("a")
    story.tell(1300).want(
        (10, "ops", ["a firing"]), (610, "ops", ["a firing"]), (1210, "ops", ["a firing"])
    )
    ids = [s.message.id for s in story.said]
    assert len(set(ids)) == 3


def acknowledge(story: Story, incident: str) -> None:
    taken = Acknowledgement(incident=incident, at=story.clock.now(), by="ann", comment="on it")
    asyncio.run(story.store.acknowledge(taken))


def test_what_somebody_works_on_is_not_told_again_but_its_end_is():
    story = Story(tree(GROUPED))
    story.at(0).push("a")
    story.tell(20)
    acknowledge(story, "a")
    story.at(1500).push("a", "resolved")
    story.tell(1600).want((10, "ops", ["a firing"]), (1510, "ops", ["a resolved"]))


def test_beside_one_that_nobody_works_on_the_group_is_told_again():
    story = Story(tree(GROUPED))
    story.at(0).push("a").push("b")
    story.tell(20)
    acknowledge(story, "a")
    both = ["a firing", "b firing"]
    story.tell(700).want((10, "ops", both), (610, "ops", both))
    acknowledge(story, "b")
    story.tell(3000).want((10, "ops", both), (610, "ops", both))


def test_an_alertmanager_still_hears_of_what_somebody_works_on():
    notify = tree(GROUPED)
    notify["receivers"][0] = {
        "name": "ops",
        "alertmanager_configs": [{"url": "http://localhost:9093"}],
    }
    story = Story(notify)
    story.at(0).push("a")
    story.tell(1)
    acknowledge(story, "a")
    story.tell(70).want((0, "ops", ["a firing"]), (60, "ops", ["a firing"]))


def test_every_transition_is_a_message_at_once():
    story = Story(tree(PROMPT))
    story.at(0).push("a")
    story.at(1).push("b")
    story.at(1).push("a", "resolved")
    story.at(2).push("b", "resolved")
    story.tell(60).want(
        (0, "ops", ["a firing"]),
        (1, "ops", ["b firing"]),
        (1, "ops", ["a resolved"]),
        (2, "ops", ["b resolved"]),
    )


def test_transitions_that_come_together_keep_their_order():
    story = Story(tree(PROMPT))
    for incident in ("a", "b", "c"):
        story.at(0).push(incident).push(incident, "resolved")
    story.tell(10)
    for incident in ("a", "b", "c"):
        told = [s.told[0] for s in story.said if s.told[0].startswith(incident)]
        assert told == [f"{incident} firing", f"{incident} resolved"]


def test_a_transition_seen_again_is_acted_on_once():
    story = Story(tree(PROMPT))
    story.at(0).push("a")
    story.at(5).push("a", updated_at=1)
    story.at(6).push("a", "resolved").push("a", "resolved").push("a")
    story.tell(100).want((0, "ops", ["a firing"]), (6, "ops", ["a resolved"]))


def test_an_incident_that_was_over_before_it_was_read_pages_nobody():
    story = Story(tree(PROMPT))
    story.at(0).push("a", recorded=-4000).push("a", "resolved", recorded=-3000)
    story.at(0).push("b", recorded=-2000)
    story.tell(60).want((0, "ops", ["b firing"]))


def test_an_incident_that_was_over_before_its_worker_could_tell_pages_nobody():
    story = Story(tree(PROMPT))
    story.at(0).push("a", ends_at=1).push("b")
    story.at(5).push("a", "resolved")
    story.tell(60).want((0, "ops", ["b firing"]))


def test_an_incident_that_was_over_while_the_notifier_was_away_for_a_moment_is_told():
    story = Story(tree(PROMPT))
    story.at(0).push("a", recorded=-20).push("a", "resolved", recorded=-10)
    story.tell(60).want((0, "ops", ["a firing"]), (0, "ops", ["a resolved"]))


def test_a_resolution_that_nobody_heard_the_begin_of_stays_silent():
    story = Story(tree(PROMPT))
    story.at(0).push("a", "resolved")
    story.tell(60).want()


def test_a_correction_goes_to_whoever_heard_of_the_alert():
    story = Story(tree(PROMPT))
    story.at(0).push("a")
    story.at(10).push("a", "resolved")
    revised = {"window": "1m", "start": 0, "end": 1, "revision": 2}
    story.at(20).push("a", "corrected", window=revised)
    story.at(21).push("a", "corrected", window=revised)
    story.at(30).push("b", "corrected", window=revised)
    story.tell(60).want(
        (0, "ops", ["a firing"]), (10, "ops", ["a resolved"]), (20, "ops", ["a corrected"])
    )


def test_the_end_of_an_incident_goes_where_its_begin_went():
    notify = tree(
        {**PROMPT, "routes": [{"receiver": "risk", "matchers": ["severity=page"]}]},
        receivers=("ops", "risk"),
    )
    story = Story(notify)
    story.at(0).push("a")
    story.at(5).push("a", "resolved", label_severity="ticket")
    story.tell(60).want((0, "risk", ["a firing"]), (5, "risk", ["a resolved"]))


def test_a_receiver_that_is_down_gets_the_same_message_later():
    story = Story(tree(PROMPT))
    story.down("ops", until=20)
    story.at(0).push("a")
    story.at(3).push("a", "resolved")
    story.tell(60)
    firing = [s for s in story.said if s.told == ["a firing"]]
    assert [s.ok for s in firing] == [False] * (len(firing) - 1) + [True]
    assert len({s.message.id for s in firing}) == 1
    assert [s.told for s in story.said if s.ok] == [["a firing"], ["a resolved"]]
    # 1, 2, 4, 8, 16 s, less up to a quarter each: five failures, then the one that is taken.
    assert 4 <= len(firing) <= 7


def test_a_receiver_says_itself_when_it_wants_to_be_tried_again():
    story = Story(tree(PROMPT))
    story.down("ops", until=30, retry_after_s=40)
    story.at(0).push("a")
    story.at(1).push("a", "resolved")
    story.tell(60)
    assert [(s.at, s.ok) for s in story.said] == [(0, False), (40, True), (40, True)]


def test_a_dead_receiver_delays_no_other():
    notify = tree(
        {**PROMPT, "routes": [{"receiver": "dead", "continue": True}, {"receiver": "ops"}]},
        receivers=("ops", "dead"),
    )
    story = Story(notify)
    story.down("dead", until=1e9)
    for i in range(50):
        story.at(i).push(f"i{i}")
    story.tell(60)
    assert [s.at for s in story.said if s.receiver == "ops"] == list(range(50))


def test_a_dead_receiver_is_given_up_after_a_day_and_the_lane_goes_on():
    story = Story(tree(PROMPT))
    story.down("ops", until=87_000)
    story.at(0).push("a")
    story.at(1).push("a", "resolved")
    story.at(90_000).push("b")
    story.tell(95_000)
    # The day-old page is not sent any more, and so its end is not either.
    assert [s.told for s in story.said if s.ok] == [["b firing"]]
    assert 86_400 <= max(s.at for s in story.said if not s.ok) <= 86_800


def test_a_refused_message_is_tried_with_the_groups_next_one_only():
    story = Story(tree(GROUPED))
    story.refusing("ops", until=100)
    story.at(0).push("a")
    story.tell(400)
    assert [(s.at, s.ok) for s in story.said] == [(10, False), (310, True)]
    assert len({s.message.id for s in story.said}) == 1


def test_a_refused_page_does_not_hold_back_the_next_transition():
    story = Story(tree(PROMPT))
    story.refusing("ops", until=5)
    story.at(0).push("a")
    story.at(10).push("b", label_alertname="other")
    story.tell(60)
    assert [(s.told, s.ok) for s in story.said] == [(["a firing"], False), (["b firing"], True)]


def test_after_a_refusal_the_next_in_line_does_not_wait():
    story = Story(tree(PROMPT))
    story.refusing("ops", until=1)
    story.at(0).push("a").push("b")
    story.tell(60)
    assert [s.at for s in story.said] == [0, 0]


def test_a_resolution_that_nobody_heard_the_begin_of_stays_silent_beside_one_that_fires():
    story = Story(tree(GROUPED))
    story.at(0).push("a")
    story.at(20).push("b", "resolved")
    story.tell(200).want((10, "ops", ["a firing"]))


def test_send_resolved_false_tells_begins_only():
    notify = tree(GROUPED)
    notify["receivers"][0]["console_configs"] = [{"send_resolved": "false"}]
    story = Story(notify)
    story.at(0).push("a").push("b")
    story.at(20).push("a", "resolved")
    story.at(100).push("b", "resolved")
    story.at(300).push("c")
    story.tell(400).want((10, "ops", ["a firing", "b firing"]), (310, "ops", ["c firing"]))


INHIBIT = [
    {"source_matchers": ["kind=schema"], "target_matchers": ["kind=drift"], "equal": ["model"]}
]


def test_an_inhibited_alert_waits_for_its_source_to_end():
    story = Story(tree(PROMPT, inhibit_rules=INHIBIT))
    story.at(0).push("source", label_kind="schema")
    story.at(5).push("target", label_kind="drift")
    story.at(6).push("other", label_kind="drift", label_model="price")
    story.at(60).push("source", "resolved", label_kind="schema")
    story.tell(120)
    told = [(s.at, s.told[0]) for s in story.said]
    assert told[:3] == [(0, "source firing"), (6, "other firing"), (60, "source resolved")]
    assert [t for _, t in told[3:]] == ["target firing"]
    # Looked at again every 30 s.
    assert 60 < told[3][0] <= 95


def test_no_alert_inhibits_itself_or_its_like():
    both = [{"source_matchers": ["model=fraud"], "target_matchers": ["model=fraud"]}]
    story = Story(tree(PROMPT, inhibit_rules=both))
    story.at(0).push("a")
    story.at(1).push("b", label_alertname="2")
    story.tell(30).want((0, "ops", ["a firing"]), (1, "ops", ["b firing"]))


def test_an_alert_held_back_meanwhile_is_not_told_again_beside_others():
    story = Story(tree(GROUPED, inhibit_rules=INHIBIT))
    story.at(0).push("target", label_kind="drift")
    story.at(20).push("source", label_kind="schema")
    story.at(80).push("source", "resolved", label_kind="schema")
    story.tell(400).want(
        (10, "ops", ["target firing"]),
        (70, "ops", ["source firing"]),
        (130, "ops", ["target firing", "source resolved"]),
    )


def test_an_inhibited_alert_that_ends_meanwhile_is_never_told():
    story = Story(tree(PROMPT, inhibit_rules=INHIBIT))
    story.at(0).push("source", label_kind="schema")
    story.at(5).push("target", label_kind="drift")
    story.at(20).push("target", "resolved", label_kind="drift")
    story.at(60).push("source", "resolved", label_kind="schema")
    story.tell(200)
    assert not [s for s in story.said if "target" in s.told[0]]


def test_the_end_of_a_told_alert_is_held_back_but_not_lost():
    story = Story(tree(PROMPT, inhibit_rules=INHIBIT))
    story.at(0).push("target", label_kind="drift")
    story.at(5).push("source", label_kind="schema")
    story.at(20).push("target", "resolved", label_kind="drift")
    story.at(60).push("source", "resolved", label_kind="schema")
    story.tell(200)
    told = [s.told[0] for s in story.said]
    assert told == ["target firing", "source firing", "source resolved", "target resolved"]


@pytest.mark.parametrize("key", ["mute_time_intervals", "active_time_intervals"])
def test_a_quiet_route_tells_when_its_time_has_come(key):
    # The story begins at 16:00:00 UTC.
    minutes = {"start_time": "16:00", "end_time": "16:02"}
    if key == "active_time_intervals":
        minutes = {"start_time": "16:02", "end_time": "17:00"}
    notify = tree(
        {**PROMPT, "routes": [{key: ["times"]}]},
        time_intervals=[{"name": "times", "time_intervals": [{"times": [minutes]}]}],
    )
    story = Story(notify)
    story.at(10).push("a")
    story.at(20).push("b")
    story.at(50).push("b", "resolved")
    story.tell(200)
    assert [s.told for s in story.said] == [["a firing"]]
    assert 120 <= story.said[0].at <= 150


def test_alertmanagers_own_keys_make_a_digest_of_what_stands():
    # The story begins at 16:00 UTC.
    hour = 3600
    digest = {
        "receiver": "chat",
        "matchers": ['severity="ticket"'],
        "group_by": ["severity"],
        "group_interval": "1h",
        "repeat_interval": "20h",
        "active_time_intervals": ["morning"],
    }
    times = [{"times": [{"start_time": "09:00", "end_time": "10:00"}]}]
    story = Story(
        tree(
            {"routes": [digest]},
            ("ops", "chat"),
            time_intervals=[{"name": "morning", "time_intervals": times}],
        )
    )
    story.at(60).push("a", label_severity="ticket")
    story.at(2 * hour).push("b", label_severity="ticket")
    story.at(3 * hour).push("b", "resolved", label_severity="ticket")
    story.at(9 * hour).push("c", label_severity="ticket")
    # In the morning, but after its digest: it waits for the next one.
    story.at(17.6 * hour).push("d", label_severity="ticket")
    story.at(20 * hour).push("a", "resolved", label_severity="ticket")
    story.tell(48 * hour)
    assert [s.told for s in story.said] == [
        ["a firing", "c firing"],
        ["c firing", "d firing", "a resolved"],
    ]
    for day, said in enumerate(story.said):
        assert 17 <= said.at / hour - 24 * day < 18


def test_a_restart_between_two_stories_forgets_nothing():
    first = Story(tree(GROUPED))
    first.at(0).push("a")
    first.tell(12).want((10, "ops", ["a firing"]))
    second = Story(tree(GROUPED), store=first.store)
    second.at(20).push("a").push("b")
    second.tell(100).want((70, "ops", ["a firing", "b firing"]))


def test_an_alertmanager_hears_of_everything_at_once_and_of_what_fires_every_minute():
    notify = tree({**GROUPED, "group_wait": "30s"})
    notify["receivers"][0] = {
        "name": "ops",
        "alertmanager_configs": [{"url": "http://localhost:9093"}],
    }
    story = Story(notify)
    story.at(0).push("a")
    story.at(70).push("a", "resolved")
    story.tell(600).want(
        (0, "ops", ["a firing"]), (60, "ops", ["a firing"]), (70, "ops", ["a resolved"])
    )


def test_a_silence_holds_back_until_it_ends():
    from alert_story import BEGIN

    from consumers.notifier.stages.silence import Silence
    from inferwatch.settings.notify.matchers import parse_matchers

    story = Story(tree(PROMPT))
    silence = Silence(
        id="1",
        matchers=parse_matchers("model=fraud"),
        starts_at=BEGIN + 10_000,
        ends_at=BEGIN + 100_000,
        created_by="ann",
        comment="deploy",
    )
    asyncio.run(story.store.put_silence(silence, BEGIN))
    story.at(5).push("before")
    story.at(20).push("silenced", label_alertname="2")
    story.at(21).push("over soon", label_alertname="3")
    story.at(22).push("other", label_model="price")
    story.at(30).push("before", "resolved")
    story.at(40).push("over soon", "resolved", label_alertname="3")
    story.tell(200)
    told = [(s.told[0], s.at < 100) for s in story.said]
    assert sorted(told) == [
        ("before firing", True),
        ("before resolved", False),
        ("other firing", True),
        ("silenced firing", False),
    ]


@pytest.mark.parametrize("route", [PROMPT, GROUPED])
def test_after_a_flush_what_was_told_is_not_told_again_but_its_end_is(route):
    story = Story(tree(route))
    story.at(0).push("a").push("b", label_alertname="2").push("c", label_alertname="3")
    story.at(60).push("b", "resolved", label_alertname="2")
    story.tell(200)
    assert len(story.journal) in (1, 3)
    on = story.after_a_flush()
    # All of the topic is read again, then it goes on.
    on.at(200).push("a", recorded=0).push("b", recorded=0, label_alertname="2")
    on.at(200).push("c", recorded=0, label_alertname="3")
    on.at(200).push("b", "resolved", recorded=60, label_alertname="2")
    on.at(320).push("a", "resolved")
    on.at(330).push("d", label_alertname="4")
    on.tell(500)
    told = [a for said in on.said for a in said.told]
    assert "a resolved" in told
    assert "d firing" in told
    assert not {"a firing", "b firing", "b resolved"} & set(told)
