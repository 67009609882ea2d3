"""Rules on windows, as stories of one value a window."""

from dataclasses import replace

import numpy as np
import pytest
from made_windows import (
    MINUTE,
    START,
    MadeModel,
    latency_of,
    quality_of,
    reference_of,
    window_of,
)

from inferwatch.events.alert import AlertKind, Severity, Status
from inferwatch.settings.rules import RuleSettings
from inferwatch.settings.types import parse_window
from pipeline.rules.watch import ModelWatch

DAY = 86_400_000


def rule(**keys):
    plain = {"name": "accuracy-low", "metric": "quality.accuracy", "when": "< 0.80", **keys}
    return RuleSettings.model_validate(plain)


def watch_of(*rules, model=None):
    return ModelWatch(model or MadeModel(), rules, retention_ms=DAY)


def accuracy(i, value, *, labelled=1000, **keys):
    return window_of(i, quality=quality_of(round(value * labelled), labelled), **keys)


def tell(watch, windows, part="quality"):
    """One text for each alert: the number of its window and its status."""
    told = []
    for window in windows:
        for alert in watch.judge(window, part=part, reference=None):
            told.append(((window.start - START) // MINUTE, str(alert.status)))
    return told


def series(values, **keys):
    return [accuracy(i, value, **keys) for i, value in enumerate(values)]


def test_a_threshold_fires_once_and_resolves():
    watch = watch_of(rule())
    assert tell(watch, series([0.9, 0.7, 0.6, 0.9, 0.9])) == [(1, "firing"), (3, "resolved")]


def test_the_alert_says_who_what_and_when():
    model = MadeModel(tags={"team": "risk", "alertname": "no"})
    marked = rule(severity="page", labels={"tier": "1"}, runbook_url="https://runbooks/low")
    watch = watch_of(marked, model=model)
    bad = accuracy(5, 0.7, version="7")
    (alert,) = watch.judge(bad, part="quality", reference=None)
    assert (alert.status, alert.severity, alert.kind) == (
        Status.FIRING,
        Severity.PAGE,
        AlertKind.QUALITY,
    )
    assert (alert.starts_at, alert.ends_at, alert.updated_at) == (bad.start, None, bad.end)
    assert (alert.metric, alert.value, alert.threshold) == ("quality.accuracy", 0.7, 0.8)
    assert alert.rows == 1000
    assert (alert.window.window, alert.window.end) == ("1m", bad.end)
    assert alert.labels == {
        "team": "risk",
        "tier": "1",
        "alertname": "accuracy-low",
        "model": "flight-delay",
        "version": "7",
        "severity": "page",
        "kind": "quality",
    }
    assert alert.runbook_url == "https://runbooks/low"
    (end,) = watch.judge(accuracy(6, 0.9, version="7"), part="quality", reference=None)
    assert (end.fingerprint, end.incident, end.starts_at) == (
        alert.fingerprint,
        alert.incident,
        alert.starts_at,
    )
    assert (end.ends_at, end.updated_at, end.value) == (bad.end, bad.end + MINUTE, 0.9)


def test_parts_are_judged_at_their_own_time():
    slow = rule(name="slow", metric="latency.p99_ms", when="> 250")
    watch = watch_of(rule(), slow)
    window = replace(accuracy(0, 0.5), latency=latency_of(p95=300.0))
    assert [a.rule for a in watch.judge(window, part="final", reference=None)] == ["slow"]
    assert [a.rule for a in watch.judge(window, part="quality", reference=None)] == ["accuracy-low"]


def test_for_and_keep_firing_for_count_event_time():
    watch = watch_of(rule(**{"for": "2m", "keep_firing_for": "3m"}))
    values = [0.7, 0.9, 0.7, 0.7, 0.7, 0.9, 0.7, 0.9, 0.9, 0.9, 0.9]
    assert tell(watch, series(values)) == [(4, "firing"), (9, "resolved")]


@pytest.mark.parametrize(
    ("keys", "window"),
    [
        ({"min_rows": 500}, accuracy(1, 0.5, labelled=499)),
        ({"min_completeness": 0.95}, accuracy(1, 0.5, rows=900, lost=100)),
        ({"min_completeness": 0.95}, replace(accuracy(1, 0.5), completeness=None)),
        (
            {"min_label_coverage": 0.5},
            window_of(1, quality=quality_of(200, 400, rows=1000)),
        ),
        ({}, window_of(1)),
        ({}, accuracy(1, 0.5, segment="carrier=UA")),
        ({"segments": "carrier=*"}, accuracy(1, 0.5)),
        ({"segments": "carrier=*"}, accuracy(1, 0.5, segment="origin=JFK")),
        ({"window": "5m"}, accuracy(1, 0.5)),
        ({"models": "fraud-*"}, accuracy(1, 0.5)),
    ],
)
def test_windows_that_say_nothing(keys, window):
    watch = watch_of(rule(**keys))
    assert tell(watch, [accuracy(0, 0.9), window]) == []


def test_a_window_that_says_nothing_resolves_nothing():
    watch = watch_of(rule(min_rows=500))
    windows = [accuracy(0, 0.5), accuracy(1, 0.95, labelled=10), accuracy(2, 0.95)]
    assert tell(watch, windows) == [(0, "firing"), (2, "resolved")]


def test_each_segment_and_version_is_an_incident_of_its_own():
    watch = watch_of(rule(segments="carrier=*"))
    alerts = []
    for version in ("1", "2"):
        for segment in ("carrier=AA", "carrier=UA"):
            bad = accuracy(0, 0.5, version=version, segment=segment)
            alerts += watch.judge(bad, part="quality", reference=None)
    assert len({a.fingerprint for a in alerts}) == len({a.incident for a in alerts}) == 4
    assert {a.labels["segment"] for a in alerts} == {"carrier=AA", "carrier=UA"}


def test_a_rule_is_judged_on_its_window():
    model = MadeModel(windows=(parse_window("1m"), parse_window("15m/1m")))
    watch = watch_of(rule(window="15m"), model=model)
    assert tell(watch, [accuracy(0, 0.5)]) == []
    long = accuracy(0, 0.5, window="15m/1m")
    (alert,) = watch.judge(long, part="quality", reference=None)
    # What slid in last is what made it bad.
    assert alert.starts_at == long.end - MINUTE
    assert watch.warnings == ()
    assert "window 7m is none of model" in watch_of(rule(window="7m")).warnings[0]


def test_a_rule_that_is_given_twice_is_judged_once_and_said():
    watch = watch_of(rule(), rule(when="< 0.5"), rule(name="other"))
    assert tell(watch, [accuracy(0, 0.4)]) == [(0, "firing")] * 2
    (warning,) = watch.warnings
    assert "'accuracy-low' is given more than once" in warning


def test_quiet_things_leave_nothing_behind():
    watch = ModelWatch(MadeModel(), [rule()], retention_ms=10 * MINUTE)
    assert tell(watch, series([0.7, 0.9])) == [(0, "firing"), (1, "resolved")]
    assert watch.snapshot()["tracks"]
    assert tell(watch, [accuracy(i, 0.9) for i in range(2, 20)]) == []
    assert watch.snapshot()["tracks"] == []


DROPS = [
    ("drop > 0.05", [0.90, 0.86, 0.84], [(2, "firing")]),
    ("drop > 10%", [0.90, 0.82, 0.80], [(2, "firing")]),
    ("rise > 0.02", [0.90, 0.91, 0.93], [(2, "firing")]),
    ("ratio < 0.9", [0.90, 0.82, 0.80], [(2, "firing")]),
]


@pytest.mark.parametrize(("when", "values", "told"), DROPS)
def test_changes_against_what_is_expected(when, values, told):
    watch = watch_of(rule(when=when), model=MadeModel(expect={"accuracy": 0.9}))
    assert tell(watch, series(values)) == told


def test_a_drop_without_a_baseline_says_nothing():
    assert tell(watch_of(rule(when="drop > 0.05")), series([0.9, 0.1])) == []


def test_a_drop_from_the_window_before():
    watch = watch_of(rule(when="drop > 0.05", baseline="previous"))
    assert tell(watch, series([0.9, 0.86, 0.80, 0.80])) == [(2, "firing"), (3, "resolved")]


def test_a_drop_from_the_rolling_mean():
    watch = watch_of(rule(when="drop > 0.05", baseline="rolling:1h"))
    assert tell(watch, series([0.1])) == []
    watch = watch_of(rule(when="drop > 0.05", baseline="rolling:1h"))
    assert tell(watch, series([0.9, 0.8, 0.9, 0.8, 0.9, 0.82, 0.75])) == [(6, "firing")]


def test_a_version_against_the_one_beside_it():
    watch = watch_of(rule(when="drop > 0.05", baseline="version:1"))
    told = []
    for i, (stable, canary) in enumerate([(0.9, 0.89), (0.5, 0.49), (0.9, 0.8)]):
        told += tell(watch, [accuracy(i, stable, version="1"), accuracy(i, canary, version="2")])
    # That both are bad is no difference between them.
    assert told == [(2, "firing")]


def test_unusual_is_learned_and_the_fault_is_not():
    slow = rule(name="learned", metric="latency.p95_ms", when="unusual")
    watch = watch_of(slow)

    def at(i, p95):
        return window_of(i, latency=latency_of(p95=p95))

    quiet = [at(i, 20.0 + i % 3) for i in range(60)]
    assert tell(watch, [at(0, 500.0)], "final") == []
    watch = watch_of(slow)
    assert tell(watch, quiet, "final") == []
    bad = [at(i, 90.0) for i in range(60, 400)]
    assert tell(watch, bad, "final") == [(60, "firing")]
    assert tell(watch, [at(400, 20.0)], "final") == [(400, "resolved")]


def test_forty_features_are_one_incident_that_lists_them():
    rng = np.random.default_rng(3)
    names = [f"f{n:02}" for n in range(40)]
    good = {name: rng.normal(0, 1, 2000) for name in names}
    reference = reference_of(good)
    moved = {n: rng.normal(3 if k < 12 else 0, 1, 500) for k, n in enumerate(names)}
    watch = watch_of(rule(name="input-drift", metric="features.*.psi", when="> 0.5"))
    window = window_of(0, moved, reference=reference)
    (alert,) = watch.judge(window, part="final", reference=reference)
    assert alert.kind is AlertKind.INPUT_DRIFT
    listed = {e.metric.split(".")[1] for e in alert.evidence}
    assert len(listed) >= 10 and listed <= set(names[:12])
    assert "12 inputs" in alert.summary


# Revisions: late labels.


def test_late_labels_that_overturn_an_alert_correct_it_once():
    watch = watch_of(rule())
    (alert,) = watch.judge(accuracy(1, 0.7), part="quality", reference=None)
    revised = accuracy(1, 0.85, revision=3)
    (corrected,) = watch.judge(revised, part="quality", reference=None)
    assert corrected.status is Status.CORRECTED
    assert (corrected.incident, corrected.starts_at) == (alert.incident, alert.starts_at)
    assert (corrected.window.revision, corrected.value) == (3, 0.85)
    assert "0.85, not 0.70" in corrected.summary
    assert watch.judge(replace(revised, revision=4), part="quality", reference=None) == []
    # The machine is quiet again: the next bad window is a new incident.
    assert tell(watch, [accuracy(2, 0.9), accuracy(3, 0.7)]) == [(3, "firing")]


def test_a_revision_never_raises_an_alert():
    watch = watch_of(rule())
    assert tell(watch, series([0.9, 0.9])) == []
    assert tell(watch, [accuracy(0, 0.1, revision=1)]) == []


def test_an_incident_that_stands_on_other_windows_is_not_corrected():
    watch = watch_of(rule())
    assert tell(watch, series([0.7, 0.7])) == [(0, "firing")]
    assert tell(watch, [accuracy(0, 0.9, revision=1)]) == []
    assert tell(watch, [accuracy(1, 0.9, revision=1)]) == [(1, "corrected")]


def test_an_incident_that_ended_can_be_corrected_too():
    watch = watch_of(rule())
    assert tell(watch, series([0.7, 0.9, 0.9])) == [(0, "firing"), (1, "resolved")]
    assert tell(watch, [accuracy(0, 0.82, revision=1)]) == [(0, "corrected")]


def test_with_for_one_good_window_of_the_wait_overturns_it():
    watch = watch_of(rule(**{"for": "1m"}))
    assert tell(watch, series([0.7, 0.7])) == [(1, "firing")]
    assert tell(watch, [accuracy(0, 0.9, revision=1)]) == [(0, "corrected")]
    # The second window is still bad: with the third it has been bad for a minute.
    assert tell(watch, [accuracy(2, 0.7)]) == [(2, "firing")]


def test_an_incident_that_ended_is_corrected_once():
    watch = watch_of(rule(**{"for": "1m"}))
    assert tell(watch, series([0.7, 0.7, 0.9])) == [(1, "firing"), (2, "resolved")]
    assert tell(watch, [accuracy(0, 0.9, revision=1)]) == [(0, "corrected")]
    assert tell(watch, [accuracy(1, 0.9, revision=1)]) == []


def test_an_incident_stands_once_its_first_windows_can_change_no_more():
    watch = ModelWatch(MadeModel(), [rule()], retention_ms=5 * MINUTE)
    assert tell(watch, series([0.7] * 12)) == [(0, "firing")]
    late = [accuracy(i, 0.9, revision=1) for i in range(6, 12)]
    assert tell(watch, late) == []


def test_a_correction_holds_the_value_against_the_limit_of_its_time():
    watch = watch_of(rule(when="drop > 0.05", baseline="previous"))
    assert tell(watch, series([0.9, 0.8, 0.5])) == [(1, "firing")]
    # 0.86 is no drop of 0.05 from 0.9, whatever came since.
    assert tell(watch, [accuracy(2, 0.78, revision=1)]) == []
    assert tell(watch, [accuracy(1, 0.86, revision=1)]) == [(1, "corrected")]


# The end of a stream.


def test_an_incident_of_a_version_that_is_gone_ends_and_says_so():
    watch = watch_of(rule())
    assert tell(watch, [accuracy(0, 0.7, version="1")]) == [(0, "firing")]
    windows = [accuracy(i, 0.9, version="2") for i in range(1, 40)]
    alerts = [a for w in windows for a in watch.judge(w, part="quality", reference=None)]
    assert [(a.version, str(a.status)) for a in alerts] == [("1", "resolved")]
    assert "no longer measured" in alerts[0].summary


def test_a_stream_that_is_silent_alone_keeps_its_incident():
    watch = watch_of(rule())
    assert tell(watch, [accuracy(0, 0.7), accuracy(500, 0.7)]) == [(0, "firing")]
