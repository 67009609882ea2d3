"""What the topics should be, by the config alone."""

import pytest

from inferwatch import topics
from inferwatch.errors import StateFormatError
from inferwatch.provision.memory import FORMAT, pack, unpack
from inferwatch.provision.plan import Fit, Wanted, describe, plan_topics, rebuild_span
from inferwatch.settings import load

HOUR = 3_600_000
DAY = 24 * HOUR


def plan(text, topic):
    (found,) = [p for p in plan_topics(load("f", text=text)) if p.topic is topic]
    return found


def test_every_topic_is_planned_with_prefix_partitions_and_replicas():
    plans = plan_topics(load("f", text="topics: {prefix: eu., partitions: 7, replication: 3}"))
    assert [p.name for p in plans] == ["eu." + t.name for t in topics.ALL]
    assert {(p.partitions, p.replication) for p in plans} == {(7, 3)}


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("", 1 * HOUR + DAY + DAY),
        ("defaults: {windows: [3h]}", 3 * HOUR + DAY + DAY),
        ("models: [{name: a, windows: [5h]}]", 5 * HOUR + DAY + DAY),
        ("models: [{name: a, labels: {horizon: 9d}}]", 1 * HOUR + 9 * DAY + DAY),
        ("retention: {restate: 3d}", 1 * HOUR + 3 * DAY + DAY),
    ],
)
def test_events_are_kept_as_long_as_a_rebuild_needs_them(text, span):
    assert rebuild_span(load("f", text=text)) == span
    for topic in topics.INPUTS:
        assert plan(text, topic).settings["retention.ms"] == Wanted(str(span), Fit.AT_LEAST)


def test_history_is_kept_as_configured_and_never_shorter_than_a_window_may_change():
    def kept(text):
        return int(plan(text, topics.WINDOWS).settings["retention.ms"].value)

    assert kept("retention: {history: 30d}") == 30 * DAY
    assert kept("retention: {history: 2h}") == 1 * HOUR + DAY + DAY


@pytest.mark.parametrize(
    ("wanted", "actual", "accepted"),
    [
        (Wanted("100", Fit.AT_LEAST), "100", True),
        (Wanted("100", Fit.AT_LEAST), "99", False),
        (Wanted("100", Fit.AT_LEAST), "-1", True),
        (Wanted("100", Fit.AT_LEAST), None, False),
        (Wanted("-1", Fit.AT_LEAST), "-1", True),
        (Wanted("-1", Fit.AT_LEAST), "1000", False),
        (Wanted("compact,delete", Fit.EQUAL), "delete,compact", True),
        (Wanted("compact", Fit.EQUAL), "compact,delete", False),
        (Wanted("0.1", Fit.AT_MOST), "0.5", False),
        (Wanted("0.1", Fit.AT_MOST), "0.05", True),
        (Wanted("0.1", Fit.AT_MOST), None, False),
    ],
)
def test_a_setting_is_good_enough_when(wanted, actual, accepted):
    assert wanted.accepts(actual) is accepted


def test_a_difference_is_told_in_units_that_people_read():
    assert describe("cleanup.policy", None, Wanted("compact", Fit.EQUAL)) == (
        "cleanup.policy is not set, compact is needed"
    )
    assert describe("retention.ms", "1000", Wanted("-1", Fit.AT_LEAST)) == (
        "retention.ms is 1000 (1s), -1 (without end) is needed"
    )
    assert describe("segment.ms", "604800000", Wanted("3600000", Fit.AT_MOST)) == (
        "segment.ms is 604800000 (1w), at most 3600000 (1h) is needed"
    )


def test_the_state_topic_is_compacted_often_and_one_that_is_not_passes():
    state = plan("", topics.STATE)
    usual = {
        "cleanup.policy": "compact",
        "segment.bytes": "1073741824",
        "segment.ms": "604800000",
        "min.cleanable.dirty.ratio": "0.5",
    }
    assert not state.shortfalls(usual)
    assert {name: want.value for name, want in state.untuned(usual).items()} == {
        "segment.bytes": "67108864",
        "segment.ms": "3600000",
        "min.cleanable.dirty.ratio": "0.1",
    }
    assert not plan("", topics.WINDOWS).tuning


def test_a_reference_has_the_time_at_which_the_broker_took_it():
    references = plan("", topics.REFERENCES)
    senders = {"cleanup.policy": "compact", "message.timestamp.type": "CreateTime"}
    assert not references.shortfalls(senders)
    assert list(references.untuned(senders)) == ["message.timestamp.type"]


def test_the_remembered_partitions_begin_with_a_format_number():
    assert pack({"a": 4})[0] == FORMAT
    assert unpack(pack({"a": 4, "b": 1})) == {"a": 4, "b": 1}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (bytes([FORMAT + 1]) + b"{}", "has format 2, this version reads up to 1"),
        (b"", "has format 0"),
        (bytes([FORMAT]) + b"{", "cannot be read"),
        (bytes([FORMAT]) + b"[]", "cannot be read"),
    ],
)
def test_a_newer_or_foreign_record_is_refused(value, told):
    with pytest.raises(StateFormatError, match=told):
        unpack(value)
