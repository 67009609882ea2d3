"""The rows that a first reference is learned from: the same ones, however they came."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decode.column_values import column_of
from pipeline.reference import row_sample
from pipeline.reference.row_sample import EVERY_PART, HEAD, RowSample

LEARN = 1_000
Row = dict[str, Any]


def sample_of(rows: list[Row], learn: int = LEARN) -> RowSample:
    sample = RowSample()
    take(sample, rows, learn)
    return sample


def take(sample: RowSample, rows: list[Row], learn: int = LEARN) -> set[int]:
    names = sorted({name for row in rows for name in row} - {"ts"})
    columns = {name: column_of([row.get(name) for row in rows]) for name in names}
    return sample.update(np.array([row["ts"] for row in rows], np.int64), columns, learn)


def rows_of(count: int, seed: int = 1, span: int = 1_500) -> list[Row]:
    rnd = random.Random(seed)
    rows: list[Row] = []
    for _ in range(count):
        row: Row = {"ts": rnd.randrange(span), "prediction": rnd.choice(["yes", "no", 1.0])}
        if rnd.random() < 0.9:
            row["x"] = rnd.choice([rnd.gauss(0, 1), float("nan"), "text", 0.0])
        if rnd.random() < 0.5:
            row["c"] = rnd.choice("uvw")
        rows.append(row)
    return rows


def said(sample: RowSample, learn: int = LEARN) -> dict[str, list[str]]:
    """The table of a sample, comparable."""
    found = {}
    for name, column in sample.table(learn).items():
        texts = [column.texts[c] if c >= 0 else "" for c in column.codes] if column.texts else []
        found[name] = [repr(texts), repr(column.doubles().tolist()), repr(column.missing().sum())]
    return found


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_sample, "USED_ROWS", 40)
    monkeypatch.setattr(row_sample, "KEPT_ROWS", 80)


@settings(deadline=None, max_examples=40)
@given(
    data=st.data(),
    parts=st.integers(1, 4),
    batch=st.integers(1, 70),
    seed=st.integers(0, 5),
)
def test_neither_partitions_nor_batches_nor_order_decide_which_rows(data, parts, batch, seed):
    rows = rows_of(400, seed)
    want = said(sample_of(rows))
    rnd = data.draw(st.randoms(use_true_random=False))
    # Out of order, but by less than what is learned from.
    shuffled = sorted(rows, key=lambda row: row["ts"] + rnd.randrange(LEARN - 100))
    samples = [RowSample() for _ in range(parts)]
    for first in range(0, len(shuffled), batch):
        take(samples[first // batch % parts], shuffled[first : first + batch])
    whole = RowSample()
    for sample in data.draw(st.permutations(samples)):
        whole.merge(sample)
    assert said(whole) == want
    assert len(want["ts"]) == 3 and len(whole) <= 80


def test_they_are_a_fair_share_of_the_first_rows():
    rows = rows_of(4_000)
    times = sample_of(rows).table(LEARN)["ts"].doubles()
    assert len(times) == 40
    assert times.max() < LEARN
    assert 300 < times.mean() < 700


def test_what_comes_after_the_end_of_the_learning_is_left_out():
    rows: list[Row] = [{"ts": 5, "x": 1.0}, {"ts": LEARN + 4, "x": 2.0}, {"ts": LEARN + 5, "x": 3}]
    assert sorted(sample_of(rows).table(LEARN)["x"].doubles()) == [1.0, 2.0]
    # Another partition began sooner: what this one took by its own first row is too late.
    whole = sample_of(rows)
    whole.merge(sample_of([{"ts": 0, "x": 4.0}]))
    assert whole.first == 0
    assert sorted(whole.table(LEARN)["x"].doubles()) == [1.0, 4.0]


def test_rows_that_say_the_same_keep_their_weight():
    rows: list[Row] = [{"ts": 1, "x": 1.0}] * 3 + [{"ts": 1, "x": 2.0}]
    apart = sample_of(rows[:2])
    apart.merge(sample_of(rows[2:]))
    for sample in (sample_of(rows), apart):
        assert len(sample) == 2
        assert sorted(sample.table(LEARN)["x"].doubles()) == [1.0, 1.0, 1.0, 2.0]


def test_many_copies_fall_in_proportion(monkeypatch):
    monkeypatch.setattr(row_sample, "MOST_COPIES", 100)
    rows: list[Row] = [{"ts": 1, "x": 1.0}] * 900 + [{"ts": 1, "x": 2.0}] * 300
    values = sample_of(rows).table(LEARN)["x"].doubles().tolist()
    assert (values.count(1.0), values.count(2.0)) == (75, 25)


def test_of_large_rows_fewer_are_kept(monkeypatch):
    rows: list[Row] = [{"ts": n, "x": "t" * 100 + str(n)} for n in range(60)]
    assert len(sample_of(rows)) == 60
    monkeypatch.setattr(row_sample, "KEPT_BYTES", 2_000)
    halves = sample_of(rows[:30])
    halves.merge(sample_of(rows[30:]))
    assert halves == sample_of(rows)
    assert 15 < len(halves) < 20
    assert len(halves.table(LEARN)["ts"].doubles()) < 11


@settings(deadline=None)
@given(seed=st.integers(0, 20), cut=st.integers(1, 299))
def test_storing_what_changed_and_going_on_equals_never_having_stopped(seed, cut):
    rows = rows_of(300, seed)
    whole = RowSample()
    stored: dict[int, Any] = {}
    for part in (rows[:cut], rows[cut:]):
        going_on = RowSample.restore(stored)
        assert going_on == whole
        changed = take(whole, part)
        assert take(going_on, part) == changed
        stored |= {number: going_on.part(number) for number in changed}
    assert RowSample.restore(stored) == whole
    assert said(RowSample.restore(stored)) == said(whole)


def test_few_parts_change_with_a_row():
    sample = sample_of(rows_of(40))
    assert take(sample, []) == set()
    changed = take(sample, [{"ts": -5, "x": 0.125}])
    assert len(changed) == 2 and HEAD in changed
    assert take(sample, [{"ts": 9_999, "x": 0.125}]) == set()
    assert set(EVERY_PART) >= changed


def test_a_value_is_what_it_was():
    row: Row = {"ts": 1, "a": [1, 2], "b": "1", "c": 1.0, "d": float("inf"), "e": None, "f": True}
    table = sample_of([row]).table(LEARN)
    assert table["a"].odd is not None and table["a"].odd.tolist() == [True]
    assert table["b"].texts == ("1",) and table["f"].texts == ("true",)
    assert (table["c"].doubles()[0], table["d"].doubles()[0]) == (1.0, float("inf"))
    assert "e" not in table


def strays() -> list[Row]:
    return [{"ts": n, "x": float(n)} for n in (0, 7, 7)]


def test_a_few_rows_of_a_wrong_clock_are_no_beginning():
    rows: list[Row] = [{"ts": 50_000 + n, "x": float(n)} for n in range(60)]
    want = sample_of(rows)
    assert want.first == 50_000
    assert sample_of([*strays(), *rows]) == want
    one_by_one = RowSample()
    stored: dict[int, Any] = {}
    for row in [*strays(), *rows]:
        stored |= {number: one_by_one.part(number) for number in take(one_by_one, [row])}
        stored |= {number: one_by_one.part(number) for number in stored}
    assert one_by_one == want
    assert RowSample.restore(stored) == want
    assert RowSample.merged([want, sample_of(strays()), RowSample()], LEARN) == want


def test_what_begins_slowly_and_goes_on_is_a_beginning():
    slow: list[Row] = [{"ts": n * 900, "x": float(n)} for n in range(5)]
    assert sample_of(slow).first == 0
    rows: list[Row] = [{"ts": n, "x": float(n)} for n in range(20)]
    rows.append({"ts": 9_000, "x": 0.5})
    assert sample_of(rows).first == 0
    assert RowSample.merged([sample_of(rows[-1:]), sample_of(rows[:-1])], LEARN).first == 0


def test_late_rows_that_were_not_kept_leave_a_table():
    sample = sample_of(rows_of(2_000, span=900))
    take(sample, [{"ts": -5_000 - n, "x": n / 7} for n in range(2)])
    assert sample.first == -5_001
    assert len(sample.table(LEARN)["ts"].doubles()) > 0


def test_where_all_are_far_apart_the_last_is_the_beginning():
    rows: list[Row] = [{"ts": n * 2 * LEARN, "x": float(n)} for n in range(3_000)]
    whole = sample_of(rows)
    assert (whole.first, len(whole)) == (2_999 * 2 * LEARN, 1)
    halves = sample_of(rows[:1_700])
    take(halves, rows[1_700:])
    assert halves == whole
