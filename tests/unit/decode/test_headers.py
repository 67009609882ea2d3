"""Headers: which encoding, who sent it, which numbers, and CloudEvents."""

from __future__ import annotations

import base64
import json

import pytest
from decoding import (
    ARROW,
    NOW,
    arrow_record,
    decoder,
    json_record,
    reasons,
    record,
    rows,
    stream,
)

from inferwatch.events.kinds import Kind

EVENT = {"model": "m", "ts": NOW, "prediction": "a"}
BATCH = stream({"ts": [NOW, NOW], "prediction": ["a", "b"]}, {"model": "m"})
CLOUD = b"application/cloudevents+json"


@pytest.mark.parametrize(
    "header",
    [
        b"application/json",
        b"Application/JSON",
        b"application/json; charset=latin-1",
        b" application/json ;x",
    ],
)
def test_json_by_its_media_type_alone(header: bytes) -> None:
    assert len(rows(decoder().decode([json_record(EVENT, (("content-type", header),))]))) == 1


@pytest.mark.parametrize(
    "header",
    [
        b"application/vnd.apache.arrow.stream",
        b"APPLICATION/VND.APACHE.ARROW.STREAM",
        b"application/vnd.apache.arrow.stream;rows=2",
    ],
)
def test_arrow_by_its_media_type_alone(header: bytes) -> None:
    assert len(rows(decoder().decode([record(BATCH, (("Content-Type", header),))]))) == 2


def test_without_a_header_the_first_byte_tells() -> None:
    assert len(rows(decoder().decode([record(BATCH)]))) == 2
    assert len(rows(decoder().decode([json_record(EVENT)]))) == 1


@pytest.mark.parametrize(
    "header", [b"text/plain", b"application/x-protobuf", b"", b"application/json+x", b"\xff"]
)
def test_any_other_media_type_is_refused(header: bytes) -> None:
    decoded = decoder().decode([json_record(EVENT, (("content-type", header),))])
    assert reasons(decoded) == [("content_type", "content-type")]


def test_the_header_wins_over_the_first_byte() -> None:
    assert reasons(decoder().decode([json_record(EVENT, ARROW)])) == [("malformed", "")]
    decoded = decoder().decode([record(BATCH, (("content-type", b"application/json"),))])
    assert reasons(decoded) == [("malformed", "")]


def test_a_binary_cloud_event_is_the_event_itself() -> None:
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"other"),
        ("ce_source", b"/x"),
        ("ce_type", b"t"),
        ("content-type", b"application/json"),
    )
    (row,) = rows(decoder().decode([json_record(EVENT, headers)]))
    assert row["id"] is None  # the envelope's id is not the event's


def test_a_structured_cloud_event_carries_it_as_data() -> None:
    envelope = {"specversion": "1.0", "id": "x", "source": "/x", "type": "t"}
    headers = (("content-type", CLOUD + b"; charset=UTF-8"),)
    packed = base64.b64encode(json.dumps(EVENT).encode()).decode()
    for body in ({"data": EVENT}, {"data_base64": packed}, {"data": None, "data_base64": packed}):
        assert len(rows(decoder().decode([json_record(envelope | body, headers)]))) == 1


def test_a_structured_cloud_event_keeps_a_long_id() -> None:
    label = b'{"specversion":"1.0","id":"x","data":{"id":18446744073709551617,"ts":0,"label":1}}'
    decoded = decoder(Kind.LABEL).decode([record(label, (("content-type", CLOUD),))])
    assert rows(decoded)[0]["id"] == "18446744073709551617"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "data"),
        ({"data": None}, "data"),
        ({"data": "text"}, "data"),
        ({"data": [EVENT]}, "data"),
        ({"data_base64": 5}, "data_base64"),
        ({"data_base64": "%%%"}, "data_base64"),
        ({"data_base64": "é"}, "data_base64"),
        ({"data_base64": ""}, ""),
    ],
)
def test_a_structured_cloud_event_without_data_is_malformed(body: object, where: str) -> None:
    decoded = decoder().decode([json_record(body, (("content-type", CLOUD),))])
    assert reasons(decoded) == [("malformed", where)]


def test_the_origin_and_number_of_a_single_event() -> None:
    decoded = decoder().decode([json_record(EVENT, (("origin", b"pod-1"), ("seq", b"17")))])
    (chunk,) = decoded.chunks
    assert (chunk.origin, chunk.sparse) == ("pod-1", False)
    assert chunk.rows.seq is not None and chunk.rows.seq.tolist() == [17]


def test_the_header_numbers_the_first_row_of_a_batch() -> None:
    decoded = decoder().decode([record(BATCH, (*ARROW, ("origin", b"o"), ("seq", b"40")))])
    assert [row["seq"] for row in rows(decoded)] == [40, 41]


def test_the_column_wins_over_the_header() -> None:
    columns = {"ts": [NOW] * 3, "prediction": ["a"] * 3, "seq": [7, None, 3]}
    headers = (("origin", b"o"), ("seq", b"40"))
    decoded = decoder().decode([arrow_record(columns, {"model": "m"}, headers)])
    assert [row["seq"] for row in rows(decoded)] == [7, -1, 3]


def test_the_origin_may_be_metadata_or_a_column() -> None:
    columns = {"ts": [NOW] * 3, "prediction": ["a", "b", "c"], "seq": [0, 1, 0]}
    (chunk,) = decoder().decode([arrow_record(columns, {"model": "m", "origin": "meta"})]).chunks
    assert chunk.origin == "meta"
    columns |= {"origin": ["x", "y", None]}
    chunks = decoder().decode([arrow_record(columns, {"model": "m"})]).chunks
    found = {
        c.origin: (c.row.tolist(), None if c.rows.seq is None else c.rows.seq.tolist())
        for c in chunks
    }
    assert found == {"x": ([0], [0]), "y": ([1], [1]), None: ([2], None)}
    (chunk,) = decoder().decode([arrow_record(columns, {"model": "m"}, (("origin", b"h"),))]).chunks
    assert chunk.origin == "h"


@pytest.mark.parametrize("seq", [b"", b"-1", b"1.0", b"x", b"\x00\x01", "٣".encode(), b"9" * 30])
def test_what_is_no_ascii_decimal_numbers_nothing(seq: bytes) -> None:
    for make in (
        json_record(EVENT, (("origin", b"o"), ("seq", seq))),
        record(BATCH, (*ARROW, ("origin", b"o"), ("seq", seq))),
    ):
        decoded = decoder().decode([make])
        assert reasons(decoded) == []
        assert [chunk.rows.seq for chunk in decoded.chunks] == [None]


def test_a_number_without_an_origin_means_nothing() -> None:
    for make in (json_record(EVENT, (("seq", b"1"),)), record(BATCH, (*ARROW, ("seq", b"1")))):
        (chunk,) = decoder().decode([make]).chunks
        assert (chunk.origin, chunk.rows.seq) == (None, None)


def test_sparse_is_the_one_word_1() -> None:
    for text, sparse in ((b"1", True), (b"0", False), (b"true", False), (b"", False)):
        (chunk,) = decoder().decode([json_record(EVENT, (("sparse", text),))]).chunks
        assert chunk.sparse is sparse


def test_a_header_without_a_value_is_absent() -> None:
    headers = (("content-type", None), ("origin", None), ("seq", None))
    (chunk,) = decoder().decode([json_record(EVENT, headers)]).chunks  # type: ignore[arg-type]
    assert chunk.origin is None


def test_of_a_header_given_twice_the_last_counts() -> None:
    headers = (("content-type", b"text/plain"), ("content-type", b"application/json"))
    assert reasons(decoder().decode([json_record(EVENT, headers)])) == []
