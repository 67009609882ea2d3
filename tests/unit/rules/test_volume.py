"""Volume over all versions: canaries are no fault, silence is, and nights are learned."""

import msgpack
import numpy as np
from made_windows import MINUTE, START, latency_of, window_of

from inferwatch.settings.types import parse_window
from pipeline.rules.budget import Allowance
from pipeline.rules.rhythm import HOUR_MS, Rhythm
from pipeline.rules.verdict import State
from pipeline.rules.volume import FORGOTTEN, VolumeWatch

ALLOWANCE = Allowance.of(2, detectors=8, slide=MINUTE)


def volume():
    return VolumeWatch("flight-delay", parse_window("1m"), ALLOWANCE)


def feed(watch, i, *rows, requests=None):
    """A minute in which each version has these rows; its verdicts."""
    for n, count in enumerate(rows):
        latency = None if requests is None else latency_of(count=requests)
        watch.add(window_of(i, rows=count, version=str(n + 1), latency=latency))
    return [
        (str(v.dead.state), str(v.odd.state))
        for v in watch.until(START + (i + 1) * MINUTE, named=False)
    ]


def warm(watch, *rows, minutes=40):
    rng = np.random.default_rng(1)
    for i in range(minutes):
        states = feed(watch, i, *(int(rng.poisson(r)) for r in rows))
        assert (str(State.BREACHED) not in state for state in states)
    return minutes


def test_a_canary_that_takes_half_is_no_fault():
    watch = volume()
    at = warm(watch, 600)
    assert feed(watch, at, 300, 300) == [("clear", "clear")]
    assert watch.version == "1"


def test_half_of_everything_gone_is():
    watch = volume()
    at = warm(watch, 600)
    assert feed(watch, at, 120, 120) == [("clear", "breached")]


def test_thrice_as_much_is_odd_too():
    watch = volume()
    at = warm(watch, 600)
    assert feed(watch, at, 2_500) == [("clear", "breached")]
    assert feed(watch, at + 1, 1_200) == [("clear", "clear")]


def test_nothing_is_said_of_a_stream_that_nobody_knows_yet():
    watch = volume()
    assert feed(watch, 0, 600) == [("unknown", "unknown")]
    assert feed(watch, 1) == [("unknown", "unknown")]


def test_three_silent_minutes_are_a_dead_stream_though_no_window_comes():
    watch = volume()
    at = warm(watch, 600)
    states = [state for i in range(5) for state, _ in feed(watch, at + i)]
    assert states == ["unknown", "unknown", "breached", "breached", "breached"]
    assert feed(watch, at + 5, 600)[0][0] == "clear"


def test_a_clock_that_leaps_judges_each_minute_between():
    watch = volume()
    at = warm(watch, 600)
    dead = [v.dead.state for v in watch.until(START + (at + 4) * MINUTE, named=False)]
    assert dead == [State.UNKNOWN, State.UNKNOWN, State.BREACHED, State.BREACHED]


def test_a_silence_of_weeks_costs_no_work():
    watch = volume()
    at = warm(watch, 600)
    month = START + (at + 100_000) * MINUTE
    first = sum(1 for _ in watch.until(START + (at + FORGOTTEN + 5) * MINUTE, named=True))
    assert first <= FORGOTTEN + 5 and sum(1 for _ in watch.until(month, named=True)) == 0
    assert watch.last == month


def test_a_trickle_is_silent_now_and_then():
    watch, rng = volume(), np.random.default_rng(2)
    for i in range(300):
        rows = int(rng.poisson(0.5))
        states = feed(watch, i, *([rows] if rows else []))
        assert all(dead != "breached" for dead, _ in states)


def test_of_a_model_without_predictions_its_requests_count():
    watch = volume()
    for i in range(40):
        feed(watch, i, 0, requests=500)
    states = [feed(watch, 40 + i)[0][0] for i in range(3)]
    assert states == ["unknown", "unknown", "breached"]


def test_predictions_that_stop_are_dead_while_requests_go_on():
    watch = volume()
    for i in range(40):
        feed(watch, i, 500, requests=500)
    assert [feed(watch, 40 + i, 0, requests=500)[0][0] for i in range(3)][-1] == "breached"


def test_the_alert_names_the_version_with_the_most_rows():
    watch = volume()
    warm(watch, 200, 400)
    assert watch.version == "2"


def test_a_restart_changes_nothing():
    one, rng = volume(), np.random.default_rng(3)
    other = volume()
    for i in range(60):
        rows = [] if 45 <= i < 50 else [int(rng.poisson(300))]
        assert feed(one, i, *rows) == feed(other, i, *rows)
        stored = msgpack.packb(other.as_plain())
        other = volume()
        other.restore(msgpack.unpackb(stored))
    assert one.as_plain() == other.as_plain()


def test_the_second_night_is_no_fault():
    watch = volume()
    hours = [0] * 6 + [300] * 18
    pages = []
    for i in range(3 * 24 * 60):
        rows = hours[(START // HOUR_MS + i // 60) % 24]
        for dead, _ in feed(watch, i, *([rows] if rows else [])):
            if dead == "breached":
                pages.append(i // (24 * 60))
    assert set(pages) == {0}, "the first night is unknown, the others are as usual"


def test_an_outage_of_one_day_does_not_make_the_next_one_usual():
    rhythm = Rhythm()
    for day in range(4):
        for minute in range(180):
            rows = 0 if day == 2 else 100
            rhythm.take(day * 24 * HOUR_MS + minute * MINUTE, rows, ordinary=rows > 0)
    usual = rhythm.usual(4 * 24 * HOUR_MS + 60 * MINUTE)
    assert usual is not None and usual.high == 100
