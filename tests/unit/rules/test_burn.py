"""Objectives: stories of bad requests a minute, and what is told of the budget."""

from dataclasses import replace

import msgpack
import numpy as np
import pytest
from made_windows import MINUTE, START, MadeModel, latency_of, quality_of, window_of

from inferwatch.events.alert import AlertKind, Status
from inferwatch.settings.rules import RuleSettings
from inferwatch.settings.types import parse_window
from pipeline.rules.indicator import IndicatorCounts
from pipeline.rules.watch import ModelWatch

DAY = 86_400_000
ERRORS = {"metric": "latency.error_rate", "objective": 99}
SLOW = {"metric": "latency.slow_rate", "over": "300ms", "objective": 99}
ACCURACY = {"metric": "quality.accuracy", "objective": 95}


def watch_of(slo=ERRORS, *, windows=("1m",), **keys):
    plain = {"name": "promise", "slo": slo, "severity": "page", **keys}
    model = MadeModel(windows=tuple(parse_window(w) for w in windows))
    return ModelWatch(model, [RuleSettings.model_validate(plain)], retention_ms=7 * DAY)


def failing(i, bad, count=600, **keys):
    return window_of(i, latency=latency_of(count=count, errors=bad), **keys)


def story(*parts):
    """(minutes, bad of 600 a minute) parts, one after the other."""
    values = [bad for minutes, bad in parts for _ in range(minutes)]
    return [failing(i, bad) for i, bad in enumerate(values)]


def tell(watch, windows, part="final"):
    told = []
    for window in windows:
        for alert in watch.judge(window, part=part, reference=None):
            minute = (window.start - START) // MINUTE
            told.append((minute, str(alert.status), str(alert.severity)))
    return told


def first(watch, windows, part="final"):
    for window in windows:
        for alert in watch.judge(window, part=part, reference=None):
            return alert
    raise AssertionError("nothing fired")


def test_a_fast_burn_pages_and_ends_by_its_short_windows():
    # 30 % fail, 30 times what 99 % allows: 14.4 of an hour's average after 29 minutes.
    told = tell(watch_of(), story((120, 0), (40, 180), (120, 0)))
    assert told == [(148, "firing", "page"), (162, "resolved", "page")]


def test_a_slow_burn_is_a_ticket_after_days():
    # 5 times too fast is no page; 10 % of 30 days are gone after 14.4 hours of it.
    windows = [failing(i, 30 if i >= 864 else 0, window="5m") for i in range(864 + 180)]
    told = tell(watch_of(windows=("5m",)), windows)
    assert told == [(4320 + 860, "firing", "ticket")]
    assert tell(watch_of(windows=("5m",), severity="info"), windows)[0][2] == "info"


def test_a_short_burst_spends_too_little_to_tell():
    assert tell(watch_of(), story((120, 0), (8, 600), (300, 0))) == []
    assert tell(watch_of(), story((120, 0), (9, 600)))[0][0] == 128


def test_one_bad_request_at_a_streams_start_is_not_a_months_budget():
    assert tell(watch_of(), [failing(0, 20, count=20)]) == []


def test_the_windows_are_scaled_to_the_period():
    # 2 % of 3 days' budget: in 6 minutes instead of an hour.
    assert tell(watch_of({**ERRORS, "period": "3d"}), story((120, 0), (40, 180)))[0] == (
        122,
        "firing",
        "page",
    )


@pytest.mark.parametrize(
    ("objective", "minute"), [(99, 148), (99.5, 134), (98, None), ("99.9", 122)]
)
def test_the_objective_says_what_may_be_bad(objective, minute):
    told = tell(watch_of({**ERRORS, "objective": objective}), story((120, 0), (40, 180)))
    assert [at for at, _, severity in told if severity == "page"][:1] == (
        [] if minute is None else [minute]
    )


def test_the_alert_says_what_is_left_and_until_when():
    alert = first(watch_of(labels={"tier": "1"}), story((120, 0), (60, 180)))
    assert (alert.kind, alert.metric) == (AlertKind.ERRORS, "latency.error_rate.burn")
    assert alert.value == pytest.approx(14.5) and alert.threshold == 14.4
    assert alert.rows == 36_000 and alert.labels["tier"] == "1"
    assert alert.summary.startswith(
        "Error budget of flight-delay burns 14.5 times as fast as it may since 16:00 UTC: 14 % of "
        "requests failed in the last hour (1 % may), and the budget of 30 days is gone in 24 hours "
        "at the rate of the last 5 minutes; "
    )
    spent, burnt = alert.evidence[:2]
    # 29 minutes of 30 % in 30 days of which 1 % may be bad.
    assert spent.share == pytest.approx(29 * 0.3 / (30 * 1440 * 0.01))
    assert spent.text == (
        "2 % of the error budget of 30 days is spent; at the rate of the last 5 minutes the rest "
        "is gone in 24 hours, at 2025-11-26 16:00 UTC"
    )
    assert burnt.text == (
        "14 % of requests failed in the last hour (5,220 of 36,000): 14.5 times what 99 % allows, "
        "and 30.0 times in the last 5 minutes (threshold 14.4 in both)"
    )
    assert "just before 16:00 UTC" in alert.suggestions[-1].text
    assert "failing part" in alert.suggestions[-1].text


def test_a_budget_that_is_gone_is_said_to_be():
    alert = first(watch_of({**ERRORS, "period": "1h"}), story((60, 0), (30, 600)))
    assert "the budget of 1 hour is gone" in alert.summary
    assert alert.evidence[0].text.endswith("is spent: the objective is missed")
    assert alert.evidence[0].share == 1.0


def test_a_resolved_alert_says_what_it_burns_now():
    watch = watch_of()
    alerts = [
        alert
        for window in story((120, 0), (40, 180), (60, 0))
        for alert in watch.judge(window, part="final", reference=None)
    ]
    assert alerts[-1].status is Status.RESOLVED
    assert alerts[-1].summary.startswith("Burn rate of the error objective of flight-delay is back")
    assert "% of the error budget" in alerts[-1].evidence[0].text


def test_slow_requests_are_those_above_the_limit_that_the_rule_names():
    def slow(i, **counts):
        return replace(failing(i, 0), latency=replace(latency_of(), slow=counts or None))

    watch = watch_of(SLOW)
    assert tell(watch, [slow(i) for i in range(60)]) == []
    # Nothing is known of 300 ms in windows that do not count it: none of them is good.
    bad = [slow(i, **{"300ms": 600, "1s": 0}) for i in range(60, 120)]
    alert = first(watch, bad)
    assert alert.kind is AlertKind.LATENCY
    assert "100 % of requests took longer than 300 ms" in alert.summary
    assert first(watch_of({**SLOW, "over": "1s"}), [slow(i, **{"1s": 600}) for i in range(60)])


def test_wrong_predictions_are_judged_once_their_labels_are_in():
    def labelled(i, right):
        return window_of(i, quality=quality_of(right, 1000))

    windows = [labelled(i, 980 if i < 120 else 100) for i in range(180)]
    assert tell(watch_of(ACCURACY), windows, "final") == []
    alert = first(watch_of(ACCURACY), windows, "quality")
    assert alert.kind is AlertKind.QUALITY
    assert "of labelled predictions were wrong" in alert.summary
    # The causes see the window's own accuracy.
    assert "concept_change" not in [c.cause for c in alert.causes]


@pytest.mark.parametrize(
    ("keys", "change"),
    [
        ({"min_rows": 1_000_000}, {}),
        ({"min_completeness": 0.95}, {"lost": 100}),
        ({"min_label_coverage": 0.5}, {}),
        ({"segments": "region=*"}, {}),
        ({"models": "fraud-*"}, {}),
        ({"window": "5m"}, {}),
        ({"for": "61m"}, {}),
    ],
)
def test_what_keeps_an_objective_quiet(keys, change):
    windows = [failing(i, 600 if i >= 60 else 0, **change) for i in range(121)]
    assert tell(watch_of(), windows)[0] == (68, "firing", "page")
    assert tell(watch_of(**keys), windows) == []


def test_min_rows_is_about_the_short_window():
    windows = [failing(i, 600 if i >= 60 else 0) for i in range(100)]
    assert tell(watch_of(min_rows=3000), windows)[0] == (68, "firing", "page")
    # 3,001 are never in five minutes, but in half an hour.
    assert tell(watch_of(min_rows=3001), windows)[0] == (81, "firing", "page")


def test_each_segment_and_version_has_a_budget_of_its_own():
    watch = watch_of(segments="region=*")
    alerts = []
    for i in range(80):
        for version, segment, bad in (("1", "region=eu", 600), ("2", "region=eu", 0)):
            window = failing(i, bad, version=version, segment=segment)
            alerts += watch.judge(window, part="final", reference=None)
    assert {(a.version, a.segment) for a in alerts} == {("1", "region=eu")}


def test_keep_firing_for_and_for_count_event_time():
    windows = story((120, 0), (40, 180), (120, 0))
    told = tell(watch_of(**{"for": "5m", "keep_firing_for": "10m"}), windows)
    assert told == [(153, "firing", "page"), (171, "resolved", "page")]


def test_windows_that_overlap_are_counted_once():
    size = 5 * MINUTE
    sliding = [
        replace(
            failing(i, 600),
            window="5m/1m",
            start=START + i * MINUTE,
            end=START + i * MINUTE + size,
        )
        for i in range(60)
    ]
    watch = watch_of(windows=("5m/1m",))
    assert tell(watch, sliding)[0] == (5, "firing", "page")
    ((*_, past),) = [p for p in watch.snapshot()["pasts"] if p[0].endswith(".burn")]
    assert sum(past[3][2][2::3]) == 600 * 12


def test_a_restart_anywhere_changes_nothing():
    windows = story((200, 0), (40, 180), (60, 1), (200, 60))
    whole = tell(watch_of(), windows)
    assert len(whole) > 2
    watch, told = watch_of(), []
    for i in range(0, len(windows), 7):
        state = msgpack.unpackb(msgpack.packb(watch.snapshot()), strict_map_key=False)
        watch = watch_of()
        watch.restore(state)
        told += tell(watch, windows[i : i + 7])
    assert told == whole


def test_a_month_of_minutes_is_small_and_its_sums_are_near():
    bad = np.random.default_rng(5).poisson(np.linspace(0, 40, 45_000))
    counts = IndicatorCounts(MINUTE)
    for i, many in enumerate(bad.tolist(), 1):
        counts.add(i * MINUTE, (many, 100), 30 * DAY)
    for minutes in (1, 5, 30, 60, 128, 360, 4_320, 43_200):
        got = counts.over(45_000 * MINUTE, minutes * MINUTE)
        exact = minutes <= 128
        assert got[0] == pytest.approx(bad[-minutes:].sum(), rel=0 if exact else 0.002)
        assert got[1] == pytest.approx(100 * minutes, rel=0 if exact else 0.002)
    plain = msgpack.unpackb(msgpack.packb(counts.as_plain()))
    assert IndicatorCounts.from_plain(plain) == counts
    assert len(msgpack.packb(plain)) < 4_000


def test_late_events_that_overturn_an_alert_correct_it():
    windows = story((120, 0), (30, 180))
    watch = watch_of()
    assert tell(watch, windows) == [(148, "firing", "page")]
    # Ten of the bad minutes were good: neither of the two last windows burnt so fast.
    revised = [replace(failing(i, 0), revision=1) for i in range(130, 140)]
    assert tell(watch, revised) == []
    last = [replace(failing(i, 170), revision=1) for i in (148, 149)]
    assert tell(watch, last) == [(149, "corrected", "page")]


def test_later_windows_are_judged_as_the_earlier_ones_were():
    """What comes late depends on arrival: an incident must not."""
    watch = watch_of()
    tell(watch, story((148, 0)))
    assert tell(watch, [replace(failing(i, 600), revision=1) for i in range(100, 148)]) == []
    assert tell(watch, [failing(148, 0)]) == []


def test_windows_too_long_for_the_burn_are_said():
    assert watch_of().warnings == ()
    (warning,) = watch_of({**ERRORS, "period": "1d"}).warnings
    assert "to be seen in 10s" in warning and "windows are 1m" in warning
    (warning,) = watch_of(windows=("1h",)).warnings
    assert "to be seen in 5m" in warning and "windows are 1h" in warning
