"""What dead processes left: who takes it on, how much of it at a time, and when again."""

import errno

from spool_rig import batch, files

from inferwatch.events.kinds import Kind
from producers.spool.claims import Place


def test_what_the_dead_left_is_sent_under_their_name(start, tmp_path):
    first = start(origin="first")
    first.line.is_needed = True
    first.put(3, origin="first")
    first.step()
    second = start(origin="second")
    second.step()
    assert second.spool.claimed() == []
    first.end()
    second.step(9)
    assert second.spool.claimed() == []
    second.step(1)
    (line,) = second.spool.claimed()
    assert (line.kind, line.rows) == (Kind.LATENCY, 6)
    taken = [line.take() for _ in range(3)]
    assert [t.batch for t in taken] == [batch(n, origin="first") for n in (1, 2, 3)]
    for one in taken:
        line.settle(one.batch.serial)
    second.step()
    assert files(tmp_path) == []
    assert [path.name for path in (tmp_path).glob("*/*")] == ["second"]


def test_the_dead_are_sent_one_after_the_other(start, tmp_path):
    for name in ("first", "second"):
        dead = start(origin=name)
        dead.line.is_needed = True
        dead.put(3, origin=name)
        dead.step()
    for dead in list(start.rigs):
        dead.end()
    rig = start(origin="third", limit=2**12)
    rig.step()
    lines = rig.spool.claimed()
    assert rig.gauge("spool_rows") == 12
    # All of them count at once, though.
    assert rig.gauge("spool_bytes") == sum(path.stat().st_size for path in files(tmp_path))
    found = []
    for _ in range(4):
        taken = [(n, serial) for n, line in enumerate(lines) for serial, _ in rig.take(line)]
        assert len({n for n, _ in taken}) <= 1
        found += taken
        for n, serial in taken:
            lines[n].settle(serial)
        rig.step()
    assert sorted(found) == [(n, serial) for n in (0, 1) for serial in (1, 2, 3)]


def test_many_dead_are_taken_on_a_few_at_a_time(start, tmp_path):
    for n in range(10):
        dead = start(origin=f"dead-{n}")
        dead.line.is_needed = True
        dead.put(1, origin=f"dead-{n}")
        dead.step()
    for dead in list(start.rigs):
        dead.end()
    rig = start(origin="mine")
    rig.step()
    lines, found = rig.spool.claimed(), []
    assert len(lines) == 8
    others = list(Place(tmp_path, "kafka").claim_dead())
    assert len(others) == 2
    for other in others:
        other.release()
    for _ in range(30):
        for line in lines:
            while (taken := line.take()) is not None:
                found.append(taken.batch.origin)
                line.settle(taken.batch.serial)
        rig.step()
        lines += rig.spool.claimed()
    assert sorted(found) == [f"dead-{n}" for n in range(10)]
    assert files(tmp_path) == []


def test_one_that_cannot_be_taken_over_now_is_taken_over_later(start, tmp_path, monkeypatch):
    first = start(origin="first")
    first.line.is_needed = True
    first.put(3, origin="first")
    first.step()
    first.end()
    second = start(origin="second")
    with monkeypatch.context() as patched:
        patched.setattr("producers.spool.spool.recover", too_many_open)
        second.step()
    assert second.counters.get("spool_errors_total", error="EMFILE") == 1
    second.step(10)
    (line,) = second.spool.claimed()
    assert line.rows == 6


def too_many_open(*_):
    raise OSError(errno.EMFILE, "Too many open files")
