"""One fast clock must not make the rest too late."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.replay import fast_clocks
from pipeline.replay.fast_clocks import is_ahead

HOUR = 3_600_000


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=60),
    st.lists(st.integers(0, 30), max_size=30),
    st.integers(0, 10),
    st.sampled_from([1, 2, 3, 7, 8, 16, 25]),
)
@settings(max_examples=60, deadline=None)
def test_each_of_the_next_rows_is_compared(times, following, future, reach):
    before = fast_clocks.NEXT_ROWS
    fast_clocks.NEXT_ROWS = reach
    try:
        got = is_ahead(np.array(times), np.array(following, np.int64), future)
    finally:
        fast_clocks.NEXT_ROWS = before
    rows = times + following
    want = [
        bool(rows[n + 1 : n + 1 + reach])
        and all(rows[n] - later > future for later in rows[n + 1 : n + 1 + reach])
        for n in range(len(times))
    ]
    assert got.tolist() == want


def event(after_s, **more):
    ts = 1_764_000_000_000 + round(after_s * 1000)
    return {"model": "shop", "version": "1", "ts": ts, "prediction": "yes", **more}


def test_a_row_far_ahead_is_rejected_and_its_number_used(replayed):
    rows = [event(n, origin="s", seq=n) for n in range(20)]
    rows[5] = event(5 + 3600, origin="s", seq=5)
    got = replayed(rows)
    assert got.plain["deadletter"] == {"future": 1}
    assert (got.plain["rows"], got.plain["too_late"], got.plain["lost"]) == (19, 0, 0)


def test_the_last_row_never_is(replayed):
    got = replayed([event(0), event(1), event(3600)])
    assert got.plain["deadletter"] == {}
    assert got.plain["rows"] == 3


def test_what_was_received_is_believed(replayed):
    """Two senders an hour apart, by their records' own timestamps."""
    start = 1_764_000_000_000
    rows = [event(n, received=start + n * 1000) for n in range(5)]
    rows[2] = event(3602, received=start + 3_602_000)
    got = replayed(rows)
    assert got.plain["deadletter"] == {}
    assert got.plain["too_late"] == 2


def test_ahead_of_its_own_record_a_row_is_in_the_future(replayed):
    start = 1_764_000_000_000
    got = replayed([event(0, received=start), event(301, received=start), event(1, received=start)])
    assert got.plain["deadletter"] == {"future": 1}


def test_a_row_just_ahead_of_its_record_does_not_push_the_watermark(replayed):
    start = 1_764_000_000_000
    rows = [event(0, received=start), event(290, received=start), event(1, received=start + 1000)]
    got = replayed(rows)
    assert got.plain["too_late"] == 0
    assert [w["late"] for w in got.windows] == [0, 0]


@pytest.mark.parametrize("kind", ["latencies", "resources"])
def test_latencies_are_looked_at_and_resources_are_not(replayed, kind):
    rows = [{**event(n), "latency_ms": 1.0, "cpu_percent": 1.0} for n in range(20)]
    rows[5]["ts"] += HOUR
    got = replayed([event(0)], **{kind: rows})
    assert got.plain["deadletter"] == ({"future": 1} if kind == "latencies" else {})
