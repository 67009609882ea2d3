"""The bridge decides about an event as a worker does, and changes nothing of it."""

import base64
import json
import random

import pytest
from decoding import decoder, rows

from inferwatch.events.kinds import Kind
from pipeline.decode import RawRecord
from producers.bridge.log_slices import LogSlice
from producers.bridge.packing import Packer, Parcel
from producers.bridge.parsing import Rejected
from producers.bridge.shaping import Shaper

NOW = 1_764_000_000_000
LIMIT = 5_000

GOOD = {
    Kind.PREDICTION: {
        "id": "a",
        "model": "fraud",
        "version": "7",
        "ts": NOW,
        "prediction": "legit",
        "features": {"amount": 12.5, "country": "DE"},
        "scores": {"legit": 0.9, "fraud": 0.1},
        "segment": {"region": "eu"},
    },
    Kind.LATENCY: {
        "model": "fraud",
        "ts": NOW,
        "latency_ms": 1.5,
        "status": 200,
        "error": None,
        "ttft_ms": 2,
        "tokens_out": 5,
    },
    Kind.LABEL: {"id": "a", "ts": NOW, "label": "fraud"},
    Kind.RESOURCE: {"model": "fraud", "ts": NOW, "cpu_percent": 5.5, "rss_bytes": 10},
}
VALUES = [
    None,
    "",
    "text",
    "ü€\U0001f600",
    0,
    -1,
    17,
    2**53 + 1,
    2**63,
    10**30,
    1.0,
    1.5,
    NOW,
    float(NOW),
    NOW + 300_001,
    -(2**62) - 1,
    True,
    False,
    [],
    [1],
    {},
    {"a": 1},
    {"a": {"b": "c", "d": [1]}, "a.b": 3},
    {"a": None, "b": True, "c": "x"},
    float("nan"),
    float("inf"),
    -float("inf"),
]
RAW = [b"", b"null", b"[]", b"5", b"{", b'{"a": "\xff"}', b'"x"', None, b'{"id": "\\ud800"}']


def mangled(kind, rng):
    """A good event with one to three keys changed or gone."""
    event = json.loads(json.dumps(GOOD[kind]))
    for _ in range(rng.randrange(1, 4)):
        key = rng.choice(list(GOOD[kind]))
        if rng.random() < 0.2:
            event.pop(key, None)
        else:
            event[key] = rng.choice(VALUES)
    return json.dumps(event).encode()


def bridged(kind, records, sources=None, **limits):
    """What a worker decodes from what the bridge sends, and what the bridge rejects."""
    limits = {"event_bytes": LIMIT, "future": 300_000, **limits}
    shaper = Shaper(kind, sources or {}, **limits)
    table, rejected = shaper.shape(records)
    packed = list(Packer(kind, "src", 0, "out", 1, 2**20).pack(table))
    rejected += [one for one in packed if isinstance(one, Rejected)]
    sent = [
        RawRecord("out", 0, index, NOW, one.key, one.value, tuple(one.headers))
        for index, one in enumerate(packed)
        if isinstance(one, Parcel)
    ]
    decoded = decoder(kind, event_bytes=2**20).decode(sent)
    assert not decoded.rejected, decoded.rejected
    return rows(decoded), {one.offset: (one.error.reason, one.error.where) for one in rejected}


def direct(kind, records):
    """What a worker decodes from the same single events."""
    sent = [
        RawRecord("src", 0, offset, NOW, None, value, records.headers.get(index, ()))
        for index, (offset, value) in enumerate(zip(records.offsets, records.values, strict=True))
    ]
    decoded = decoder(kind, event_bytes=LIMIT).decode(sent)
    return rows(decoded), {one.offset: (one.reason, one.where) for one in decoded.rejected}


def same(left, right):
    """Rows without what only one side has: numbers, and names whose value is missing."""
    ours = [{k: v for k, v in row.items() if v is not None and k != "seq"} for row in left]
    return ours == [{k: v for k, v in row.items() if v is not None} for row in right]


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("seed", range(4))
def test_single_events_and_bridged_ones_are_the_same_rows_and_rejections(kind, seed):
    rng = random.Random(f"{kind}{seed}")
    records = LogSlice()
    for offset in range(0, 600, 3):
        values = [json.dumps(GOOD[kind]).encode(), mangled(kind, rng), rng.choice(RAW)]
        value = rng.choices(values, weights=[2, 10, 1])[0]
        records.add(offset, NOW, value, ())
    found, rejected = bridged(kind, records)
    expected, letters = direct(kind, records)
    assert rejected == letters
    assert len(found) == len(expected) > 20
    assert same(found, expected)
    assert [row["seq"] for row in found] == [o for o in records.offsets if o not in rejected]


@pytest.mark.parametrize("kind", Kind)
def test_nothing_but_good_events(kind):
    records = LogSlice()
    for offset in range(50):
        records.add(offset, NOW, json.dumps(GOOD[kind]).encode(), ())
    found, rejected = bridged(kind, records)
    assert not rejected
    assert same(found, direct(kind, records)[0])


@pytest.mark.parametrize("kind", Kind)
def test_nothing_but_bad_events(kind):
    records = LogSlice()
    records.add(3, NOW, b"{}", ())
    records.add(4, NOW, None, ())
    found, rejected = bridged(kind, records)
    assert found == []
    assert list(rejected) == [3, 4]


def test_a_foreign_event_is_mapped():
    sources = {
        "id": "$.request_id",
        "model": "=fraud",
        "version": "$.meta.mv",
        "ts": "$.times[-1]",
        "features": "$.x",
        "features.amount": "$.tx['the amount']",
        "prediction": "$.y",
        "scores.fraud": "$.p",
        "segment.region": "=eu",
    }
    event = {
        "request_id": 2**70,
        "meta": {"mv": 7.0},
        "times": [5, NOW],
        "x": {"country": "DE", "amount": 1},
        "tx": {"the amount": 12.5},
        "y": True,
        "p": 0.25,
    }
    records = LogSlice([9], [NOW], [json.dumps(event).encode()])
    found, rejected = bridged(Kind.PREDICTION, records, sources)
    assert not rejected
    assert found == [
        {
            "ts": NOW,
            "seq": 9,
            "model": "fraud",
            "version": "7",
            "id": str(2**70),
            "prediction": "'true'",
            "features.country": "'DE'",
            "features.amount": "12.5",
            "scores.fraud": "0.25",
            "segments.region": "'eu'",
        }
    ]


def test_constants_of_measured_keys_are_numbers():
    sources = {"model": "=m", "ts": "$.t", "latency_ms": "$.took", "status": "=503"}
    records = LogSlice([1], [NOW], [json.dumps({"t": NOW, "took": 5}).encode()])
    (row,), rejected = bridged(Kind.LATENCY, records, sources)
    assert (row["latency_ms"], row["failed"], rejected) == ("5.0", True, {})


def test_a_time_is_measured_by_its_own_record():
    records = LogSlice()
    for offset, ahead in enumerate((300_000, 300_001)):
        records.add(offset, NOW, json.dumps({**GOOD[Kind.LABEL], "ts": NOW + ahead}).encode(), ())
    found, rejected = bridged(Kind.LABEL, records)
    assert len(found) == 1
    assert rejected == {1: ("future", "ts")}


CLOUD = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
EVENT = GOOD[Kind.LABEL]
ENVELOPE = {"specversion": "1.0", "id": "e", "source": "s", "type": "t"}


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        ((("content-type", b"application/json"), ("ce_id", b"e")), json.dumps(EVENT)),
        (CLOUD, json.dumps({**ENVELOPE, "data": EVENT})),
        (
            CLOUD,
            json.dumps(
                {
                    **ENVELOPE,
                    "data_base64": base64.b64encode(json.dumps(EVENT).encode()).decode(),
                }
            ),
        ),
        (CLOUD, json.dumps({**ENVELOPE, "data": {**EVENT, "id": 2**80}})),
        (
            CLOUD,
            json.dumps(
                {
                    **ENVELOPE,
                    "data_base64": base64.b64encode(
                        json.dumps({**EVENT, "id": 2**80}).encode()
                    ).decode(),
                }
            ),
        ),
        ((("content-type", b"application/avro"),), json.dumps(EVENT)),
        (CLOUD, json.dumps(ENVELOPE)),
        (CLOUD, json.dumps({**ENVELOPE, "data_base64": "%"})),
    ],
)
def test_cloud_events_and_other_media_types(headers, value):
    records = LogSlice([0], [NOW], [value.encode()], {0: headers})
    assert bridged(Kind.LABEL, records)[1] == direct(Kind.LABEL, records)[1]
    assert same(bridged(Kind.LABEL, records)[0], direct(Kind.LABEL, records)[0])


def test_columnar_batches_are_refused():
    headers = {0: (("content-type", b"application/vnd.apache.arrow.stream"),)}
    records = LogSlice([0], [NOW], [b"\xff\xff\xff\xff"], headers)
    assert bridged(Kind.LABEL, records)[1] == {0: ("content_type", "content-type")}
