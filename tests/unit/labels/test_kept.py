"""Which rows are kept for labels, and what is kept of each."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.columns import Column, PredictionRows
from pipeline.decode import Chunk
from pipeline.labels.kept import kept_rows
from pipeline.labels.packed_rows import of_shape, pack_rows, segment_names, shape_names, unpack_rows
from pipeline.labels.score_bits import lengthen, needs_all_bits, shorten
from pipeline.labels.shape import Shape, name_of
from pipeline.stats.calibration import Calibration
from pipeline.windows.pane import PaneKey

PANE = PaneKey("m", "7", "", 0)
UNIT = st.floats(0, 1)


def text_column(texts):
    names = tuple(dict.fromkeys(text for text in texts if text is not None))
    codes = [-1 if text is None else names.index(text) for text in texts]
    return Column(len(texts), codes=np.array(codes, np.int32), texts=names)


def chunk(prediction, scores=(), ts=None, offset=None):
    n = prediction.size
    rows = PredictionRows(
        size=n,
        ts=np.array(ts if ts is not None else range(n), np.int64),
        model=np.zeros(n, np.int32),
        models=("m",),
        version=np.zeros(n, np.int32),
        versions=("7",),
        prediction=prediction,
        scores={name: Column(n, numbers=np.array(column)) for name, column in dict(scores).items()},
        ids=tuple(f"i{place}" for place in range(n)),
    )
    return Chunk(
        rows=rows,
        partition=0,
        offset=np.array(offset if offset is not None else range(n), np.int64),
        row=np.zeros(n, np.int32),
        record_ts=rows.ts,
        origin=None,
        sparse=False,
    )


def told(row):
    """All of a found row, as text: what is no number is not equal to itself."""
    about = (row.identity, row.ts, row.rows.shape.version, row.rows.shape.closed_until)
    return repr((about, row.model, row.text, row.number, row.scores, row.segments))


def kept_of(one, segments=()):
    """By id: what a label finds, once as kept and once out of the packed bytes."""
    at = np.arange(one.rows.size)
    found = {}
    for kept in kept_rows(one, at, PANE, 5, [(text, np.array(p)) for text, p in segments]):
        as_kept = dict(kept.found("p:0"))
        about = kept.shape.pack("p:0")
        packed = pack_rows(kept, name_of(about))
        assert shape_names(packed) == [name_of(about)]
        assert len(of_shape(packed, name_of(about))) == len(packed)
        source, shape = Shape.unpack(about)
        names, _, places = segment_names(packed, shape)
        texts = {name_of(text.encode()): text for text in kept.segment_texts}
        unpacked = unpack_rows(packed, shape, kept.ids, [texts[name] for name in names], places)
        back = dict(unpacked.found(source))
        assert {one: told(row) for one, row in back.items()} == {
            one: told(row) for one, row in as_kept.items()
        }
        assert not found.keys() & as_kept.keys()
        found |= as_kept
    return found


def test_rows_of_all_classes_and_segments_come_apart_and_together_again():
    one = chunk(
        text_column(["yes", "no", "yes", None, "no"]),
        {"yes": [0.9, 0.1, np.nan, 0.5, 0.25], "no": [0.1, np.nan, np.nan, 0.5, 0.75]},
    )
    found = kept_of(one, [("a=1", [0, 1]), ("a=2", [2, 4]), ("b=x", [1, 2])])
    assert set(found) == {"i0", "i1", "i2", "i4"}
    assert {one: row.text for one, row in found.items()} == {
        "i0": "yes", "i1": "no", "i2": "yes", "i4": "no",
    }  # fmt: skip
    assert {one: row.segments for one, row in found.items()} == {
        "i0": ("a=1",), "i1": ("a=1", "b=x"), "i2": ("a=2", "b=x"), "i4": ("a=2",),
    }  # fmt: skip
    assert found["i1"].scores == {"yes": pytest.approx(0.1, rel=1e-7)}
    assert found["i2"].scores == {}
    assert {row.rows.shape.closed_until for row in found.values()} == {5}


def test_numbers_are_kept_exactly_and_small_whole_ones_are_classes():
    values = [0.0, -0.0, 1.0, 15.0, 16.0, 0.1, -3.0, 1e300, math.inf, math.nan]
    found = kept_of(chunk(Column(len(values), numbers=np.array(values))))
    assert repr([found[f"i{n}"].number for n in range(len(values))]) == repr(values)
    assert [found[f"i{n}"].text for n in range(4)] == ["0", "0", "1", "15"]
    assert found["i5"].text == "0.1"
    shapes = kept_rows(
        chunk(Column(len(values), numbers=np.array(values))), np.arange(len(values)), PANE, 5, []
    )
    assert sorted(str(one.shape.text) for one in shapes) == ["0", "1", "15", "None"]


def test_what_holds_no_prediction_is_not_kept():
    odd = Column(
        3,
        numbers=np.array([1.0, 2.0, 3.0]),
        is_number=np.array([True, False, False]),
        odd=np.array([False, True, False]),
    )
    assert set(kept_of(chunk(odd))) == {"i0"}


def test_a_row_that_does_not_fit_six_bytes_is_kept_whole():
    one = chunk(text_column(["x"] * 3), ts=[2**62, -(2**62), 7], offset=[0, 1, 2**61])
    found = kept_of(one)
    assert [found[f"i{n}"].ts for n in range(3)] == [2**62, -(2**62), 7]
    assert found["i2"].identity == f"p:0:{2**61}:0"


def test_the_form_of_a_row_depends_on_no_other_row():
    scores = {"x": [0.31, 0.2, 1.5], "y": [0.69, 0.8, -0.5]}
    together = kept_of(chunk(text_column(["x", "x", "y"]), scores))
    for n in range(3):
        alone = {name: [column[n]] for name, column in scores.items()}
        (row,) = kept_of(chunk(text_column([["x", "x", "y"][n]]), alone)).values()
        assert row.scores == together[f"i{n}"].scores


@given(UNIT)
@example(0.0)
@example(1.0)
@example(0.5)
@example(math.nextafter(0.5, 1))
@example(5e-324)
@example(1 - 2**-53)
def test_both_ends_of_a_score_keep_their_precision(score):
    back = float(lengthen(shorten(np.array([score])))[0])
    assert back == pytest.approx(score, rel=6e-8, abs=1e-44)
    assert 1 - back == pytest.approx(1 - score, rel=6e-8, abs=1e-44)
    assert (back == 1.0) == (score == 1.0)


@given(st.lists(UNIT, min_size=2, max_size=20))
def test_order_and_ties_of_scores_are_kept(scores):
    ordered = np.sort(np.array(scores))
    assert (np.diff(lengthen(shorten(ordered))) >= 0).all()


@given(st.sampled_from([n / d for d in (3, 5, 7, 10, 15, 30, 100, 150) for n in range(d + 1)]))
def test_no_score_moves_into_another_bin_of_calibration(score):
    for confidence in (score, 1 - score):
        array = np.array([score])
        stored = array if needs_all_bits(array)[0] else lengthen(shorten(array))
        kept = float(stored[0]) if confidence == score else 1 - float(stored[0])
        mine, theirs = Calibration(), Calibration()
        for counter, value in ((mine, confidence), (theirs, kept)):
            counter.update(np.array([value]), np.array([True]))
        assert mine.snapshot()[0] == theirs.snapshot()[0]


def test_what_is_no_probability_needs_all_bits():
    odd = np.array([-1e-300, 1.0000001, math.inf, math.nan, 1 / 3, 0.2])
    assert needs_all_bits(odd).all()
    assert not needs_all_bits(np.array([0.0, 1.0, 0.5, 1e-9, 1 - 1e-9, 0.3])).any()
