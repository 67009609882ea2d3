"""Each rule about a single field, on both encodings: a JSON event, and the only row of a batch."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from decoding import NOW, arrow_record, decoder, json_record, reasons, record, rows

from inferwatch.events.kinds import Kind

PREDICTION = {"model": "fraud", "ts": NOW, "prediction": "legit"}
LATENCY = {"model": "fraud", "ts": NOW, "latency_ms": 12.5}
LABEL = {"id": "a", "ts": NOW, "label": "fraud"}
RESOURCE = {"model": "fraud", "ts": NOW, "cpu_percent": 85.0}
BASE = {
    Kind.PREDICTION: PREDICTION,
    Kind.LATENCY: LATENCY,
    Kind.LABEL: LABEL,
    Kind.RESOURCE: RESOURCE,
}
ABSENT = object()


def both(kind: Kind, change: dict[str, Any]) -> list[Any]:
    """The event with these changes through both encodings."""
    event = {k: v for k, v in (BASE[kind] | change).items() if v is not ABSENT}
    columns = {name: [value] for name, value in event.items()}
    return [
        decoder(kind).decode([json_record(event)]),
        decoder(kind).decode([arrow_record(columns)]),
    ]


REJECTED = [
    (Kind.PREDICTION, {"model": ABSENT}, "no_model", "model"),
    (Kind.PREDICTION, {"model": None}, "no_model", "model"),
    (Kind.PREDICTION, {"model": ""}, "no_model", "model"),
    (Kind.PREDICTION, {"model": ["fraud"]}, "malformed", "model"),
    (Kind.PREDICTION, {"version": [7]}, "malformed", "version"),
    (Kind.PREDICTION, {"ts": ABSENT}, "no_ts", "ts"),
    (Kind.PREDICTION, {"ts": None}, "no_ts", "ts"),
    (Kind.PREDICTION, {"ts": "1764000000000"}, "malformed", "ts"),
    (Kind.PREDICTION, {"ts": "2025-11-24T16:00:00Z"}, "malformed", "ts"),
    (Kind.PREDICTION, {"ts": NOW + 0.5}, "malformed", "ts"),
    (Kind.PREDICTION, {"ts": True}, "malformed", "ts"),
    (Kind.PREDICTION, {"ts": [NOW]}, "malformed", "ts"),
    (Kind.PREDICTION, {"ts": float("nan")}, "malformed", "ts"),
    (Kind.PREDICTION, {"ts": float("inf")}, "malformed", "ts"),
    (Kind.PREDICTION, {"ts": NOW + 300_001}, "future", "ts"),
    (Kind.PREDICTION, {"ts": NOW * 1_000}, "future", "ts"),
    (Kind.PREDICTION, {"ts": 1e30}, "future", "ts"),
    (Kind.PREDICTION, {"ts": -1e30}, "malformed", "ts"),
    (Kind.PREDICTION, {"prediction": ABSENT}, "no_prediction", "prediction"),
    (Kind.PREDICTION, {"prediction": None}, "no_prediction", "prediction"),
    (Kind.PREDICTION, {"prediction": ["a"]}, "malformed", "prediction"),
    (Kind.PREDICTION, {"id": 1.5}, "malformed", "id"),
    (Kind.PREDICTION, {"id": True}, "malformed", "id"),
    (Kind.PREDICTION, {"id": ["a"]}, "malformed", "id"),
    (Kind.PREDICTION, {"features": "amount"}, "malformed", "features"),
    (Kind.PREDICTION, {"features": [1.0]}, "malformed", "features"),
    (Kind.PREDICTION, {"features": 1}, "malformed", "features"),
    (Kind.PREDICTION, {"segment": "eu"}, "malformed", "segment"),
    (Kind.PREDICTION, {"segment": False}, "malformed", "segment"),
    (Kind.PREDICTION, {"scores": "0.5"}, "malformed", "scores"),
    (Kind.PREDICTION, {"scores": [0.5]}, "malformed", "scores"),
    (Kind.PREDICTION, {"scores": True}, "malformed", "scores"),
    (Kind.LATENCY, {"model": ABSENT}, "no_model", "model"),
    (Kind.LATENCY, {"ts": ABSENT}, "no_ts", "ts"),
    (Kind.LATENCY, {"latency_ms": ABSENT}, "malformed", "latency_ms"),
    (Kind.LATENCY, {"latency_ms": None}, "malformed", "latency_ms"),
    (Kind.LATENCY, {"latency_ms": -0.1}, "malformed", "latency_ms"),
    (Kind.LATENCY, {"latency_ms": float("nan")}, "malformed", "latency_ms"),
    (Kind.LATENCY, {"latency_ms": float("inf")}, "malformed", "latency_ms"),
    (Kind.LATENCY, {"latency_ms": "12"}, "malformed", "latency_ms"),
    (Kind.LATENCY, {"latency_ms": True}, "malformed", "latency_ms"),
    (Kind.LATENCY, {"latency_ms": [1.0]}, "malformed", "latency_ms"),
    (Kind.RESOURCE, {"model": None}, "no_model", "model"),
    (Kind.RESOURCE, {"ts": "now"}, "malformed", "ts"),
    (Kind.LABEL, {"id": ABSENT}, "malformed", "id"),
    (Kind.LABEL, {"id": None}, "malformed", "id"),
    (Kind.LABEL, {"label": ABSENT}, "malformed", "label"),
    (Kind.LABEL, {"label": None}, "malformed", "label"),
    (Kind.LABEL, {"label": ["a"]}, "malformed", "label"),
    (Kind.LABEL, {"ts": ABSENT}, "no_ts", "ts"),
    (Kind.LABEL, {"ts": NOW + 300_001}, "future", "ts"),
]


@pytest.mark.parametrize(("kind", "change", "reason", "where"), REJECTED)
def test_rejected(kind: Kind, change: dict[str, Any], reason: str, where: str) -> None:
    for decoded in both(kind, change):
        assert reasons(decoded) == [(reason, where)]
        assert rows(decoded) == []


ACCEPTED = [
    (Kind.PREDICTION, {}, {"version": "unversioned", "id": None, "prediction": "'legit'"}),
    (Kind.PREDICTION, {"version": None}, {"version": "unversioned"}),
    (Kind.PREDICTION, {"version": 7}, {"version": "7"}),
    (Kind.PREDICTION, {"version": 7.0}, {"version": "7"}),
    (Kind.PREDICTION, {"version": "1.10"}, {"version": "1.10"}),
    (Kind.PREDICTION, {"version": ""}, {"version": ""}),
    (Kind.PREDICTION, {"model": 3}, {"model": "3"}),
    (Kind.PREDICTION, {"ts": float(NOW)}, {"ts": NOW}),
    (Kind.PREDICTION, {"ts": 0}, {"ts": 0}),
    (Kind.PREDICTION, {"ts": -1}, {"ts": -1}),
    (Kind.PREDICTION, {"ts": NOW + 300_000}, {"ts": NOW + 300_000}),
    (Kind.PREDICTION, {"id": 1582218195625938940}, {"id": "1582218195625938940"}),
    (Kind.PREDICTION, {"id": 17}, {"id": "17"}),
    (Kind.PREDICTION, {"id": 0}, {"id": "0"}),
    (Kind.PREDICTION, {"id": ""}, {"id": ""}),
    (Kind.PREDICTION, {"prediction": 1}, {"prediction": "1.0"}),
    (Kind.PREDICTION, {"prediction": 0.5}, {"prediction": "0.5"}),
    (Kind.PREDICTION, {"prediction": True}, {"prediction": "'true'"}),
    (Kind.PREDICTION, {"prediction": ""}, {"prediction": "''"}),
    (Kind.PREDICTION, {"prediction": float("nan")}, {"prediction": "nan"}),
    (Kind.PREDICTION, {"features": None, "scores": None, "segment": None}, {}),
    (Kind.PREDICTION, {"features": {"a": None}}, {"features.a": None}),
    (Kind.PREDICTION, {"features": {"a": ""}}, {"features.a": "''"}),
    (Kind.PREDICTION, {"features": {"a": False}}, {"features.a": "'false'"}),
    (Kind.PREDICTION, {"features": {"a": [1, 2]}}, {"features.a": "odd"}),
    (Kind.PREDICTION, {"features": {"a": "3"}}, {"features.a": "'3'"}),
    (Kind.PREDICTION, {"features": {"a": float("-inf")}}, {"features.a": "-inf"}),
    (Kind.PREDICTION, {"features": {"a": {"b": {"c": 1}}}}, {"features.a.b.c": "1.0"}),
    (Kind.PREDICTION, {"features": {"a": {"b": 1}, "a.b": 2}}, {"features.a.b": "2.0"}),
    (Kind.PREDICTION, {"scores": 0.25}, {"scores.": "0.25"}),
    (Kind.PREDICTION, {"scores": 1}, {"scores.": "1.0"}),
    (Kind.PREDICTION, {"scores": {"fraud": 0.07}}, {"scores.fraud": "0.07"}),
    (Kind.PREDICTION, {"segment": {"region": "eu"}}, {"segments.region": "'eu'"}),
    (Kind.PREDICTION, {"segment": {"tier": 1.0}}, {"segments.tier": "'1'"}),
    (Kind.PREDICTION, {"segment": {"vip": True}}, {"segments.vip": "'true'"}),
    (Kind.LATENCY, {"latency_ms": 0}, {"latency_ms": "0.0", "failed": False}),
    (Kind.LATENCY, {"status": 499}, {"failed": False}),
    (Kind.LATENCY, {"status": 500}, {"failed": True}),
    (Kind.LATENCY, {"status": 503.0}, {"failed": True}),
    (Kind.LATENCY, {"status": "503"}, {"failed": False}),
    (Kind.LATENCY, {"status": 200, "error": "timeout"}, {"failed": True}),
    (Kind.LATENCY, {"error": ""}, {"failed": True}),
    (Kind.LATENCY, {"error": None, "status": None}, {"failed": False}),
    (Kind.LATENCY, {"ttft_ms": -1, "tokens_out": "x"}, {"ttft_ms": "nan", "tokens_out": "nan"}),
    (Kind.LATENCY, {"ttft_ms": 3, "tokens_out": 40}, {"ttft_ms": "3.0", "tokens_out": "40.0"}),
    (Kind.LATENCY, {"ttft_ms": float("inf")}, {"ttft_ms": "nan"}),
    (Kind.RESOURCE, {}, {"cpu_percent": "85.0", "gpu_percent": "nan", "version": "unversioned"}),
    (Kind.RESOURCE, {"rss_bytes": 10, "open_fds": "x"}, {"rss_bytes": "10.0", "open_fds": "nan"}),
    (Kind.LABEL, {"label": 1}, {"text": "1", "number": "1.0"}),
    (Kind.LABEL, {"label": 1.0}, {"text": "1", "number": "1.0"}),
    (Kind.LABEL, {"label": "1"}, {"text": "1", "number": "1.0"}),
    (Kind.LABEL, {"label": "1.10"}, {"text": "1.10", "number": "1.1"}),
    (Kind.LABEL, {"label": True}, {"text": "true", "number": "nan"}),
    (Kind.LABEL, {"label": ""}, {"text": "", "number": "nan"}),
    (Kind.LABEL, {"label": 0}, {"text": "0", "number": "0.0"}),
    (Kind.LABEL, {"id": 17}, {"id": "17"}),
]


@pytest.mark.parametrize(("kind", "change", "expected"), ACCEPTED)
def test_accepted(kind: Kind, change: dict[str, Any], expected: dict[str, Any]) -> None:
    for decoded in both(kind, change):
        assert reasons(decoded) == []
        (row,) = rows(decoded)
        assert {name: row[name] for name in expected} == expected


def test_labels_count_in_any_type_that_says_the_same() -> None:
    texts = {
        rows(decoded)[0]["text"]
        for label in (1, 1.0, "1")
        for decoded in both(Kind.LABEL, {"label": label})
    }
    assert texts == {"1"}


@pytest.mark.parametrize("digits", ["18446744073709551617", "-9223372036854775809", "9" * 5000])
def test_an_integer_of_any_size_is_its_decimal_text(digits: str) -> None:
    event = f'{{"id": {digits}, "ts": 0, "label": 1}}'.encode()
    assert rows(decoder(Kind.LABEL).decode([record(event)]))[0]["id"] == digits


def test_a_boolean_feature_is_a_category_beside_numbers_and_texts() -> None:
    events = [PREDICTION | {"features": {"a": value}} for value in (True, 1, "x", None, [1])]
    decoded = decoder().decode([json_record(e, offset=i) for i, e in enumerate(events)])
    assert [row["features.a"] for row in rows(decoded)] == ["'true'", "1.0", "'x'", None, "odd"]


def test_an_arrow_timestamp_is_a_time_in_whole_milliseconds() -> None:
    for unit, value in (("s", NOW // 1000), ("ms", NOW), ("us", NOW * 1000), ("ns", NOW * 10**6)):
        for zone in (None, "UTC"):
            ts = pa.array([value, None], pa.timestamp(unit, zone))
            decoded = decoder().decode(
                [arrow_record({"ts": ts, "prediction": ["a", "a"]}, {"model": "m"})]
            )
            assert [row["ts"] for row in rows(decoded)] == [NOW]
            assert reasons(decoded) == [("no_ts", "ts")]
