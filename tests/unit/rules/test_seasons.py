"""What is usual by the hour: streams with days and weeks in them."""

import math

import msgpack
import numpy as np
import pytest
from made_windows import START, MadeModel, latency_of, window_of

from inferwatch.settings.rules import RuleSettings
from inferwatch.settings.types import parse_window
from pipeline.rules.seasons import HOUR, Season, usual_at
from pipeline.rules.watch import ModelWatch

DAY = 24 * HOUR
WEEK = 7 * DAY
STEP = 30 * 60_000
RULE = RuleSettings.model_validate({"name": "learned", "metric": "latency.p95_ms",
                                    "when": "unusual"})  # fmt: skip


def level(ts, *, odd=lambda ts: None):
    """Milliseconds: 20 at night and on weekends, up to 80 about noon of a weekday."""
    special = odd(ts)
    if special is not None:
        return special
    day, hour = ts // DAY % 7, ts % DAY / HOUR
    # 1970-01-01 was a Thursday: days 2 and 3 are Saturday and Sunday.
    bump = 0.0 if day in (2, 3) else 60 * max(0.0, math.sin((hour - 6) / 12 * math.pi))
    noise = np.random.default_rng(ts // 1000).normal(0, 0.5)
    return 20 + bump + noise


def watch_of():
    return ModelWatch(MadeModel(windows=(parse_window("30m"),)), [RULE], retention_ms=DAY)


def told(watch, weeks, *, start=0.0, odd=lambda ts: None):
    """Alerts that fired: (time since START, alert)."""
    found = []
    for i in range(round(start * WEEK / STEP), round(weeks * WEEK / STEP)):
        ts = START + i * STEP
        latency = latency_of(p95=level(ts, odd=odd))
        for alert in watch.judge(
            window_of(i, window="30m", latency=latency), part="final", reference=None
        ):
            # The first mornings are news to it.
            if alert.status == "firing" and ts >= START + 4 * DAY:
                found.append((ts, alert))
    return found


def test_days_and_weekends_are_usual():
    assert told(watch_of(), 6) == []


def test_what_lasts_does_not_become_usual_once_weeks_are_known():
    broken = START + 3 * WEEK + 2 * DAY
    watch = watch_of()
    ((at, _),) = told(watch, 5, odd=lambda ts: 300.0 if ts >= broken else None)
    assert at == broken


@pytest.mark.parametrize(
    ("weeks", "finds"),
    [
        # At noon of a weekday 20 ms are the night's level, which the last windows know.
        (1, False),
        (2, False),
        (4, True),
        (5, True),
    ],
)
def test_what_is_usual_at_another_hour_is_unusual_now(weeks, finds):
    # START is a Tuesday, 14:00 UTC: weeks later, its next noon.
    noon = START + weeks * WEEK + 22 * HOUR
    found = told(watch_of(), weeks + 0.2, odd=lambda ts: 20.0 if ts == noon else None)
    assert [ts for ts, _ in found] == ([noon] if finds else [])
    if finds:
        ((_, alert),) = found
        assert alert.baseline == pytest.approx(80, abs=2) and alert.threshold > 40
        assert "by the same hour of the week in the last 4 weeks" in alert.evidence[0].text


def test_a_weekend_is_known_by_its_own_days():
    saturday_noon = START + 4 * WEEK + 4 * DAY - 2 * HOUR
    found = told(watch_of(), 4.6, odd=lambda ts: 80.0 if ts == saturday_noon else None)
    assert [ts for ts, _ in found] == [saturday_noon]
    assert found[0][1].baseline == pytest.approx(20, abs=1)


def test_what_no_hour_was_used_to_is_found_before_weeks_are_known():
    bad = START + 6 * DAY
    ((at, alert),) = told(watch_of(), 1, odd=lambda ts: 500.0 if ts == bad else None)
    assert "windows and the same hour of the last 7 days" in alert.evidence[0].text


def test_one_odd_week_moves_little():
    noon = START + 4 * WEEK + 22 * HOUR
    other = START + 2 * WEEK + 22 * HOUR
    values = {noon: 20.0, other: 45.0}
    assert noon in [ts for ts, _ in told(watch_of(), 4.2, odd=values.get)]


def test_an_hour_early_or_late_is_usual():
    """Clocks that are changed for the summer move a day's shape by one hour."""
    moved = START + 4 * WEEK
    found = told(watch_of(), 5, odd=lambda ts: level(ts + HOUR) if ts >= moved else None)
    assert found == []


def test_warming_up_is_said():
    watch = watch_of()
    (said,) = watch.warnings
    assert said == (
        "rule 'learned' learns latency.p95_ms: 0 of 30 windows seen, before that nothing is unusual"
    )
    told(watch, 12 * STEP / WEEK)
    assert "12 of 30 windows seen" in watch.warnings[0]
    told(watch, 1, start=12 * STEP / WEEK)
    assert "after 3 weeks with the hour of the week; 7 days seen" in watch.warnings[0]
    told(watch, 3.1, start=1)
    assert watch.warnings == ()


def test_a_restart_changes_nothing_of_what_is_usual():
    kept, restored = Season(), Season()
    for i in range(1500):
        end = START + i * STEP + STEP
        for season in (kept, restored):
            season.add(end, level(end))
        plain = msgpack.unpackb(msgpack.packb(restored.as_plain()))
        restored = Season.from_plain(plain)
        if i % 100 == 0:
            assert usual_at([1.0] * 50, kept, end) == usual_at([1.0] * 50, restored, end)
    assert kept == restored
    assert len(msgpack.packb(kept.as_plain())) < 6_500


def test_hours_without_windows_are_no_zeros():
    season = Season()
    for day in range(10):
        for hour in range(8, 18):
            season.add(START // DAY * DAY + day * DAY + hour * HOUR + HOUR, 5.0)
    morning = START // DAY * DAY + 10 * DAY + 9 * HOUR
    assert season.of_day(morning)[0] == 5.0
    assert season.of_day(morning + 14 * HOUR) is None
    again = Season.from_plain(season.as_plain())
    assert again.hours == season.hours


def test_values_beyond_four_bytes_do_no_harm():
    season = Season()
    for hour in range(3):
        season.add(START + hour * HOUR, 1e300)
    assert all(math.isfinite(part) for known in season.hours.values() for part in known)
