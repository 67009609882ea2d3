"""A lane's order: whatever fails, restarts or runs twice, a worker counts each row once."""

import json
import random

import numpy as np
import pytest

from inferwatch.events.kinds import Kind
from pipeline.windows.sequence import OriginSequence
from producers.bridge.lane import EVERY_S, Lane
from producers.bridge.log_slices import LogSlice
from producers.bridge.packing import Packer, Parcel
from producers.bridge.shaping import Shaper

NOW = 1_764_000_000_000


def slice_of(first, count, bad=()):
    found = LogSlice()
    for offset in range(first, first + count):
        event = {"id": f"i{offset}", "ts": NOW, "label": offset}
        found.add(offset, NOW, b"{}" if offset in bad else json.dumps(event).encode(), ())
    return found


def letter(rejected):
    return Parcel("dead", None, b"%d" % rejected.offset, b"", [])


def lane(first=0, kind=Kind.LABEL, rows=10, partitions=3):
    shaper = Shaper(Kind.LABEL, {}, event_bytes=2**20, future=0)
    made = Lane(shaper, Packer(kind, "src", 0, "out", partitions, 2**20), letter, first)
    made.packer.rows = rows
    return made


def numbers(shipment):
    return [] if shipment.parcel.table is None else shipment.parcel.table.seq


def test_rows_wait_for_others_but_not_for_ever():
    one = lane()
    assert not one.is_due(100.0)
    one.add([slice_of(0, 3)], 100.0)
    assert not one.is_due(100.0 + EVERY_S - 0.01)
    assert one.is_due(100.0 + EVERY_S)
    one.add([slice_of(3, 7)], 100.1)
    assert one.is_due(100.1)


def test_of_each_destination_one_record_is_on_its_way():
    one = lane()
    one.add([slice_of(0, 30)], 0.0)
    one.pack(0.0)
    one.pack(0.0)
    sent = list(one.ready())
    assert len(sent) == len({shipment.road for shipment in sent}) == 3
    assert list(one.ready()) == []
    one.taken(sent[0])
    (following,) = one.ready()
    assert following.road == sent[0].road
    assert min(numbers(following)) > max(numbers(sent[0]))


def test_what_failed_goes_before_what_follows():
    one = lane()
    one.add([slice_of(0, 20)], 0.0)
    one.pack(0.0)
    one.pack(0.0)
    first = next(one.ready())
    one.failed(first)
    assert next(one.ready()) is first


def test_an_offset_is_done_when_all_below_it_is_delivered():
    one = lane(rows=10)
    one.add([slice_of(0, 20, bad={4, 5})], 0.0)
    one.pack(0.0)
    one.pack(0.0)
    order = []
    while shipments := list(one.ready()):
        order += shipments
        assert one.done == 0 or one.done == 10
        for shipment in reversed(shipments):
            one.taken(shipment)
    assert one.done == 20 and one.is_idle
    assert sorted(number for shipment in order for number in numbers(shipment)) == [
        offset for offset in range(20) if offset not in (4, 5)
    ]
    assert [one.offset for one in one.rejected] == [4, 5]


def test_only_rejected_records_are_done_when_their_letters_are_delivered():
    one = lane()
    one.add([slice_of(0, 3, bad={0, 1, 2})], 0.0)
    one.pack(0.0)
    letters = list(one.ready())
    assert [shipment.parcel.key for shipment in letters] == [b"0", b"1", b"2"]
    assert one.done == 0
    for shipment in letters:
        one.taken(shipment)
    assert one.done == 3


def test_what_the_broker_finds_too_large_is_divided_in_place():
    one = lane(rows=8, partitions=1)
    one.add([slice_of(0, 16)], 0.0)
    one.pack(0.0)
    one.pack(0.0)
    (whole,) = one.ready()
    one.refused(whole)
    found = []
    while shipments := list(one.ready()):
        for shipment in shipments:
            found += numbers(shipment)
            one.taken(shipment)
    assert found == list(range(16))
    assert one.done == 16


def test_not_everything_is_packed_ahead():
    one = lane()
    one.add([slice_of(0, 100)], 0.0)
    while one.is_due(0.0):
        one.pack(0.0)
    assert one.waiting_bytes > 0
    assert one.is_sending and not one.is_idle


class Log:
    """Destinations, and which rows a worker counts of what was appended to each."""

    def __init__(self):
        self.seen = {}
        self.counted = []
        self.appended = 0

    def append(self, shipment):
        rows = numbers(shipment)
        if not rows:
            return
        seen = self.seen.setdefault(shipment.road, OriginSequence(sparse=True))
        fresh = seen.admit(np.array(rows), lambda row: "", from_start=True).fresh
        self.counted += [number for number, new in zip(rows, fresh, strict=True) if new]
        self.appended += len(rows)


@pytest.mark.parametrize("seed", range(30))
def test_two_bridges_that_both_own_a_partition_count_each_row_once(seed):
    """Records are lost, answered late or never; owners die, and begin at what is committed."""
    rng = random.Random(seed)
    log, committed, count = Log(), 0, 120
    owners = []
    while committed < count:
        if not owners or (len(owners) < 2 and rng.random() < 0.05):
            owners.append((lane(committed, rows=rng.randrange(1, 9)), []))
            owners[-1][0].add([slice_of(committed, count - committed, bad={50})], 0.0)
        if rng.random() < 0.01:
            owners.pop(rng.randrange(len(owners)))
            continue
        one, sent = rng.choice(owners)
        step = rng.random()
        if step < 0.3 and one.is_due(0.0 + EVERY_S):
            one.pack(0.0)
        elif step < 0.6:
            sent += one.ready()
        elif sent:
            shipment = sent.pop(rng.randrange(len(sent)))
            if rng.random() < 0.7:
                log.append(shipment)
                (one.taken if rng.random() < 0.8 else one.failed)(shipment)
            else:
                one.failed(shipment)
        if rng.random() < 0.2:
            # Also backwards: the older of two owners may commit last.
            committed = one.done
    assert sorted(log.counted) == [number for number in range(count) if number != 50]
