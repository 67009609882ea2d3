"""Sums over windows: slow faults add up, odd windows do not, and nothing flaps."""

import msgpack

from pipeline.rules.cusum import MAX_SUMS, Run, Step, advanced, slow_verdict
from pipeline.rules.verdict import State


def step(score, *, key="a", effect=1.0, enough=0.5, limit=5.0, metric="features.a.ks"):
    return Step(
        key=key,
        metric=metric,
        score=score,
        slack=1.0,
        limit=limit,
        value=0.1,
        baseline=0.0,
        effect=effect,
        enough=enough,
        rows=500,
        start=0,
    )


def after(scores, **keys):
    runs = {}
    for score in scores:
        runs = advanced(runs, [step(score, **keys)])
    return runs


def test_a_shift_that_no_window_shows_adds_up():
    assert not after([2.0] * 5)["a"].told
    assert after([2.0] * 6)["a"].told


def test_one_odd_window_is_no_slow_fault_however_odd():
    assert not after([1e9])["a"].told
    assert after([1e9, 1e9])["a"].told


def test_what_nobody_minds_is_not_told():
    assert not after([3.0] * 20, effect=0.1)["a"].told


def test_it_is_over_soon_after_the_fault_is_and_not_before_half_the_limit():
    runs = after([3.0] * 50)
    told = []
    for _ in range(10):
        runs = advanced(runs, [step(0.0)])
        told.append("a" in runs and runs["a"].told)
    assert told == [True] * 4 + [False] * 6


def test_a_score_that_is_no_number_adds_nothing():
    runs = after([2.0, 2.0])
    assert advanced(runs, [step(float("nan"))]) == runs


def test_the_verdict_counts_the_window_and_names_each_metric_once():
    runs = after([2.0] * 5)
    verdict = slow_verdict(runs, [step(2.0), step(-2.0, key="b")])
    assert (verdict.state, verdict.urgent) == (State.BREACHED, True)
    [found] = verdict.findings
    assert found.metric == "features.a.ks" and found.value > found.threshold
    assert slow_verdict({}, []).state is State.UNKNOWN


def test_the_sums_of_a_model_are_bounded():
    steps = [step(2.0 + n, key=str(n), limit=1e9) for n in range(MAX_SUMS + 10)]
    kept = advanced({}, steps)
    assert len(kept) == MAX_SUMS and "0" not in kept


def test_a_run_survives_storage():
    run = after([2.0] * 6)["a"]
    assert Run.from_plain(msgpack.unpackb(msgpack.packb(run.as_plain()))) == run
