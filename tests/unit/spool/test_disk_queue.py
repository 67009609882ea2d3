"""A queue on disk against a plain one in memory."""

import random
from collections import deque

import pytest
from spool_rig import batch, files, full_disk

from inferwatch.events.kinds import Kind
from producers.budget import ByteBudget
from producers.spool.disk_queue import DiskQueue
from producers.spool.entry import encode
from producers.spool.segment import MAGIC, Segment

ENTRY = len(encode(batch(1)))


def queue(folder, room, *, segment_bytes=400):
    segments = Segment.found(folder)
    for segment in segments:
        segment.recover()
    return DiskQueue(folder, Kind.LATENCY, room, segment_bytes=segment_bytes, segments=segments)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_a_queue_also_over_restarts(tmp_path, seed):
    luck = random.Random(seed)
    room = ByteBudget(6000)
    subject = queue(tmp_path, room)
    unread, taken, serial = deque(), [], 0
    for _ in range(1500):
        what = luck.random()
        if what < 0.45:
            one = batch(serial + 1, size=luck.randint(20, 300))
            if subject.append(one):
                serial += 1
                unread.append(one)
        elif what < 0.7:
            item = subject.read()
            assert item == (unread.popleft() if unread else None)
            if item is not None:
                taken.append(item)
        elif what < 0.99 and taken:
            assert subject.settle(taken.pop(luck.randrange(len(taken))).serial)
        elif what > 0.99:
            # The process dies: what was read and not settled comes again, and some that was.
            subject.close()
            before = room.used
            room = ByteBudget(6000)
            subject = queue(tmp_path, room)
            assert room.used == before
            found = []
            while (item := subject.read()) is not None:
                found.append(item)
            wanted = sorted([*taken, *unread], key=lambda b: b.serial)
            serials = [item.serial for item in found]
            assert serials == sorted(serials)
            assert [b for b in found if b in wanted] == wanted
            taken, unread = found, deque()
        assert subject.unread == len(unread)
        assert subject.unread_rows == sum(b.rows for b in unread)
        assert room.used == sum(path.stat().st_size for path in files(tmp_path)) <= 6000
    for item in [*taken]:
        subject.settle(item.serial)
    while (item := subject.read()) is not None:
        subject.settle(item.serial)
    assert subject.is_settled
    assert (files(tmp_path), room.used) == ([], 0)


def test_what_does_not_fit_is_refused_until_a_file_goes(tmp_path):
    room = ByteBudget(2 * (ENTRY + len(MAGIC)))
    subject = queue(tmp_path, room, segment_bytes=1)
    assert [subject.append(batch(n)) for n in (1, 2, 3)] == [True, True, False]
    subject.settle(subject.read().serial)
    assert subject.append(batch(4))
    assert [subject.read().serial, subject.read().serial, subject.read()] == [2, 4, None]
    subject.close()


def test_what_was_found_counts_even_where_it_does_not_fit(tmp_path):
    first = queue(tmp_path, ByteBudget(10_000))
    for serial in range(1, 6):
        assert first.append(batch(serial))
    first.close()
    room = ByteBudget(100)
    subject = queue(tmp_path, room)
    assert room.used > 100
    assert not subject.append(batch(6))
    assert subject.unread == 5
    subject.close()


def test_a_full_disk_costs_no_room(tmp_path):
    room = ByteBudget(10_000)
    subject = queue(tmp_path, room)
    with full_disk(), pytest.raises(OSError, match="too large"):
        subject.append(batch(1))
    with full_disk(20), pytest.raises(OSError, match="too large"):
        subject.append(batch(1))
    assert (room.used, files(tmp_path)) == (0, [])
    assert subject.append(batch(1))
    with full_disk(ENTRY + 20), pytest.raises(OSError, match="too large"):
        subject.append(batch(2))
    assert room.used == files(tmp_path)[0].stat().st_size
    assert [subject.read().serial, subject.read()] == [1, None]
    subject.close()


def test_only_what_was_read_can_be_settled(tmp_path):
    subject = queue(tmp_path, ByteBudget(10_000))
    subject.append(batch(1))
    assert not subject.settle(1)
    assert not subject.settle(2)
    assert subject.settle(subject.read().serial)
    assert subject.is_settled
