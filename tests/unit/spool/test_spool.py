"""The spool's rounds, with a clock that the test sets and a file system that is real."""

import logging
import os
import shutil

from spool_rig import SIZE, SpoolRig, files, full_disk

from producers.spool.claims import Place


def test_while_kafka_is_there_nothing_is_written(start, tmp_path):
    rig = start()
    rig.put(3)
    assert rig.step()
    assert rig.take() == [(1, False), (2, False), (3, False)]
    assert files(tmp_path) == []


def test_while_it_is_away_all_is_written_and_memory_is_free(start, tmp_path, caplog):
    rig = start()
    rig.line.is_needed = True
    rig.put(100, size=500)
    rig.step()
    assert rig.gauge("spool_bytes") == sum(path.stat().st_size for path in files(tmp_path)) > 0
    assert rig.gauge("spool_rows") == 200
    assert rig.gauge("spool_limit_bytes") == SIZE
    assert rig.counters.get("spool_rows_written_total", topic="inference.latencies") == 200
    # The first ones are in memory again, to be tried: those up to a 64th of its bound.
    assert rig.budget.used == 21 * 800
    rig.line.is_needed = False
    found = []
    while True:
        some = rig.take()
        if not some:
            break
        found += some
        for serial, _ in some:
            rig.line.settle(serial)
        rig.step()
    assert found == [(n, True) for n in range(1, 101)]
    assert (files(tmp_path), rig.gauge("spool_bytes")) == ([], 0)
    lines = [r.getMessage() for r in caplog.records if r.name == "inferwatch.spool"]
    assert [line.split(":")[0] for line in lines] == [
        "events wait on disk now",
        f"the spool {tmp_path} is empty again",
    ]


def test_what_came_later_waits_behind_what_is_on_disk(start):
    rig = start()
    rig.line.is_needed = True
    rig.put(40)
    rig.step()
    rig.line.is_needed = False
    rig.put(2)
    rig.step()
    assert [serial for serial, _ in rig.take()] == list(range(1, 33))
    rig.step()
    assert [serial for serial, _ in rig.take()] == list(range(33, 43))


def test_a_full_spool_goes_on_through_memory(start, tmp_path, caplog):
    rig = start(limit=8192)
    rig.line.is_needed = True
    rig.put(30, size=900)
    rig.step()
    assert rig.spool.trouble == "spool_full"
    held = sum(path.stat().st_size for path in files(tmp_path))
    assert 6000 < held <= 8192
    # Read on, and the rest follows in its order without having been on disk.
    order = []
    for _ in range(10):
        for serial, _ in rig.take():
            order.append(serial)
            rig.line.settle(serial)
        rig.step()
    assert order == list(range(1, 31))
    assert rig.spool.trouble is None
    assert files(tmp_path) == []
    text = " | ".join(r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING)
    assert text.count("is full") == 1
    assert "0.0078125 MiB" in text
    assert text.count("takes events again") == 1


def test_a_full_disk_is_told_once_and_tried_again_ever_later(start, tmp_path, caplog):
    rig = start()
    rig.line.is_needed = True
    rig.step()
    with full_disk():
        rig.put(100)
        for _ in range(200):
            rig.step(0.25)
        # At once, and after 1, 2, 4, 8 and 16 s more.
        assert rig.counters.get("spool_errors_total", error="EFBIG") == 6
        assert rig.spool.trouble == "spool_error"
        # It goes on through memory.
        assert rig.take() == [(n, False) for n in range(1, 33)]
    rig.step(30)
    assert rig.spool.trouble is None
    assert rig.take() == [(n, True) for n in range(33, 65)]
    lines = [r.getMessage() for r in caplog.records if r.name == "inferwatch.spool"]
    assert sum("cannot be used" in line for line in lines) == 1
    assert sum("takes events again" in line for line in lines) == 1


def test_a_folder_that_cannot_be_made_costs_no_event(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    rig = SpoolRig(tmp_path / "file")
    rig.line.is_needed = True
    rig.put(2)
    rig.step()
    assert rig.take() == [(1, False), (2, False)]
    assert rig.counters.total("spool_errors_total") == 1
    (tmp_path / "file").unlink()
    rig.put(1)
    rig.step(2)
    assert rig.take() == [(3, True)]
    rig.end()


def test_a_directory_that_is_cleared_is_made_again_and_the_rows_are_counted(start, tmp_path):
    rig = start()
    rig.line.is_needed = True
    rig.put(2)
    rig.step()
    rig.put(50, size=10_000)
    shutil.rmtree(tmp_path)
    for _ in range(4):
        rig.step(2)
    found = []
    while some := rig.take():
        found += some
        for serial, _ in some:
            rig.line.settle(serial)
        rig.step(2)
    lost = rig.dropped("spool_damaged")
    assert 2 * len(found) + lost == 2 * 52
    rig.put(1)
    rig.step(30)
    assert rig.take() == [(53, True)]
    assert rig.spool.trouble is None


def test_a_directory_that_cannot_be_made_again_costs_no_descriptor_of_others(tmp_path):
    rig = SpoolRig(tmp_path / "spool", limit=2**20)
    rig.line.is_needed = True
    rig.put(2)
    rig.step()
    rig.put(50, size=10_000)
    shutil.rmtree(rig.folder)
    rig.folder.write_text("somebody's file")
    rig.step(60)
    rig.step(60)
    # They get the numbers of what was let go of since.
    others = [os.open(tmp_path, os.O_RDONLY) for _ in range(4)]
    rig.step(60)
    for other in others:
        os.close(other)
    rig.folder.unlink()
    rig.step(60)
    rig.step(60)
    assert rig.spool.trouble is None
    assert rig.counters.get("spool_errors_total", error="EBADF") == 0
    rig.end()


def test_what_is_torn_is_counted(start, tmp_path, caplog):
    first = start(origin="first")
    first.line.is_needed = True
    first.put(3, origin="first")
    first.step()
    first.end()
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes()[:-10])
    second = start(origin="second")
    second.step()
    (line,) = second.spool.claimed()
    assert [serial for serial, _ in second.take(line)] == [1, 2]
    assert second.counters.get("spool_cut_bytes_total") > 0
    assert second.dropped("spool_damaged") == 2


def test_what_is_damaged_is_counted(start, tmp_path):
    rig = start()
    rig.line.is_needed = True
    rig.put(40, size=100)
    rig.step()
    rig.take()
    (path,) = files(tmp_path)
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    rig.step()
    assert [serial for serial, _ in rig.take()] == list(range(33, 40))
    assert rig.dropped("spool_damaged") == 2


def test_what_kafka_has_after_all_is_not_sent_again(start, tmp_path):
    rig = start()
    rig.line.is_needed = True
    rig.put(3)
    rig.line.settle(2)
    rig.step()
    assert [serial for serial, _ in rig.take()] == [1, 3]
    rig.line.settle(1)
    rig.line.settle(3)
    rig.step()
    assert files(tmp_path) == []
    # The same where it was on disk already.
    rig.put(40)
    rig.step()
    rig.line.settle(40)
    for serial, _ in rig.take():
        rig.line.settle(serial)
    rig.step()
    assert [serial for serial, _ in rig.take()] == [36, 37, 38, 39, 41, 42, 43]
    assert rig.line.is_empty


def test_memory_again_is_a_64th_of_the_bound(start):
    rig = start(queue=2**18, limit=2**20)
    rig.line.is_needed = True
    rig.put(60, size=1000)
    rig.step()
    assert len(rig.take()) == 4  # 1,300 bytes each: the first ones beyond 4,096
    assert rig.line.rows == 2 * 56


def test_at_the_end_all_is_written(start, tmp_path):
    rig = start(origin="a")
    rig.put(5)
    rig.step()
    assert files(tmp_path) == []
    rig.end()
    assert rig.line.unwritten_rows == 0
    other = start(origin="b")
    other.step()
    (line,) = other.spool.claimed()
    assert [serial for serial, _ in other.take(line)] == [1, 2, 3, 4, 5]


def test_files_of_a_later_version_stay(start, tmp_path, caplog):
    first = start(origin="first")
    first.line.is_needed = True
    first.put(1, origin="first")
    first.step()
    first.end()
    (path,) = files(tmp_path)
    path.write_bytes(b"iwspool\x09" + path.read_bytes()[8:])
    second = start(origin="second")
    second.step()
    assert second.spool.claimed() == []
    assert path.exists()
    second.step(10)
    second.step(10)
    assert caplog.text.count("later version") == 1
    assert "rows on disk" not in caplog.text
    second.end()
    assert path.exists()


def test_a_file_that_cannot_be_read_does_not_hide_the_others(start, tmp_path, caplog):
    first = start(origin="first")
    first.line.is_needed = True
    first.put(3, origin="first")
    first.step()
    first.end()
    (path,) = files(tmp_path)
    path.with_name("latency-00000002.segment").symlink_to(path)
    second = start(origin="second")
    second.line.is_needed = True
    second.put(1)
    second.step()
    (line,) = second.spool.claimed()
    assert [serial for serial, _ in second.take(line)] == [1, 2, 3]
    assert second.counters.get("spool_errors_total", error="ELOOP") == 1
    assert "00000002.segment cannot be read" in caplog.text
    # Its own events are written all the same.
    assert second.take() == [(1, True)]


def test_events_for_another_kafka_are_told_of(start, tmp_path, caplog):
    other = Place(tmp_path, "kafka of others").claim("x")
    (other.folder / "latency-00000001.segment").write_bytes(b"")
    rig = start()
    rig.step()
    assert rig.spool.claimed() == []
    assert f"{other.folder.parent} holds events for another Kafka" in caplog.text
    other.release()
