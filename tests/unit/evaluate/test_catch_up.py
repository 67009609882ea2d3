"""What a worker tells of a backlog: what still fires is told, what is over is only recorded."""

from evaluation_rig import EvaluationRig

from pipeline import evaluate

BUSY, QUIET = (0, 1, 2, 3), (0,)
"""Rows of a window at these milliseconds: more than three of them fire, in the rig's rule."""


async def windows(rig, *kinds, first=0, part=0):
    """One window of ten seconds after the other."""
    for n, kind in enumerate(kinds):
        await rig.parts[part].rows(*((first + n) * 10_000 + ms for ms in kind))


def told(rig):
    """What went out: status, and whether the incident was known to be over."""
    return [(alert["status"], alert["ends_at"] is not None) for alert in rig.topic.alerts]


async def test_of_a_backlog_what_is_over_says_so_and_what_goes_on_is_told():
    rig = EvaluationRig()
    await windows(rig, QUIET, BUSY, QUIET, QUIET, BUSY, BUSY, QUIET)
    await rig.worker().rounds(6)
    assert told(rig) == [("firing", True), ("resolved", True), ("firing", False)]
    first, end, last = rig.topic.alerts
    assert first["incident"] == end["incident"] != last["incident"]
    assert first["ends_at"] == end["ends_at"] == 20_000


async def test_however_many_rounds_it_takes(monkeypatch):
    monkeypatch.setattr(evaluate, "MAX_WINDOWS_A_ROUND", 1)
    rig = EvaluationRig()
    await windows(rig, BUSY, BUSY, BUSY, QUIET, QUIET, QUIET)
    worker = rig.worker()
    await worker.rounds(2)
    assert rig.topic.published(0) == [(0, 4)]
    assert told(rig) == [], "nobody knows yet whether it is over"
    await worker.rounds(5)
    assert told(rig) == [("firing", True), ("resolved", True)]


async def test_a_partition_that_is_not_counted_yet_holds_alerts_back():
    rig = EvaluationRig(partitions=2)
    await windows(rig, BUSY, QUIET, QUIET)
    await windows(rig, QUIET, QUIET, QUIET, part=1)
    await rig.worker("first").rounds(1)
    # Since the first worker ended the log went on, and nobody counted.
    lagging = rig.parts[0]
    lagging.log *= 3
    await lagging.beat()
    worker = rig.worker("second")
    await worker.rounds()
    assert rig.topic.published(0) == [(0, 5)]
    assert told(rig) == []
    del lagging.log[6:]
    await lagging.beat()
    await rig.worker("third").rounds()
    assert told(rig) == [("firing", True), ("resolved", True)]


async def test_what_begins_and_ends_while_the_worker_is_at_work_is_told():
    rig = EvaluationRig()
    worker = rig.worker()
    await windows(rig, QUIET, QUIET)
    await worker.rounds()
    # However fast it comes.
    await windows(rig, BUSY, QUIET, QUIET, first=2)
    await worker.rounds()
    assert told(rig) == [("firing", False), ("resolved", True)]


async def test_what_waited_when_the_worker_was_killed_is_told_by_the_next():
    rig = EvaluationRig()
    await windows(rig, BUSY, BUSY, QUIET)
    worker = rig.worker("first")
    await worker.rounds(2)
    assert told(rig) == [], "the first round of a worker tells nothing"
    await windows(rig, QUIET, first=3)
    await rig.worker("second").rounds()
    assert told(rig) == [("firing", True), ("resolved", True)]
