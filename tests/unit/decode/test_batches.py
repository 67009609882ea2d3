"""Batches: good rows beside bad ones, small records put together, and the order of the log."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from decoding import (
    ARROW,
    NOW,
    arrow_record,
    decoder,
    ipc,
    json_record,
    reasons,
    record,
    rows,
    stream,
)

from inferwatch.events.arrow_writer import write_batch
from inferwatch.events.kinds import Kind
from inferwatch.events.prediction import Prediction
from pipeline.columns import PredictionRows
from pipeline.decode import Chunk, arrow_chunks


def features(chunk: Chunk) -> set[str]:
    assert isinstance(chunk.rows, PredictionRows)
    return set(chunk.rows.features)


def test_the_good_rows_of_a_batch_count_and_each_bad_one_is_a_dead_letter() -> None:
    columns = {
        "model": ["m", None, "m", "m", "m"],
        "ts": pa.array([NOW, NOW, None, NOW * 1000, NOW + 1]),
        "prediction": ["a", "b", "c", "d", None],
        "features.x": [1.0, 2.0, 3.0, 4.0, 5.0],
    }
    headers = (("origin", b"o"), ("seq", b"100"))
    decoded = decoder().decode([arrow_record(columns, None, headers, offset=5)])
    assert [(row["seq"], row["features.x"]) for row in rows(decoded)] == [(100, "1.0")]
    letters = [(x.offset, x.row, x.reason, x.where) for x in decoded.rejected]
    assert letters == [
        (5, 1, "no_model", "model"),
        (5, 2, "no_ts", "ts"),
        (5, 3, "future", "ts"),
        (5, 4, "no_prediction", "prediction"),
    ]
    (chunk,) = decoded.chunks
    assert chunk.rejected_seq.tolist() == [101, 102, 103, 104]


def test_the_first_fault_is_the_same_one_on_both_paths() -> None:
    event = {"model": None, "ts": None, "prediction": None, "features": 5}
    one = decoder().decode([json_record(event)])
    other = decoder().decode([arrow_record({name: [v] for name, v in event.items()})])
    assert reasons(one) == reasons(other) == [("no_model", "model")]
    assert one.rejected[0].detail == other.rejected[0].detail


def test_a_rejected_row_is_kept_as_an_event_that_can_be_sent_again() -> None:
    columns = {
        "ts": [NOW, NOW],
        "prediction": ["a", None],
        "features.x": [1.0, float("nan")],
        "features.a.b": ["é", "ü"],
        "scores.s": [0.5, 0.25],
        "segment.region": ["eu", "us"],
    }
    decoded = decoder(keep="full").decode([arrow_record(columns, {"model": "m", "version": "7"})])
    data = base64.b64decode(decoded.rejected[0].data or "")
    assert decoded.rejected[0].length == len(data)
    mended = json.loads(data) | {"prediction": "b"}
    assert mended["features"]["a.b"] == "ü"
    (row,) = rows(decoder().decode([json_record(mended)]))
    assert (row["model"], row["version"], row["features.x"]) == ("m", "7", "nan")
    assert (row["scores.s"], row["segments.region"]) == ("0.25", "'us'")


def test_the_numbers_of_rejected_events_are_told_also_when_nothing_else_came() -> None:
    headers = (("origin", b"o"), ("seq", b"3"))
    for bad in (json_record({"ts": 1}, headers), json_record({"ts": "x"}, headers)):
        (chunk,) = decoder().decode([bad]).chunks
        assert (chunk.rows.size, chunk.origin, chunk.rejected_seq.tolist()) == (0, "o", [3])
    # What is too large was one event all the same; of a batch nobody knows how many rows it had.
    large = json_record({"model": "m" * 99}, headers)
    (chunk,) = decoder(event_bytes=64).decode([large]).chunks
    assert chunk.rejected_seq.tolist() == [3]
    assert decoder(event_bytes=64).decode([replace(large, headers=ARROW + headers)]).chunks == []
    columns = {"ts": pa.array([None, None], pa.int64()), "prediction": ["a", "b"]}
    (chunk,) = decoder().decode([arrow_record(columns, {"model": "m"}, headers)]).chunks
    assert (chunk.rows.size, chunk.rejected_seq.tolist()) == (0, [3, 4])


def test_a_rejected_batch_that_is_sent_again_fills_its_first_senders_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    columns = {"ts": pa.array([NOW, NOW]), "prediction": ["a", "b"]}
    own = {"model": "m", "origin": "o"}
    again = (("origin", b"me/0"), ("seq", b"0"), ("sparse", b"1"), ("redriven-seq", b"7"))
    named = (*again, ("redriven-origin", b"pod"))
    for headers, origin in ((again, "o"), (named, "pod")):
        decoded = decoder().decode([arrow_record(columns, own, headers, offset=9)])
        filled, good = decoded.chunks
        assert (good.origin, good.sparse, [row["seq"] for row in rows(decoded)]) == (
            *("me/0", True),
            [0, 1],
        )
        assert (filled.origin, filled.sparse, filled.rows.size) == (origin, False, 0)
        assert filled.rejected_seq.tolist() == [7, 8]
        assert filled.rejected_offset.tolist() == [9, 9]
    # Not where a column numbers the rows, nor when it is rejected once more.
    numbered = columns | {"seq": pa.array([70, 71])}
    assert len(decoder().decode([arrow_record(numbered, own, named)]).chunks) == 1
    assert decoder(event_bytes=64).decode([arrow_record(columns, own, named)]).chunks == []

    def cannot(*_: object) -> None:
        raise pa.ArrowNotImplementedError("no such kernel")

    monkeypatch.setattr(arrow_chunks, "fields_of", cannot)
    refused = decoder().decode([arrow_record(columns, own, named)])
    assert (reasons(refused), refused.chunks) == ([("malformed", "")], [])


@pytest.mark.parametrize("kind", list(Kind))
def test_a_chunk_of_rejected_numbers_alone_is_whole(kind: Kind) -> None:
    headers = (("origin", b"o"), ("seq", b"3"))
    (chunk,) = decoder(kind).decode([json_record({}, headers)]).chunks
    assert chunk.rows.size == len(chunk.offset) == len(chunk.rows.ts) == 0


def test_small_batches_of_one_sender_become_one_chunk_in_order() -> None:
    sent = [
        arrow_record(
            {
                "ts": [NOW + i, NOW + i],
                "prediction": [f"{i}", f"{i}'"],
                "features.x": [1.0 * i, -1.0],
            },
            {"model": "m"},
            (("origin", b"o"), ("seq", str(2 * i).encode())),
            offset=10 + i,
        )
        for i in range(5)
    ]
    decoded = decoder().decode(sent)
    (chunk,) = decoded.chunks
    assert chunk.offset.tolist() == [10, 10, 11, 11, 12, 12, 13, 13, 14, 14]
    assert chunk.row.tolist() == [0, 1] * 5
    assert chunk.record_ts.tolist() == [NOW] * 10
    assert [row["seq"] for row in rows(decoded)] == list(range(10))
    assert [row["prediction"] for row in rows(decoded)[:3]] == [
        "'0'",
        '"0\'"'.replace('"', "'"),
        "'1'",
    ]


def test_senders_schemas_and_partitions_stay_apart() -> None:
    def batch(origin: bytes, partition: int, name: str) -> object:
        columns = {"ts": [NOW], "prediction": ["a"], name: [1.0]}
        return arrow_record(columns, {"model": "m"}, (("origin", origin),), partition=partition)

    sent = [
        batch(o, p, n) for o in (b"x", b"y") for p in (0, 1) for n in ("features.a", "features.b")
    ]
    chunks = decoder().decode(sent * 2).chunks  # type: ignore[arg-type]
    assert len(chunks) == 8
    assert {(c.origin, c.partition, *features(c)) for c in chunks} == {
        (o, p, n) for o in "xy" for p in (0, 1) for n in ("a", "b")
    }
    assert all(c.rows.size == 2 for c in chunks)


def test_many_single_events_become_one_chunk_a_model() -> None:
    events = [
        {"model": f"m{i % 2}", "ts": NOW + i, "prediction": "a", "features": {f"only{i % 2}": i}}
        for i in range(100)
    ]
    decoded = decoder().decode([json_record(e, offset=i) for i, e in enumerate(events)])
    assert [features(c) for c in decoded.chunks] == [{"only0"}, {"only1"}]
    assert [row["ts"] for row in rows(decoded)] == [NOW + i for i in range(100)]


def test_in_a_batch_of_two_models_each_keeps_the_features_it_has_values_of() -> None:
    columns = {
        "model": ["a", "b", "a"],
        "ts": [NOW] * 3,
        "prediction": ["x"] * 3,
        "features.a": [1.0, None, None],
        "features.b": [None, "t", None],
        "features.none": pa.nulls(3),
    }
    decoded = decoder().decode([arrow_record(columns)])
    assert {c.rows.models[c.rows.model[0]]: features(c) for c in decoded.chunks} == {  # type: ignore[union-attr]
        "a": {"a", "none"},
        "b": {"b", "none"},
    }
    assert [chunk.row.tolist() for chunk in decoded.chunks] == [[0, 2], [1]]


def test_dictionaries_that_differ_from_batch_to_batch_are_put_together() -> None:
    def batch(texts: list[str | None], offset: int) -> object:
        values = pa.array(texts).dictionary_encode()
        columns = {"ts": [NOW] * len(texts), "prediction": ["a"] * len(texts), "features.c": values}
        return arrow_record(columns, {"model": "m"}, offset=offset)

    decoded = decoder().decode([batch(["x", "y"], 0), batch(["y", None, "z"], 1)])  # type: ignore[list-item]
    assert [row["features.c"] for row in rows(decoded)] == ["'x'", "'y'", "'y'", None, "'z'"]


def test_a_foreign_dictionary_may_repeat_itself_and_hold_nulls() -> None:
    indices = pa.array([0, 1, 2, 3, None], pa.int8())
    values = pa.DictionaryArray.from_arrays(indices, pa.array(["x", "x", None, "y"]))
    columns = {"ts": [NOW] * 5, "prediction": ["a"] * 5, "features.c": values}
    decoded = decoder().decode([arrow_record(columns, {"model": "m"})])
    assert [row["features.c"] for row in rows(decoded)] == ["'x'", "'x'", None, "'y'", None]
    (chunk,) = decoded.chunks
    assert isinstance(chunk.rows, PredictionRows)
    assert chunk.rows.features["c"].texts == ("x", "y")


INTS = (pa.int8, pa.int16, pa.int32, pa.int64, pa.uint8, pa.uint16, pa.uint32, pa.uint64)


@pytest.mark.parametrize("kind", [*INTS, pa.float16, pa.float32, pa.float64])
def test_any_type_of_number(kind: object) -> None:
    array = pa.array([1, None, 3]).cast(kind())  # type: ignore[operator]
    columns = {
        "ts": [NOW] * 3,
        "prediction": ["a"] * 3,
        "features.x": array,
        "features.y": array[1:2].slice(0),
    }
    columns.pop("features.y")
    assert [
        row["features.x"] for row in rows(decoder().decode([arrow_record(columns, {"model": "m"})]))
    ] == ["1.0", None, "3.0"]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array(["a", None], pa.large_string()), ["'a'", None]),
        (pa.array(["a", None], pa.string_view()), ["'a'", None]),
        (pa.array([True, None]), ["'true'", None]),
        (pa.array([1, 2]).cast(pa.decimal128(30, 2)), ["1.0", "2.0"]),
        (pa.array([0, None], pa.timestamp("s")), ["'1970-01-01T00:00:00'", None]),
        (
            pa.array([0, None], pa.timestamp("ms", "Europe/Berlin")),
            ["'1970-01-01T00:00:00.000Z'", None],
        ),
        (
            pa.array([0, None], pa.timestamp("ms", "Nowhere/Land")),
            ["'1970-01-01T00:00:00.000Z'", None],
        ),
        (pa.array([0, None], pa.date32()), ["'1970-01-01'", None]),
        (pa.array([61, None], pa.time32("s")), ["'00:01:01'", None]),
        (pa.array([5, None], pa.duration("ms")), ["5.0", None]),
        (pa.array([[1], None]), ["odd", None]),
        (pa.array([b"x", None]), ["odd", None]),
        (pa.array([1, 2]).dictionary_encode(), ["1.0", "2.0"]),
        (pa.RunEndEncodedArray.from_arrays([2], ["r"]), ["'r'", "'r'"]),
        (pa.nulls(2), [None, None]),
        (
            pa.UnionArray.from_sparse(
                pa.array([1, 0], pa.int8()), [pa.array([1.0, 2.0]), pa.array(["s", "t"])]
            ),
            ["'s'", "2.0"],
        ),
        (
            pa.UnionArray.from_dense(
                pa.array([5, 9], pa.int8()),
                pa.array([0, 0], pa.int32()),
                [pa.array([True]), pa.array([[1]])],
                ["b", "l"],
                [5, 9],
            ),
            ["'true'", "odd"],
        ),
    ],
)
def test_any_other_type(array: pa.Array, expected: list[str | None]) -> None:
    columns = {"ts": [NOW] * 2, "prediction": ["a"] * 2, "features.x": array}
    decoded = decoder().decode([arrow_record(columns, {"model": "m"})])
    assert [row["features.x"] for row in rows(decoded)] == expected


def test_a_struct_is_an_object_and_a_literal_name_wins() -> None:
    columns = {
        "ts": [NOW] * 2,
        "prediction": ["a"] * 2,
        "features": pa.array([{"x": 1, "in": {"y": "t"}}, None]),
        "features.in.y": ["literal", None],
    }
    decoded = decoder().decode([arrow_record(columns, {"model": "m"})])
    assert [(row["features.x"], row["features.in.y"]) for row in rows(decoded)] == [
        ("1.0", "'literal'"),
        (None, None),
    ]


def test_of_a_column_given_twice_the_last_counts() -> None:
    arrays = [pa.array([NOW]), pa.array(["a"]), pa.array([1.0]), pa.array([2.0])]
    batch = pa.record_batch(arrays, ["ts", "prediction", "features.x", "features.x"])
    batch = batch.replace_schema_metadata({"model": "m"})
    (row,) = rows(decoder().decode([record(ipc([batch]))]))
    assert row["features.x"] == "2.0"


def test_columns_that_nobody_knows_are_passed_over() -> None:
    columns = {"ts": [NOW], "prediction": ["a"], "amount": [1.0], "features.": [2.0], ".": [1]}
    (row,) = rows(decoder().decode([arrow_record(columns, {"model": "m", "pandas": "{}"})]))
    assert [name for name in row if name.startswith("features")] == ["features."]


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_buffers(compression: str) -> None:
    columns = {"ts": [NOW] * 500, "prediction": ["a"] * 500, "features.x": np.zeros(500)}
    batch = pa.record_batch(columns).replace_schema_metadata({"model": "m"})
    assert len(rows(decoder().decode([record(ipc([batch], compression=compression))]))) == 500


def test_a_type_that_cannot_be_computed_takes_no_other_record_along() -> None:
    columns = {"ts": [NOW], "prediction": ["a"]}
    # pyarrow reads this type, and cannot unpack it.
    runs = pa.RunEndEncodedArray.from_arrays([1], pa.array(["x"]).dictionary_encode())
    sent = [
        arrow_record(columns | {"features.x": runs}, {"model": "m"}),
        arrow_record(columns | {"features.x": runs}, {"model": "m"}, offset=1),
        arrow_record(columns, {"model": "m"}, offset=2),
    ]
    decoded = decoder().decode(sent)
    assert reasons(decoded) == [("malformed", "")] * 2
    assert [chunk.offset.tolist() for chunk in decoded.chunks] == [[2]]


@pytest.mark.parametrize("kind", [pa.int64(), pa.int32(), pa.uint64(), pa.uint8()])
def test_the_column_seq_may_be_any_whole_number(kind: pa.DataType) -> None:
    columns = {"ts": [NOW] * 2, "prediction": ["a"] * 2, "seq": pa.array([5, None], kind)}
    decoded = decoder().decode([arrow_record(columns, {"model": "m", "origin": "o"})])
    assert [row["seq"] for row in rows(decoded)] == [5, -1]


def test_what_is_no_number_of_a_row_is_none() -> None:
    for kind, values in ((pa.uint64(), [2**64 - 1, 2**63]), (pa.int64(), [-5, 2**63 - 1])):
        columns = {"ts": [NOW] * 2, "prediction": ["a"] * 2, "seq": pa.array(values, kind)}
        decoded = decoder().decode([arrow_record(columns, {"model": "m", "origin": "o"})])
        assert [row["seq"] for row in rows(decoded)] == [-1, -1]
    columns["seq"] = pa.array(["1", "2"])
    headers = (("origin", b"o"), ("seq", b"8"))
    decoded = decoder().decode([arrow_record(columns, {"model": "m"}, headers)])
    assert [row["seq"] for row in rows(decoded)] == [8, 9]


def test_names_from_a_dictionary() -> None:
    def encoded(values: list[str | None]) -> pa.Array:
        return pa.array(values).dictionary_encode()

    columns = {
        "model": encoded(["a", "", "b", None]),
        "version": encoded(["1", "2", None, "1"]),
        "ts": [NOW] * 4,
        "prediction": ["x"] * 4,
        "id": encoded(["i", "j", None, "i"]),
    }
    decoded = decoder().decode([arrow_record(columns)])
    found = [(row["model"], row["version"], row["id"]) for row in rows(decoded)]
    assert found == [("a", "1", "i"), ("b", "unversioned", None)]
    assert reasons(decoded) == [("no_model", "model")] * 2


def test_a_float_as_text_is_as_short_as_a_float() -> None:
    columns = {
        "ts": [NOW] * 2,
        "prediction": ["a"] * 2,
        "segment.rate": pa.array([0.1, 2.0], pa.float32()),
    }
    decoded = decoder().decode([arrow_record(columns, {"model": "m"})])
    assert [row["segments.rate"] for row in rows(decoded)] == ["'0.1'", "'2'"]


def test_a_sliced_writer_batch_keeps_mixed_values_apart() -> None:
    events = [
        Prediction(model="m", ts=NOW, prediction="a", features={"x": value})
        for value in (1, "one", None, True, 2.5)
    ]
    data = write_batch(Kind.PREDICTION, events)
    decoded = decoder().decode([record(data, ARROW), record(data, ARROW, offset=1)])
    assert [r["features.x"] for r in rows(decoded)] == ["1.0", "'one'", None, "'true'", "2.5"] * 2


def test_a_constant_may_stand_beside_a_column_with_gaps() -> None:
    columns = {"ts": [NOW] * 2, "prediction": ["a"] * 2, "version": ["8", None]}
    decoded = decoder().decode([record(stream(columns, {"model": "m", "version": "7"}))])
    assert [row["version"] for row in rows(decoded)] == ["8", "7"]
