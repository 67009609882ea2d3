"""Where rows go, in which order, and what becomes of those that are too large."""

import json
import random

import pytest

from inferwatch.events.kinds import Kind
from producers.batching import partition_of
from producers.bridge.log_slices import LogSlice
from producers.bridge.packing import MOST_ROWS, Packer, Parcel
from producers.bridge.parsing import Rejected
from producers.bridge.shaping import Shaper

NOW = 1_764_000_000_000


def table(kind, events):
    shaper = Shaper(kind, {}, event_bytes=2**22, future=0)
    values = [json.dumps(event).encode() for event in events]
    records = LogSlice(list(range(len(values))), [NOW] * len(values), values)
    found, rejected = shaper.shape(records)
    assert not rejected
    return found


def predictions(count, note=0):
    rng = random.Random(count)
    return [
        {
            "model": "m",
            "ts": NOW,
            "prediction": "a",
            "features": {"note": rng.randbytes(note).hex()},
        }
        for _ in range(count)
    ]


def packer(kind=Kind.PREDICTION, partitions=4, event_bytes=2**20, source="src", number=3):
    return Packer(kind, source, number, "out", partitions, event_bytes)


def numbers(parcels):
    return [number for parcel in parcels for number in parcel.table.seq]


def test_the_headers_say_who_and_that_holes_mean_nothing():
    (parcel,) = packer().pack(table(Kind.PREDICTION, predictions(3)))
    assert dict(parcel.headers) == {
        "content-type": b"application/vnd.apache.arrow.stream",
        "origin": b"src/3",
        "sparse": b"1",
        "seq": b"0",
    }
    assert parcel.key == b"src/3"


def test_partitions_of_a_source_are_spread_evenly():
    homes = [packer(number=number).home for number in range(8)]
    assert sorted(homes) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_labels_go_by_their_id_and_keep_their_order():
    events = [{"id": f"i{n % 30}", "ts": NOW, "label": n} for n in range(200)]
    parcels = list(packer(Kind.LABEL).pack(table(Kind.LABEL, events)))
    assert sorted(numbers(parcels)) == list(range(200))
    for parcel in parcels:
        assert parcel.table.seq == sorted(parcel.table.seq)
        ids = parcel.table.columns["id"][1]
        assert {partition_of(one, 4) for one in ids} == {parcel.partition}
        assert parcel.key is None
    (one,) = packer(Kind.LABEL).pack(table(Kind.LABEL, events[:1]))
    assert one.key == b"i0"


def test_rows_of_any_size_come_in_order_in_records_below_the_limit():
    sizes = packer(event_bytes=20_000)
    found = table(Kind.PREDICTION, predictions(100, note=500))
    parcels = list(sizes.pack(found))
    assert numbers(parcels) == list(range(100))
    assert max(len(parcel.value) for parcel in parcels) <= 15_000
    assert 5 <= sizes.rows <= 20
    list(sizes.pack(table(Kind.PREDICTION, predictions(3))))
    assert sizes.rows > 20, "small rows are packed together again"
    assert sizes.rows <= MOST_ROWS


def test_a_row_that_is_too_large_by_itself_is_rejected_and_the_others_go():
    events = predictions(5)
    events[2]["features"]["note"] = "x" * 30_000
    packed = list(packer(event_bytes=20_000).pack(table(Kind.PREDICTION, events)))
    (large,) = [one for one in packed if isinstance(one, Rejected)]
    assert (large.offset, large.error.reason) == (2, "oversized")
    assert large.value == json.dumps(events[2]).encode()
    assert numbers(one for one in packed if isinstance(one, Parcel)) == [0, 1, 3, 4]


def test_a_row_whose_nested_names_are_too_long_is_rejected_and_the_others_go():
    events = predictions(3)
    long = "k" * 50_000
    events[1]["features"] = {long: {str(n): n for n in range(100)}}
    packed = list(packer().pack(table(Kind.PREDICTION, events)))
    (bad,) = [one for one in packed if isinstance(one, Rejected)]
    assert (bad.offset, bad.error.reason) == (1, "malformed")
    assert numbers(one for one in packed if isinstance(one, Parcel)) == [0, 2]


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_what_the_broker_refuses_is_halved_down_to_a_dead_letter(rows):
    sizes = packer()
    (parcel,) = sizes.pack(table(Kind.PREDICTION, predictions(rows)))
    left, letters = [parcel], []
    while left:
        for part in sizes.divide(left.pop(0)):
            (left if isinstance(part, Parcel) else letters).append(part)
    assert sorted(letter.offset for letter in letters) == list(range(rows))


def test_no_rows_are_no_record():
    assert list(packer().pack(table(Kind.PREDICTION, predictions(1)).slice(0, 0))) == []
