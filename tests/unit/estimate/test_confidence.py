"""Rows by predicted class and confidence: any split, any order, in and out of storage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.columns import Column
from pipeline.estimate.confidence import BINS, EDGES, ConfidenceCounter, Confidences
from pipeline.windows.counting import CountingRules
from pipeline.windows.pane import Counts


def predicted(texts):
    names = tuple(sorted({text for text in texts if text is not None}))
    codes = [-1 if text is None else names.index(text) for text in texts]
    return Column(len(texts), codes=np.array(codes, np.int32), texts=names)


def test_bins_rise_and_reach_from_nought_to_one():
    assert (np.diff(EDGES) > 0).all()
    assert EDGES[0] > 0
    assert 1 - 1e-3 < EDGES[-1] < 1
    assert len(EDGES) == BINS - 1


def test_the_score_is_the_predicted_class_s_own():
    scores = {"a": np.array([0.9, 0.2, np.nan]), "b": np.array([0.1, 0.8, 0.7])}
    rows = Confidences.of(predicted(["a", "b", "a"]), scores, None)
    bins = EDGES.searchsorted([0.9, 0.8], "left")
    assert rows.keys.tolist() == [bins[0], BINS + bins[1], -1]


def test_a_binary_model_s_bare_score_is_the_positive_class_s():
    rows = Confidences.of(predicted(["no", "yes"]), {"": np.array([0.1, 0.6])}, "yes")
    bins = EDGES.searchsorted([0.9, 0.6], "left")
    assert rows.keys.tolist() == [bins[0], BINS + bins[1]]


def test_rows_without_a_class_or_out_of_range():
    rows = Confidences.of(predicted(["a", None, "a"]), {"a": np.array([1.5, 0.5, np.inf])}, None)
    assert rows.keys.tolist() == [BINS - 1, -1, -1]
    spread = rows.spread(np.array([4, 0, 2]), 6)
    assert spread.keys.tolist() == [-1, -1, -1, -1, BINS - 1, -1]


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.floats(0, 1)), max_size=40),
    st.lists(st.integers(0, 40), max_size=4),
)
def test_any_cut_gives_the_same_counts(rows, cuts):
    whole, parts, stored = ConfidenceCounter(), ConfidenceCounter(), ConfidenceCounter()

    def of(some):
        scores = np.array([score for _, score in some])
        return Confidences.of(predicted([name for name, _ in some]), {"a": scores}, "a")

    whole.update(of(rows))
    bounds = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    for n, (first, after) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
        part = ConfidenceCounter()
        part.update(of(rows[first:after]))
        parts.merge(part)
        stored = ConfidenceCounter.restore(stored.snapshot())
        (stored.update if n % 2 else stored.merge)(of(rows[first:after]) if n % 2 else part)
    assert parts.snapshot() == whole.snapshot() == stored.snapshot()


def test_merging_takes_nothing_from_the_other():
    one, other = ConfidenceCounter(), ConfidenceCounter()
    other.update(Confidences.of(predicted(["a"]), {"a": np.array([0.5])}, None))
    one.merge(other)
    one.merge(other)
    assert one.by_class()["a"].sum() == 2
    assert other.by_class()["a"].sum() == 1


def test_classes_of_other_batches_have_other_codes():
    counter = ConfidenceCounter()
    for texts in (["b", "c"], ["a", "b"]):
        scores = dict.fromkeys("abc", np.array([0.5, 0.5]))
        counter.update(Confidences.of(predicted(texts), scores, None))
    totals = {name: int(counts.sum()) for name, counts in counter.by_class().items()}
    assert totals == {"a": 1, "b": 2, "c": 1}


@pytest.mark.parametrize("positive", [None, "yes"])
def test_nothing_to_see_is_nothing_counted(positive):
    counter = ConfidenceCounter()
    counter.update(Confidences.of(predicted([]), {"yes": np.empty(0)}, positive))
    assert counter.snapshot() == {}


def test_panes_of_a_version_that_counted_no_confidence_are_read():
    rules = CountingRules(
        task="binary", classes=(), positive="a", max_categories=9, categorical=frozenset()
    )
    counts = Counts(rules, rows=3, confidence=ConfidenceCounter())
    counts.confidence.update(Confidences.of(predicted(["a"]), {"a": np.array([0.5])}, None))
    back = Counts.restore(counts.snapshot(), {}, rules)
    assert back.confidence.snapshot() == counts.confidence.snapshot()
    older = Counts.restore(counts.snapshot()[:9], {}, rules)
    assert (older.rows, older.confidence) == (3, None)
