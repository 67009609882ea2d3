"""A file of the spool: whatever a crash, a full disk or a bad sector left of it."""

import resource

import pytest
from spool_rig import batch, full_disk

from inferwatch.events.kinds import Kind
from producers.batching import Batch, Drop
from producers.spool.entry import encode
from producers.spool.segment import MAGIC, Segment, UnknownFormatError


def written(folder, count=3, **options):
    segment = Segment.create(folder, Kind.LATENCY, 1)
    for serial in range(1, count + 1):
        one = batch(serial, **options)
        segment.append(encode(one), one.rows)
    segment.close()
    return segment.path


def found(folder):
    (segment,) = Segment.found(folder)
    return segment


def read_all(segment):
    items = []
    while (item := segment.read()) is not None:
        items.append(item)
    return items


@pytest.mark.parametrize("key", [None, b"origin", "é".encode()])
def test_what_is_written_is_read(tmp_path, key):
    sent = batch(7, kind=Kind.LABEL, key=key, partition=3, rows=5)
    segment = Segment.create(tmp_path, Kind.LABEL, 4)
    segment.append(encode(sent), sent.rows)
    assert segment.path.stat().st_mode & 0o777 == 0o600
    assert (segment.unread, segment.unread_rows) == (1, 5)
    again = found(tmp_path)
    assert again.recover() is None
    assert (again.number, again.unread, again.unread_rows) == (4, 1, 5)
    assert read_all(again) == [sent]
    assert (again.unread, again.unread_rows, again.unsettled) == (0, 0, 1)


def test_torn_anywhere_the_whole_entries_before_it_are_kept(tmp_path):
    path = written(tmp_path)
    whole = path.read_bytes()
    entry = len(encode(batch(1)))
    head = len(encode(batch(1, size=0))) - len(b"payload 1 ")
    assert len(whole) == len(MAGIC) + 3 * entry
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        segment = found(tmp_path)
        tear = segment.recover()
        kept, left = divmod(max(0, size - len(MAGIC)), entry)
        assert [item.serial for item in read_all(segment)] == list(range(1, kept + 1))
        if left == 0:
            assert tear is None
        else:
            # The rows of the torn entry are known as soon as its head is whole.
            assert (tear.size, tear.rows) == (left, 2 if left >= head else 0)
            assert path.stat().st_size == size - left
        segment.close()


def test_a_damaged_byte_costs_its_entry_or_what_follows_its_head(tmp_path):
    path = written(tmp_path)
    whole = path.read_bytes()
    entry = len(encode(batch(1)))
    second = len(MAGIC) + entry
    for at in range(second, second + entry):
        path.write_bytes(whole)
        segment = found(tmp_path)
        segment.recover()
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        items = read_all(segment)
        rows = [item.rows for item in items if isinstance(item, Drop)]
        serials = [item.serial for item in items if isinstance(item, Batch)]
        # Every row is either there or counted.
        assert (serials, rows) in [([1, 3], [2]), ([1], [4])], at
        assert segment.unsettled == len(serials)
        segment.close()


def test_a_damaged_head_found_at_the_start_is_a_tear(tmp_path):
    path = written(tmp_path)
    whole = bytearray(path.read_bytes())
    whole[len(MAGIC) + 20] ^= 1
    path.write_bytes(whole)
    segment = found(tmp_path)
    assert segment.recover().size == len(whole) - len(MAGIC)
    assert read_all(segment) == []


def test_a_file_that_is_gone_is_counted(tmp_path):
    path = written(tmp_path)
    segment = found(tmp_path)
    segment.recover()
    segment.close()
    path.unlink()
    assert read_all(segment) == [Drop(6, "spool_damaged")]
    segment.delete()


def test_too_many_open_files_is_no_loss(tmp_path):
    written(tmp_path)
    segment = found(tmp_path)
    segment.recover()
    segment.close()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            segment.read()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert len(read_all(segment)) == 3
    segment.close()


def test_a_later_version_is_left_alone(tmp_path):
    path = written(tmp_path)
    later = b"iwspool\x02" + path.read_bytes()[len(MAGIC) :]
    path.write_bytes(later)
    with pytest.raises(UnknownFormatError):
        found(tmp_path).recover()
    assert path.read_bytes() == later


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path):
    segment = Segment.create(tmp_path, Kind.LATENCY, 1)
    segment.append(encode(batch(1)), 2)
    before = segment.path.read_bytes()
    with full_disk(len(before) + 30), pytest.raises(OSError, match="too large"):
        segment.append(encode(batch(2)), 2)
    assert segment.path.read_bytes() == before
    segment.append(encode(batch(3)), 2)
    assert [item.serial for item in read_all(segment)] == [1, 3]
    segment.close()


def test_a_full_disk_at_the_first_word_leaves_no_file(tmp_path):
    with full_disk(), pytest.raises(OSError, match="too large"):
        Segment.create(tmp_path, Kind.LATENCY, 1)
    assert list(tmp_path.iterdir()) == []


def test_no_link_is_followed(tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "latency-00000001.segment").symlink_to(target)
    with pytest.raises(OSError, match="exists"):
        Segment.create(folder, Kind.LATENCY, 1)
    segment = found(folder)
    with pytest.raises(OSError, match="symbolic links"):
        segment.recover()
    assert target.read_bytes() == b"mine"


def test_other_files_are_none_of_ours(tmp_path):
    for name in ("lock", "latency.segment", "secret-00000001.segment", "latency-1.segment"):
        (tmp_path / name).write_bytes(b"")
    assert Segment.found(tmp_path) == []
