"""How far windows were judged: bounded in tracks, and none is judged twice."""

from evaluation_rig import LABELS, EvaluationRig

from pipeline import judging
from pipeline.judging import Judged
from pipeline.partition import PartitionState
from pipeline.state.packing import pack, unpack
from pipeline.windows.grid import Span
from pipeline.windows.result import WindowKey


def key(end, version):
    return WindowKey(Span(end, 10, "10ms"), version, "")


def judged(**ends):
    tracks = {key(0, version).track: end for version, end in ends.items()}
    return Judged(dict(tracks), dict(tracks))


def test_tracks_that_ended_are_forgotten_and_still_count_as_judged():
    known = judged(a=100, b=200, c=900)
    known.forget(500, waiting=(), most=2)
    assert len(known.final) == len(known.quality) == 2
    again = Judged.restore(known.snapshot())
    for part in (again.has_final, again.has_quality):
        assert part(key(100, "a")) and part(key(200, "b")) and part(key(900, "c"))
        assert not part(key(210, "a")) and not part(key(910, "c"))


def test_what_is_forgotten_later_takes_nothing_back():
    known = judged(a=100, b=400, c=900)
    known.forget(500, waiting=(), most=2)
    known.final[key(0, "d").track] = 300
    known.forget(500, waiting=(), most=2)
    assert known.has_final(key(400, "b")) and not known.has_final(key(410, "b"))


def test_few_tracks_and_those_whose_labels_are_awaited_stay():
    few, waits = judged(a=100, b=200), judged(a=100, b=200, c=300)
    few.forget(500, waiting=(), most=2)
    waits.forget(500, waiting={key(0, "a").track, key(0, "b").track}, most=2)
    assert not few.has_final(key(150, "new")) and not waits.has_final(key(250, "b"))
    assert len(waits.final) == 3 and waits.has_final(key(300, "c"))


async def test_the_stored_evaluation_does_not_grow_with_every_version(monkeypatch):
    monkeypatch.setattr(judging, "MAX_TRACKS", 3)
    rig = EvaluationRig()
    worker = rig.worker()
    # Labels are ahead of the rows: nothing waits for them.
    await rig.partitions.begin(LABELS, "l", -1, pack(PartitionState(high_ts=10**6).head()))
    for n in range(40):
        start = n * 10_000
        await rig.parts[0].rows(*range(start, start + 5), version=f"v{n}")
        await worker.rounds(2)
    (state, *_) = await rig.evaluations.claim("m", "g")
    _, (final, quality), *_ = unpack(state, "the evaluation")
    assert 3 < len(final) < 20 and len(quality) < 20
    assert len({a["version"] for a in rig.topic.alerts}) == 39
