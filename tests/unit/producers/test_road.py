"""One topic's way: what goes where while Kafka comes and goes; no threads, no disk, no clock."""

import pytest
from spool_rig import batch

from inferwatch.events.kinds import Kind
from producers.budget import ByteBudget
from producers.road import STUCK_S, Road
from producers.spool.disk_queue import DiskQueue
from producers.spool.line import Line


@pytest.fixture
def line():
    """A line without a disk: what is put comes out again after `refill`."""
    return Line(Kind.LATENCY, ByteBudget(2**20))


@pytest.fixture
def road(line):
    return Road(Kind.LATENCY, None, line)


def serials(batches):
    return [one.serial for one in batches]


def send(road):
    sent = []
    while (one := road.next()) is not None:
        sent.append(one)
    return sent


def test_without_a_spool_all_waits_in_memory_in_order():
    road = Road(Kind.LATENCY, None)
    road.add([batch(1), batch(2), batch(3)], 0.0)
    one, two, three = send(road)
    assert road.failed(three)
    assert road.failed(one)
    assert road.spill() == 0
    road.arrived(two, 1.0)
    assert serials(send(road)) == [1, 3]
    assert (road.pending_rows, road.unsaved_rows, road.spooled_rows) == (4, 4, 0)


def test_new_batches_wait_behind_those_of_the_line(road, line):
    line.put(batch(1))
    road.add([batch(2)], 0.0)
    assert not road.waiting
    line.refill(can_write=False)
    road.fetch(0.0)
    assert serials(road.waiting) == [1, 2]
    road.add([batch(3)], 0.0)
    assert serials(road.waiting) == [1, 2, 3]


def test_only_so_many_bytes_of_the_line_are_on_their_way(road, line):
    for serial in range(1, 5):
        line.put(batch(serial, size=10_000))
    for expected in ([1, 2], [3, 4]):
        # A 64th of the line's bound is 16 KiB: two batches are beyond that.
        line.refill(can_write=False)
        road.fetch(0.0)
        sent = send(road)
        assert serials(sent) == expected
        line.refill(can_write=False)
        road.fetch(0.0)
        assert not road.waiting
        for one in sent:
            road.arrived(one, 0.0)


def test_what_is_on_its_way_is_copied_and_comes_from_the_line_when_it_fails(road, line):
    road.add([batch(1), batch(2)], 0.0)
    one = road.next()
    assert road.spill() == one.size
    assert road.spill() == 0
    assert line.rows == 4
    line.refill(can_write=False)
    road.fetch(0.0)
    # It may still arrive: nothing is sent twice.
    assert not road.waiting
    assert not road.failed(one)
    road.fetch(0.0)
    assert serials(road.waiting) == [1, 2]


def test_what_is_on_its_way_and_arrives_is_taken_from_the_line(road, line):
    road.add([batch(1), batch(2)], 0.0)
    one = road.next()
    road.spill()
    road.arrived(one, 0.0)
    line.forget()
    line.refill(can_write=False)
    road.fetch(0.0)
    assert serials(road.waiting) == [2]


def test_what_the_disk_had_no_room_for_is_offered_again_at_the_end_only(road, line):
    line.put(batch(1))
    line.refill(can_write=False)
    road.fetch(0.0)
    assert (road.unsaved_rows, road.spooled_rows) == (2, 0)
    assert (road.spill(), serials(road.waiting)) == (0, [1])
    road.spill(is_last=True)
    assert not road.waiting
    assert line.unwritten_rows == 2


@pytest.mark.parametrize(("now", "is_away"), [(STUCK_S, False), (STUCK_S + 1, True)])
def test_a_broker_that_says_nothing_for_long_is_away(road, now, is_away):
    assert not road.is_away(100.0)
    road.add([batch(1)], 0.0)
    assert road.is_away(now) == is_away
    one = road.next()
    assert road.is_away(now) == is_away
    road.arrived(one, now)
    assert not road.is_away(now + 100)


def test_a_broker_that_fails_is_away_until_it_takes_something(road):
    assert not road.is_away(0.0)
    road.hold(0.0)
    first = road.not_before
    road.hold(0.0)
    assert road.not_before == 2 * first
    assert road.is_away(0.0)
    road.go_on()
    assert not road.is_away(0.0)


def test_what_is_being_read_back_is_not_over(road, line, tmp_path):
    seen = []

    class AskedMeanwhile(DiskQueue):
        """The publisher looks at its roads while the spool's thread has read a batch."""

        def read(self):
            item = super().read()
            seen.append(road.is_over)
            return item

    line.disk = AskedMeanwhile(tmp_path, Kind.LATENCY, ByteBudget(2**20), segment_bytes=2**16)
    line.disk.append(batch(1))
    line.refill(can_write=True)
    assert seen == [False]
    road.fetch(0.0)
    (one,) = send(road)
    assert not road.is_over
    road.arrived(one, 0.0)
    assert road.is_over
