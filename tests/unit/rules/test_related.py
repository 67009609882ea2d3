"""One fault, several alerts: each says which of the others it is one with."""

import numpy as np
import pytest
from made_faults import CALM, REFERENCE, RULES, bad_quality, calm, windows
from made_windows import MadeModel, latency_of

from inferwatch.events.alert import AlertKind, Cause, Evidence
from pipeline.diagnosis.view import Diagnosis
from pipeline.rules.machine import Moved, Timing
from pipeline.rules.related import with_related
from pipeline.rules.track import Track
from pipeline.rules.verdict import State, Verdict, finding
from pipeline.rules.watch import ModelWatch

DAY = 86_400_000


def times_1000(rng):
    fault = bad_quality(rng)
    fault.features["distance"] = fault.features["distance"] * 1000
    return fault


def fired(*faults, ahead=0, restart=False):
    """The alerts that fired, by rule; what is final is judged `ahead` windows before quality."""
    rng = np.random.default_rng(3)
    story = [*[calm] * CALM, *faults, *[calm] * 10]
    results = [windows(make(rng), i)[-1] for i, make in enumerate(story)]
    watch = ModelWatch(MadeModel(), RULES, retention_ms=DAY)
    found = {}
    for i in range(len(results) + ahead):
        for part, at in (("final", i), ("quality", i - ahead)):
            if not 0 <= at < len(results):
                continue
            for alert in watch.judge(results[at], part=part, reference=REFERENCE):
                if str(alert.status) == "firing":
                    found[alert.rule] = alert
        if restart:
            state, watch = watch.snapshot(), ModelWatch(MadeModel(), RULES, retention_ms=DAY)
            watch.restore(state)
    return found


def told_of(alert):
    return [e.text for e in alert.evidence if "one fault, incident" in e.text]


def test_a_page_says_which_ticket_it_follows_from():
    found = fired(times_1000)
    page, ticket = found["accuracy-low"], found["input-drift"]
    assert told_of(page) == [
        "input-drift (ticket) fires since 14:05 UTC with the same first cause: one fault, "
        f"incident {ticket.incident}"
    ]
    last = page.suggestions[-1]
    assert last.text.startswith("See input-drift (features.distance.psi) too")
    assert last.command == f"inferwatch alerts show {ticket.incident}"
    # Each is told by itself: to its own receivers, until its own end.
    assert page.incident != ticket.incident
    assert told_of(ticket) == []


def test_what_fires_for_another_reason_is_another_fault():
    def slow_too(rng):
        fault = times_1000(rng)
        fault.latency = latency_of(p95=90.0)
        return fault

    found = fired(slow_too)
    assert told_of(found["slow"]) == []
    assert len(told_of(found["accuracy-low"])) == 1


def test_what_was_over_before_is_another_fault():
    def column_alone(rng):
        fault = times_1000(rng)
        fault.quality = calm(rng).quality
        return fault

    found = fired(column_alone, calm, calm, bad_quality)
    assert told_of(found["accuracy-low"]) == []
    assert told_of(fired(column_alone, times_1000)["accuracy-low"]) != []


@pytest.mark.parametrize(("ahead", "restart"), [(1, False), (7, False), (0, True), (3, True)])
def test_how_far_the_rest_is_judged_changes_nothing(ahead, restart):
    usual = fired(times_1000, times_1000)
    assert len(told_of(usual["accuracy-low"])) == 1
    other = fired(times_1000, times_1000, ahead=ahead, restart=restart)
    assert told_of(other["accuracy-low"]) == told_of(usual["accuracy-low"])


MINE = Diagnosis(
    (Cause(cause="missing_values", confidence=0.8, why="30 % of distance is missing"),),
    (Evidence(text="", metric="features.distance.missing_rate"),),
    (),
)


def story(*shows, kind="data_quality", incident="i", starts_at=0):
    alert = {"kind": kind, "incident": incident, "starts_at": starts_at, "rule": "r",
             "severity": "ticket", "metric": "m", "value": 1.0, "baseline": None}  # fmt: skip
    return {"alert": alert, "shows": [*shows]}


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (story("missing_values", 0.9, "distance"), True),
        (story("missing_values", 0.9, None, kind="output_drift"), True),
        (story("missing_values", 0.9, "temp"), False),
        (story("missing_values", 0.2, "distance"), False),
        (story("unit_change", 0.9, "distance"), False),
        (story("missing_values", 0.9, "distance", kind="quality"), False),
        (story("missing_values", 0.9, "distance", kind="volume"), False),
        ({"alert": story()["alert"]}, False),
    ],
)
def test_one_fault_has_one_first_cause_and_one_column(other, same):
    told = with_related(MINE, AlertKind.QUALITY, [other])
    assert (len(told.evidence) - 1, len(told.suggestions)) == ((1, 1) if same else (0, 0))
    assert with_related(MINE, AlertKind.LATENCY, [other]) == MINE


def test_the_first_by_the_order_of_causes_is_what_the_others_follow_from():
    others = [
        story("missing_values", 0.9, "distance", kind=kind, incident=kind)
        for kind in ("output_drift", "input_drift", "collapse", "data_quality")
    ]
    told = with_related(MINE, AlertKind.QUALITY, others)
    ids = [e.text.rpartition(" ")[2] for e in told.evidence[1:]]
    assert ids == ["data_quality", "input_drift", "output_drift"]
    assert told.suggestions[-1].command == "inferwatch alerts show data_quality"
    # What comes later in the order is told of, but nothing follows from it.
    told = with_related(MINE, AlertKind.DATA_QUALITY, others[:1])
    assert (len(told.evidence), told.suggestions) == (2, ())


def test_nothing_is_one_with_what_has_no_known_cause():
    unknown = Diagnosis((Cause(cause="unknown", confidence=0.5, why=""),), (), ())
    assert with_related(unknown, AlertKind.QUALITY, [story("unknown", 0.5, None)]) == unknown


def test_what_counts_is_what_fired_by_then_and_lasted_since():
    """In event time: a track may be far ahead of the one that asks."""
    track, minute = Track(), Timing(hold=0, keep=0, size=60, slide=60)
    bad = Verdict(State.BREACHED, (finding("rows", 1.0, ">", 0.0, rows=None),))
    for end, verdict in ((60, bad), (120, bad), (180, Verdict(State.CLEAR)), (240, bad)):
        if track.judge(verdict, end, minute, retention=10**9) is Moved.FIRED:
            assert track.current is not None
            track.current.story = {"alert": {"updated_at": end}}
    fired_at = {
        (since, end): [s["alert"]["updated_at"] for s in track.stories(since, end)]
        for since, end in ((0, 59), (0, 60), (119, 200), (120, 200), (0, 240), (120, 240))
    }
    assert fired_at == {
        (0, 59): [],
        (0, 60): [60],
        (119, 200): [60],
        (120, 200): [],
        (0, 240): [240, 60],
        (120, 240): [240],
    }
