"""A first reference learned in a replay: from the first rows, in force for those that follow."""

import random

import pytest
from replay_events import START, row

from pipeline.replay import event_lines

CONFIG = """
defaults: {{windows: [10s], lateness: {lateness}, reference: {{learn: {learn}}}}}
retention: {{restate: 1m}}
"""


def config(learn="1m", lateness="0s"):
    return CONFIG.format(learn=learn, lateness=lateness)


def events(seconds=120, model="shop", shift_at=None, seed=3):
    """Ten rows a second; from `shift_at` on the amounts are ten times as large."""
    rnd = random.Random(seed)
    return [
        row(
            n / 10,
            model=model,
            features={
                "amount": rnd.gauss(100, 20) * (10 if shift_at and n / 10 >= shift_at else 1),
                "country": rnd.choice(["DE", "FR"]),
            },
        )
        for n in range(seconds * 10)
    ]


def since(windows):
    """When the first window that is measured against a reference begins, in seconds."""
    starts = [w["start"] for w in windows if w["reference"] is not None]
    return (min(starts) - START) / 1000 if starts else None


def test_the_first_minute_is_learned_from_and_what_follows_measured(replayed):
    got = replayed(events(shift_at=90), config())
    assert since(got.windows) == 60
    for window in got.windows:
        learned = window["start"] >= START + 60_000
        assert window["provisional"] is learned
        assert (window["features"]["amount"]["psi"] is not None) is learned
    assert got.window(start=START + 70_000)["features"]["amount"]["psi"] < 0.3
    assert got.window(start=START + 100_000)["features"]["amount"]["psi"] > 2
    assert got.window(start=START + 70_000)["features"]["country"]["unseen"] == 0


def test_off_learns_nothing(replayed):
    got = replayed(events(), config(learn='"off"'))
    assert since(got.windows) is None
    assert not any(window["provisional"] for window in got.windows)


@pytest.mark.parametrize(("learn", "seconds"), [("30s", 30), ("90s", 90), ("10m", None)])
def test_how_long_is_as_the_config_says(replayed, learn, seconds):
    assert since(replayed(events(), config(learn=learn)).windows) == seconds


def test_a_model_may_say_for_itself(replayed):
    text = config(learn='"off"') + "models: [{name: shop, reference: {learn: 30s}}]"
    got = replayed([*events(), *events(model="other")], text, by_time=True)
    assert since([w for w in got.windows if w["model"] == "shop"]) == 30
    assert since([w for w in got.windows if w["model"] == "other"]) is None


def test_a_reference_that_is_given_is_the_only_one(replayed, tmp_path):
    given = tmp_path / "r.csv"
    given.write_text("amount,country\n" + "".join(f"{n},DE\n" for n in range(300)))
    got = replayed(events(), config(), references=given)
    assert since(got.windows) == 0
    assert not any(window["provisional"] for window in got.windows)


def test_late_rows_are_waited_for_as_long_as_the_config_says(replayed):
    rows = events(80)
    # They come at 64 s: with a lateness of 5 s the learning goes on until 65.
    rows[640:640] = [row(20, features={"country": "XX"}) for _ in range(90)]
    psi = {}
    for lateness in ("5s", "2s"):
        got = replayed(rows, config(lateness=lateness))
        psi[lateness] = got.window(start=START + 70_000)["features"]["country"]["psi"]
    assert psi["5s"] > 0.5 > 0.1 > psi["2s"]


def test_a_window_is_measured_when_most_of_its_rows_came_after_the_learning(replayed):
    late = [row(20, features={"amount": 5.0, "country": "DE"}) for _ in range(90)]
    rows = events(80)
    rows[640:640] = late
    got = replayed(rows, config())
    before = got.window(start=START + 20_000)
    # What it said without a reference stays, but for the rows that came after.
    assert (before["late"], before["rows"], before["reference"]) == (90, 190, None)
    assert before["features"]["amount"]["count"] == 100
    rows[640:640] = late
    got = replayed(rows, config())
    assert got.window(start=START + 20_000)["features"]["amount"]["count"] == 180
    assert got.window(start=START + 20_000)["provisional"]
    assert since(replayed(events(), config(lateness="4s")).windows) == 60
    assert since(replayed(events(), config(lateness="6s")).windows) == 70


def test_batches_do_not_decide(replayed, monkeypatch):
    rnd = random.Random(7)
    rows = events(100)
    for n in range(0, len(rows) - 40, 40):
        part = rows[n : n + 40]
        rnd.shuffle(part)
        rows[n : n + 40] = part
    # Counted nowhere, so that nothing is learned from it, nor sooner for its sake.
    rows.insert(550, row(-20, features={"amount": 1.0}))
    want = replayed(rows, config("63s", "2s"), revisions=True).lines
    assert b'"provisional":true' in want
    for size in (7, 100):
        monkeypatch.setattr(event_lines, "LINES", size)
        assert replayed(rows, config("63s", "2s"), revisions=True).lines == want


def test_each_model_learns_by_itself(replayed):
    late = [event | {"ts": event["ts"] + 30_000} for event in events(80, model="b", seed=4)]
    got = replayed([*events(), *late], config(), by_time=True)
    assert since([w for w in got.windows if w["model"] == "shop"]) == 60
    assert since([w for w in got.windows if w["model"] == "b"]) == 90
    references = {w["reference"] for w in got.windows if w["reference"]}
    assert len(references) == 2


@pytest.mark.parametrize("lines", [3, 100, 8_192])
def test_a_wrong_clock_at_the_beginning_ends_no_learning(replayed, monkeypatch, lines):
    monkeypatch.setattr(event_lines, "LINES", lines)
    rows = [{**row(0), "ts": n} for n in range(3)] + events(90)
    # Time goes on before the first right row comes.
    latency = {"model": "shop", "version": "1", "ts": START - 1, "latency_ms": 1.0}
    got = replayed(rows, config("63s"), latencies=[latency])
    assert since(got.windows) == 60
    assert got.window(start=START + 60_000)["features"]["amount"]["count"] == 69
