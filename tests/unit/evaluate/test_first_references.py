"""When a first reference is learned: once, of all partitions, when the watermark has passed."""

import pytest
from evaluation_rig import CONFIG, EvaluationRig

from pipeline.evaluate import EvaluationLostError
from pipeline.state.samples import sample_fields, unpacked_samples


def learning(learn="60s", more=""):
    return CONFIG.replace("learn: off", f"learn: {learn}") + more


async def stored(rig):
    """How many different rows of the model each partition's state holds."""
    found = await rig.partitions.samples([part.source for part in rig.parts], sample_fields("m"))
    return [sum(map(len, unpacked_samples(fields, "").values())) for fields in found]


async def test_it_is_learned_when_the_slowest_partition_has_passed_the_end():
    rig = EvaluationRig(partitions=2, config=learning())
    worker = rig.worker()
    await rig.parts[0].rows(*range(1_000, 61_000, 1_000), 70_000)
    await rig.parts[1].rows(*range(500, 60_500, 1_000))
    await worker.rounds()
    assert rig.learned == []
    assert await stored(rig) == [60, 60], "the row at 70 s comes after the end"
    await rig.parts[1].rows(60_500)
    await worker.rounds()
    (profile,) = rig.learned
    assert (profile.model, profile.version, profile.provisional) == ("m", None, True)
    # 500 ms to 60.5 s, which is in neither.
    assert (profile.rows, profile.created_at) == (60 + 60, 60_500)
    await worker.rounds()
    assert len(rig.learned) == 1


async def test_windows_are_provisional_and_the_rows_are_forgotten():
    rig = EvaluationRig(config=learning())
    worker = rig.worker()
    await rig.parts[0].rows(*range(0, 61_000, 1_000))
    await worker.rounds()
    await rig.parts[0].rows(*range(61_000, 81_000, 1_000))
    assert await stored(rig) == [0]
    await worker.rounds()
    results = {result.start: result for result, _, _ in rig.topic.windows}
    assert not results[50_000].provisional and results[50_000].reference is None
    assert results[60_000].provisional
    assert results[60_000].reference == rig.learned[0].fingerprint
    assert results[60_000].features["x"].psi == 0


async def test_a_window_that_was_counted_without_it_is_not_provisional():
    rig = EvaluationRig(config=learning())
    worker = rig.worker()
    await rig.parts[0].rows(*range(0, 61_000, 1_000))
    await worker.rounds()
    await rig.parts[0].rows(75_000)
    await worker.rounds()
    (window,) = [result for result, _, _ in rig.topic.windows if result.start == 60_000]
    assert (window.rows, window.reference, window.provisional) == (1, None, False)


@pytest.mark.parametrize("more", ["learn: off", "learn: 2m"])
async def test_off_or_later_learns_nothing_yet(more):
    rig = EvaluationRig(config=CONFIG.replace("learn: off", more))
    worker = rig.worker()
    await rig.parts[0].rows(*range(0, 100_000, 1_000))
    await worker.rounds()
    assert rig.learned == []
    assert await stored(rig) == [0 if "off" in more else 100]


async def test_a_crash_before_it_is_published_is_made_up_for():
    rig = EvaluationRig(config=learning())
    worker = rig.worker()

    async def down(profile):
        raise ConnectionError("Kafka is away")

    worker.faults.reference = down
    await rig.parts[0].rows(*range(0, 61_000, 1_000))
    with pytest.raises(ConnectionError):
        await worker.rounds()
    await rig.worker("other").rounds()
    assert [profile.rows for profile in rig.learned] == [60]


async def test_what_somebody_else_published_meanwhile_is_the_first():
    rig = EvaluationRig(config=learning())
    worker, other = rig.worker(), rig.worker("other")

    async def other_is_faster():
        worker.faults.read = None
        await other.rounds()

    worker.faults.read = other_is_faster
    await rig.parts[0].rows(*range(0, 61_000, 1_000))
    with pytest.raises(EvaluationLostError):
        await worker.rounds()
    assert len(rig.learned) == 1


async def test_after_a_flush_nothing_is_learned_again():
    rig = EvaluationRig(config=learning())
    worker = rig.worker()
    await rig.parts[0].rows(*range(0, 61_000, 1_000))
    await worker.rounds()
    rig.lose()
    await rig.parts[0].rebuild()
    await worker.rounds(5)
    assert len(rig.learned) == 1
    assert await stored(rig) == [0]


async def test_a_rebuild_before_the_end_keeps_the_same_rows():
    rig = EvaluationRig(config=learning())
    await rig.parts[0].rows(*range(0, 30_000, 1_000))
    before = await rig.partitions.samples([rig.parts[0].source], sample_fields("m"))
    rig.lose()
    await rig.parts[0].rebuild()
    after = await rig.partitions.samples([rig.parts[0].source], sample_fields("m"))
    assert unpacked_samples(after[0], "") == unpacked_samples(before[0], "")


async def test_what_the_limit_left_over_is_no_model():
    limits = learning().replace("idle: 60s", "idle: 60s, models: 1")
    rig = EvaluationRig(config=limits)
    worker = rig.worker()
    for ts in range(0, 90_000, 1_000):
        await rig.parts[0].rows(ts, model=f"n{ts % 7}")
        await rig.parts[0].rows(ts)
    await worker.rounds()
    assert [profile.model for profile in rig.learned] == ["m"]


async def test_a_partition_that_holds_only_rows_of_a_wrong_clock_ends_no_learning():
    rig = EvaluationRig(partitions=2, config=learning())
    worker = rig.worker()
    await rig.parts[0].rows(-(10**9))
    rig.now_ms += 120_000
    await rig.parts[1].rows(0)
    await worker.rounds()
    await rig.parts[1].rows(*range(1_000, 50_000, 1_000))
    await worker.rounds()
    assert rig.learned == []
    await rig.parts[1].rows(*range(50_000, 62_000, 1_000))
    await worker.rounds()
    assert [profile.rows for profile in rig.learned] == [60]
