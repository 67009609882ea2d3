"""What must hold whatever comes: restarts, order of features, replays."""

from dataclasses import replace

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_windows import (
    MINUTE,
    MadeModel,
    latency_of,
    quality_of,
    reference_of,
    window_of,
)

from inferwatch.errors import StateFormatError
from inferwatch.settings.rules import RuleSettings
from inferwatch.settings.types import parse_window
from pipeline.rules.watch import ModelWatch

RULES = [
    RuleSettings.model_validate(plain)
    for plain in (
        {"name": "low", "metric": "quality.accuracy", "when": "< 0.8", "for": "1m"},
        {"name": "drop", "metric": "quality.accuracy", "when": "drop > 0.1",
         "baseline": "previous"},
        {"name": "slow", "metric": "latency.p95_ms", "when": "ratio > 2", "baseline": "rolling:1h"},
        {"name": "odd", "metric": "latency.p95_ms", "when": "unusual"},
        {"name": "canary", "metric": "quality.accuracy", "when": "drop > 0.1",
         "baseline": "version:1"},
        {"name": "drift", "metric": "features.*.psi", "when": "> 0.2", "keep_firing_for": "1m"},
        {"name": "promise", "slo": {"metric": "quality.accuracy", "objective": 90, "period": "1h"}},
        {"name": "part", "metric": "quality.accuracy", "when": "< 0.7", "segments": "*"},
    )
]  # fmt: skip
MODEL = MadeModel(windows=(parse_window("1m"), parse_window("5m")), expect={"accuracy": 0.9})


def columns(rng, size, moved):
    return {
        "amount": rng.gamma(2, 10, size) * (100 if moved else 1),
        "age": rng.normal(40, 12, size),
        "country": rng.choice(np.array(["DE", "FR", "US"], object), size),
    }


RNG = np.random.default_rng(11)
REFERENCE = reference_of(columns(RNG, 2000, False))
GOOD = window_of(0, columns(RNG, 300, False), reference=REFERENCE)
MOVED = window_of(0, columns(RNG, 300, True), reference=REFERENCE)


def steps(story):
    """(part, window) pairs: for each letter a minute, of two versions and a segment."""
    for i, (moved, right, p95, revises) in enumerate(story):
        base = MOVED if moved else GOOD
        for version, segment in (("1", None), ("2", "region=eu"), ("2", None)):
            window = replace(
                base,
                version=version,
                segment=segment,
                start=base.start + i * MINUTE,
                end=base.end + i * MINUTE,
                quality=quality_of(right, 300),
                latency=latency_of(p95=p95),
            )
            yield "final", window
            yield "quality", window
            if revises:
                yield "quality", replace(window, revision=1, quality=quality_of(280, 300))


STORIES = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from([280, 270, 230, 190]),
        st.sampled_from([20.0, 22.0, 90.0]),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


def watch(rules=RULES):
    return ModelWatch(MODEL, rules, retention_ms=86_400_000)


def alerts_of(judge, story):
    return [a for part, w in steps(story) for a in judge.judge(w, part=part, reference=REFERENCE)]


@settings(max_examples=25, deadline=None)
@given(story=STORIES)
def test_a_restart_anywhere_changes_nothing(story):
    for rules in (RULES, None):
        running, restarted = watch(rules), watch(rules)
        for part, window in steps(story):
            wanted = running.judge(window, part=part, reference=REFERENCE)
            assert restarted.judge(window, part=part, reference=REFERENCE) == wanted
            stored = msgpack.packb(restarted.snapshot())
            restarted = watch(rules)
            restarted.restore(msgpack.unpackb(stored))
        assert restarted.snapshot() == running.snapshot()


@settings(max_examples=25, deadline=None)
@given(story=STORIES)
def test_every_incident_is_told_in_order_and_once(story):
    told = {}
    for alert in alerts_of(watch(), story):
        states = told.setdefault(alert.incident, [])
        states.append(str(alert.status))
        assert alert.ends_at is None or alert.ends_at >= alert.starts_at
        assert alert.causes and alert.summary
    for states in told.values():
        assert states in (
            ["firing"],
            ["firing", "resolved"],
            ["firing", "corrected"],
            ["firing", "resolved", "corrected"],
        )


def reordered(window):
    features = dict(reversed(list((window.features or {}).items())))
    return replace(window, features=features)


@settings(max_examples=10, deadline=None)
@given(story=STORIES)
def test_the_order_of_features_does_not_matter(story):
    one, other = watch(None), watch(None)
    backwards = replace(REFERENCE, features=dict(reversed(list(REFERENCE.features.items()))))
    for part, window in steps(story):
        wanted = one.judge(window, part=part, reference=REFERENCE)
        assert other.judge(reordered(window), part=part, reference=backwards) == wanted


def test_a_newer_format_is_refused_and_old_rules_are_dropped():
    judge = watch()
    alerts_of(judge, [(True, 190, 90.0, False)] * 3)
    state = judge.snapshot()
    assert next(iter(state)) == "format"
    with pytest.raises(StateFormatError, match="flight-delay.*format 5"):
        watch().restore({**state, "format": 5})
    fewer = watch(RULES[:1])
    fewer.restore(state)
    assert {name for name, *_ in fewer.snapshot()["tracks"]} == {"low/quality.accuracy"}


def test_state_of_format_1_is_read():
    judge = watch()
    alerts_of(judge, [(True, 190, 90.0, False)] * 3)
    state = judge.snapshot()
    # It knew no objectives: a past had three parts.
    known = [[*thing, past[:3]] for *thing, past in state["pasts"] if not past[3]]
    other = watch()
    other.restore({**state, "format": 1, "pasts": known})
    assert [*other.snapshot()["tracks"]] == [*state["tracks"]]
    assert len(other.snapshot()["pasts"]) == len(known) > 5
