"""Which transition of an incident counts."""

import json

from alert_story import BEGIN, alert_event

from consumers.notifier.incidents import latest


def value(*args, **more) -> bytes:
    return json.dumps(alert_event(*args, **more)).encode()


def test_the_latest_transition_of_each_incident():
    found = latest([value("a"), value("b"), value("a", "resolved"), value("b")])
    assert {i: t.status for i, t in found.items()} == {"a": "resolved", "b": "firing"}


def test_a_begin_that_is_read_again_after_its_end_reopens_nothing():
    assert not latest([value("a"), value("a", "resolved"), value("a")])["a"].open


def test_a_correction_counts():
    corrected = value("a", "corrected", ends_at=BEGIN + 9, value=7.0)
    (found,) = latest([value("a"), value("a", "resolved"), corrected]).values()
    assert (found.status, found.event["value"]) == ("corrected", 7.0)


def test_marks_of_compaction_and_foreign_records_are_passed_over():
    assert latest([None, b"{", b'{"incident":"x"}', value("a")]).keys() == {"a"}
