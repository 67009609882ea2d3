"""Damaged and hostile bytes: dead letters, and never anything else."""

from __future__ import annotations

import random
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from decoding import ARROW, NOW, decoder, ipc, json_record, reasons, record, rows, stream

from inferwatch.events.arrow_writer import write_batch
from inferwatch.events.kinds import Kind
from inferwatch.events.prediction import Prediction

EVENT = {
    "model": "m", "ts": NOW, "prediction": "a", "id": "x", "version": "7",
    "features": {"n": 1.5, "c": "é", "o": {"p": [1, {}]}, "b": True},
    "scores": {"a": 0.5}, "segment": {"region": "eu"},
}  # fmt: skip


def batch() -> bytes:
    features: dict[str, Any] = {"n": 1.5, "c": "text", "b": True, "nothing": None}
    mixed: list[Any] = [1, "x", None, [1]]
    events = [
        Prediction(model="m", ts=NOW, prediction="a", id=f"{i}", features={**features, "mix": mix})
        for i, mix in enumerate(mixed)
    ]
    return write_batch(Kind.PREDICTION, events, seq=[1, 2, 3, 4])


def foreign() -> bytes:
    n = 6
    columns = {
        "model": pa.array(["m"] * n).dictionary_encode(),
        "ts": pa.array([NOW] * n, pa.timestamp("ms")),
        "prediction": pa.array([1, 0] * 3),
        "features": pa.array([{"a": 1, "b": [1]}] * n),
        "features.v": pa.array(["long enough not to be inlined"] * n, pa.string_view()),
        "features.u": pa.UnionArray.from_sparse(
            pa.array([0, 1] * 3, pa.int8()), [pa.array([1.0] * n), pa.array(["x"] * n)]
        ),
        "features.r": pa.RunEndEncodedArray.from_arrays([2, n], ["a", "b"]),
        "scores": pa.array(np.zeros(n, np.float32)),
    }
    return stream(columns)


def squeezed() -> bytes:
    table = {"ts": [NOW] * 90, "prediction": ["a", "b", "c"] * 30, "features.x": np.zeros(90)}
    return ipc([pa.record_batch(table).replace_schema_metadata({"model": "m"})], compression="lz4")


def mutated(data: bytes, rng: random.Random) -> bytes:
    spoiled = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 3, 20])):
        at = rng.randrange(len(spoiled))
        how = rng.randrange(5)
        if how == 0:
            spoiled[at] = rng.randrange(256)
        elif how == 1:
            spoiled[at] ^= 1 << rng.randrange(8)
        elif how == 2:
            size = rng.choice([4, 8])
            number = rng.choice([0, 1, -1, 2**31 - 1, -(2**31), rng.randrange(256)])
            at = min(at // size * size, len(spoiled) - size) if len(spoiled) > size else 0
            packed = struct.pack("<q", number)[:size]
            spoiled[at : at + size] = packed
        elif how == 3:
            del spoiled[at : at + rng.randrange(1, 9)]
        else:
            spoiled[at:at] = spoiled[:: rng.randrange(1, 9)][:16]
        if not spoiled:
            return b""
    return bytes(spoiled)


@pytest.mark.parametrize("make", [batch, foreign, squeezed])
def test_a_damaged_batch_yields_rows_or_dead_letters(make: object) -> None:
    data = make()  # type: ignore[operator]
    rng = random.Random(7)
    decode = decoder(event_bytes=64 * 1024).decode
    rejected = 0
    for _ in range(700):
        decoded = decode([record(mutated(data, rng), ARROW)])
        assert decoded.rejected or decoded.chunks
        assert len(rows(decoded)) <= 65_536
        rejected += bool(decoded.rejected)
    assert rejected > 100


def test_a_damaged_json_event_is_a_row_or_a_dead_letter() -> None:
    data = json_record(EVENT).value or b""
    rng = random.Random(7)
    for kind in Kind:
        decode = decoder(kind).decode
        for _ in range(400):
            decoded = decode([record(mutated(data, rng))])
            assert len(rows(decoded)) + len(decoded.rejected) == 1


def test_any_cut_of_a_batch_is_rejected() -> None:
    data = batch()
    end = len(data) - 8  # the end-of-stream mark may lack
    for length in range(0, end, 13):
        assert reasons(decoder().decode([record(data[:length], ARROW)])) == [("malformed", "")]
    assert len(rows(decoder().decode([record(data[:end], ARROW)]))) == 4


def test_oversized_records() -> None:
    big = json_record(EVENT | {"x": "y" * 2000})
    assert reasons(decoder(event_bytes=1000).decode([big])) == [("oversized", "")]
    assert reasons(decoder(event_bytes=1000).decode([record(batch(), ARROW)])) == [
        ("oversized", "")
    ]
    exactly = json_record(EVENT)
    assert reasons(decoder(event_bytes=len(exactly.value or b"")).decode([exactly])) == []


def test_a_small_batch_that_would_unpack_to_much_is_oversized() -> None:
    zeros = {f"features.x{i}": np.zeros(60_000) for i in range(40)}
    table = {"ts": np.full(60_000, NOW), "prediction": np.zeros(60_000), **zeros}
    for codec in ("lz4", "zstd"):
        data = ipc(
            [pa.record_batch(table).replace_schema_metadata({"model": "m"})], compression=codec
        )
        assert len(data) < 1024 * 1024
        before = pa.total_allocated_bytes()
        assert reasons(decoder().decode([record(data, ARROW)])) == [("oversized", "")]
        assert pa.total_allocated_bytes() == before


def test_columns_without_bytes_are_counted_by_their_cells() -> None:
    table = {f"features.x{i}": pa.nulls(60_000) for i in range(300)}
    data = stream({"ts": pa.array(np.zeros(60_000, np.int64)), **table}, {"model": "m"})
    assert len(data) < 1024 * 1024
    assert reasons(decoder().decode([record(data, ARROW)])) == [("oversized", "")]


def test_a_dictionary_shared_by_many_columns_is_counted_for_each() -> None:
    words = pa.array([f"{i:0200}" for i in range(2500)])
    columns = {
        f"features.c{i}": pa.DictionaryArray.from_arrays(pa.array([0], pa.int16()), words)
        for i in range(40)
    }
    data = stream({"ts": [NOW], "prediction": ["a"], **columns}, {"model": "m"})
    decoded = decoder(event_bytes=len(data)).decode([record(data, ARROW)])
    assert reasons(decoded) == []  # as large as it looks
    assert reasons(decoder(event_bytes=2**19).decode([record(data, ARROW)])) == [("oversized", "")]


@pytest.mark.parametrize("rows_", [0, 65_537])
def test_a_batch_has_1_to_65536_rows(rows_: int) -> None:
    data = stream({"ts": np.zeros(rows_, np.int64), "prediction": np.zeros(rows_)}, {"model": "m"})
    decoded = decoder(event_bytes=2**22).decode([record(data, ARROW)])
    assert reasons(decoded) == [("malformed", "")]
    assert f"{rows_} rows" in decoded.rejected[0].detail


def test_a_stream_holds_exactly_one_batch() -> None:
    one = pa.record_batch({"ts": [NOW], "prediction": ["a"]}).replace_schema_metadata(
        {"model": "m"}
    )
    assert len(rows(decoder().decode([record(ipc([one]))]))) == 1
    assert reasons(decoder().decode([record(ipc([one, one]))])) == [("malformed", "")]
    schema_only = pa.BufferOutputStream()
    pa.ipc.new_stream(schema_only, one.schema).close()
    data = schema_only.getvalue().to_pybytes()
    assert reasons(decoder().decode([record(data)])) == [("malformed", "")]


def test_a_batch_without_a_column_is_malformed() -> None:
    empty = pa.record_batch([], schema=pa.schema([], metadata={"model": "m"}))
    assert reasons(decoder().decode([record(ipc([empty]))])) == [("malformed", "")]


def test_a_text_that_is_no_utf8_is_malformed() -> None:
    bad = pa.array([b"\xff"]).view(pa.string())
    data = stream({"ts": [NOW], "prediction": bad}, {"model": "m"})
    assert reasons(decoder().decode([record(data)])) == [("malformed", "")]


def test_details_never_quote_the_data() -> None:
    secret = "4111-1111"
    for bad in (
        json_record(EVENT | {"ts": secret}),
        json_record(EVENT | {"prediction": [secret]}),
        json_record(EVENT | {"features": secret}),
        record(stream({"ts": [secret], "prediction": ["a"]}, {"model": "m"})),
        record(batch().replace(b"text", b"\xff\xff" + secret.encode()[:2])),
    ):
        (letter,) = decoder(keep="hash").decode([bad]).rejected[:1]
        assert secret not in letter.detail + letter.where
        assert letter.data is None
