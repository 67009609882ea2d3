"""Order, batches, partitions, panes and storage change no count and no bit of a window.

Only `std` is rounded on the way (each merge rounds once more): it agrees to 1e-9.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_windows import RULES, draw, profile, spoil, window

from inferwatch.events.json_codec import window_to_dict
from inferwatch.events.window import WindowResult
from pipeline.decode.column_values import column_of
from pipeline.state.packing import pack, unpack
from pipeline.stats import LatencyCounter
from pipeline.windows.pane import Counts

TASKS = ("binary", "multiclass", "regression")


def stds(plain: Any, path: str = "") -> dict[str, float]:
    """Takes the standard deviations out of a result: by where they stood."""
    found = {}
    if isinstance(plain, dict):
        for key in list(plain):
            if key == "std" and plain[key] is not None:
                found[path] = plain.pop(key)
            else:
                found |= stds(plain[key], f"{path}.{key}")
    return found


def assert_equal(one: WindowResult, other: WindowResult) -> None:
    plain, again = window_to_dict(one), window_to_dict(other)
    widths, others = stds(plain), stds(again)
    assert plain == again
    assert widths == {path: pytest.approx(std, rel=1e-9, abs=0) for path, std in others.items()}


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(0, 10**6), min_size=2, max_size=2))
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("against", ["a reference", "none"])
def test_any_split_and_order_gives_the_same_window(
    task: str, against: str, seed: int, cuts: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    reference = profile(draw(rng, 300, task, float), task) if against == "a reference" else None
    raw = draw(rng, int(rng.integers(1, 200)), task, float)
    spoil(rng, raw)
    one, other = (window(cut, raw, task, reference) for cut in cuts)
    assert_equal(one, other)


def counts_of(seed: int, rows: int) -> Counts:
    """Counts with everything in them but inputs, which the test above covers."""
    rng = np.random.default_rng(seed)
    counts = Counts(RULES["binary"], rows=rows, duplicates=seed % 3, lost=seed % 5, joinable=rows)
    counts.latency = LatencyCounter()
    none = np.full(rows, np.nan)
    counts.latency.update(rng.lognormal(size=rows), rng.random(rows) < 0.2, none, none + 1)
    counts.quality = counts.rules.quality()
    texts = rng.choice(["yes", "no"], (2, rows)).tolist()
    counts.quality.update(*texts, {"yes": rng.random(rows)}, rng.exponential(1e6, rows))
    return counts


def merged(*parts: Counts) -> Counts:
    whole = Counts(RULES["binary"])
    for part in parts:
        whole.merge(part)
    return whole


def shown(counts: Counts) -> tuple[Any, ...]:
    assert counts.latency is not None and counts.quality is not None
    latency = counts.latency.result(60_000)
    numbers = (counts.rows, counts.duplicates, counts.lost, counts.joinable)
    return numbers, latency, counts.quality.result(counts.joinable)


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.tuples(st.integers(0, 10**6), st.integers(1, 90))] * 3))
def test_merging_is_associative_and_commutative(drawn: tuple[tuple[int, int], ...]) -> None:
    a, b, c = (counts_of(seed, rows) for seed, rows in drawn)
    straight = shown(merged(a, b, c))
    assert shown(merged(merged(a, b), c)) == straight
    assert shown(merged(a, merged(b, c))) == straight
    assert shown(merged(c, a, b)) == straight
    assert shown(merged(merged(c, b), a)) == straight


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60))
def test_stored_read_back_and_gone_on_equals_never_having_stopped(seed: int, rows: int) -> None:
    straight, stored = counts_of(seed, rows), counts_of(seed, rows)
    stored = Counts.restore(unpack(pack(stored.snapshot()), "a pane"), {}, stored.rules)
    for counts in (straight, stored):
        counts.merge(counts_of(seed + 1, rows))
        counts.merge(counts_of(seed + 2, 3))
    assert shown(stored) == shown(straight)
    assert pack(stored.snapshot()) == pack(straight.snapshot())


def test_the_comparison_sees_one_bit() -> None:
    raw = draw(np.random.default_rng(1), 20, "binary", float)
    one = window(1, raw, "binary", None)
    assert one.features is not None
    block = one.features["normal"]
    for field, value in (("mean", np.nextafter(block.mean, 9)), ("std", block.std * (1 + 1e-8))):
        wrong = {"normal": dataclasses.replace(block, **{field: float(value)})}
        with pytest.raises(AssertionError):
            assert_equal(one, dataclasses.replace(one, features=one.features | wrong))


@pytest.mark.parametrize("swap", [False, True])
def test_a_column_that_only_one_partition_names_lacks_the_rows_of_the_other(swap: bool) -> None:
    parts = []
    for name, rows in (("x", 3), ("y", 4)):
        counts = Counts(RULES["binary"], rows=rows)
        answers = column_of(["yes"] * rows)
        numbers = {name: column_of([1.5] * rows)}
        counts.against(None).update(numbers, answers, {"yes": numbers[name]} if rows == 3 else {})
        parts.append(counts)
    whole = merged(*parts[:: -1 if swap else 1]).against(None)
    blocks = whole.feature_blocks()
    assert [(blocks[name].count, blocks[name].missing) for name in "xy"] == [(3, 4), (4, 3)]
    assert (whole.score_blocks()["yes"].count, whole.score_blocks()["yes"].missing) == (3, 4)
