"""Rounds of evaluation: when a window is published, at which revision, and by whom."""

from copy import deepcopy
from dataclasses import replace

import pytest
from evaluation_rig import EvaluationRig

from pipeline import evaluate
from pipeline.evaluate import EvaluationLostError

LATER = 10_000
"""Past what a revision waits for, milliseconds."""


async def test_a_window_is_published_once_it_is_final():
    rig = EvaluationRig()
    worker = rig.worker()
    await rig.parts[0].rows(1_000, 2_000, 9_999)
    await worker.rounds()
    assert rig.topic.windows == []
    await rig.parts[0].rows(10_000)
    await worker.rounds()
    assert rig.topic.published(0) == [(0, 3)]
    await worker.rounds()
    assert rig.topic.published(0) == [(0, 3)]


async def test_the_slowest_partition_holds_the_windows_back():
    rig = EvaluationRig(partitions=2)
    worker = rig.worker()
    await rig.parts[0].rows(1_000, 25_000)
    await rig.parts[1].rows(2_000)
    await worker.rounds()
    assert rig.topic.windows == []
    await rig.parts[1].rows(10_000)
    await worker.rounds()
    assert rig.topic.published(0) == [(0, 2)]


async def test_late_rows_revise_a_window_once_in_a_while():
    rig = EvaluationRig()
    worker = rig.worker()
    await rig.parts[0].rows(1_000, 10_000)
    await worker.rounds()
    await rig.parts[0].rows(2_000)
    await worker.rounds()
    assert rig.topic.published(0) == [(0, 1)]
    rig.now_ms += LATER
    await worker.rounds()
    assert rig.topic.published(0) == [(0, 1), (1, 2)]
    assert rig.topic.windows[-1][0].late == 1


async def test_after_a_flush_nothing_is_published_before_all_is_rebuilt():
    rig = EvaluationRig(partitions=2)
    worker = rig.worker()
    for part in rig.parts:
        await part.rows(1_000, 12_000, 2_000)
    await worker.rounds()
    assert rig.topic.published(0) == [(0, 4)]
    rig.lose()
    rig.now_ms += LATER
    await worker.rounds()
    await rig.parts[0].rebuild()
    await rig.parts[1].rebuild(2)
    await worker.rounds()
    assert len(rig.topic.windows) == 1, "one partition is not whole"
    await rig.parts[1].go_on(2)
    await rig.parts[1].rows(3_000)
    rig.now_ms += LATER
    await worker.rounds()
    assert rig.topic.published(0) == [(0, 4), (1, 5)]


async def test_what_is_rebuilt_and_says_the_same_is_not_published_again():
    rig = EvaluationRig()
    worker = rig.worker()
    await rig.parts[0].rows(1_000, 12_000)
    await worker.rounds()
    rig.lose()
    await rig.parts[0].rebuild()
    rig.now_ms += LATER
    await worker.rounds()
    assert rig.topic.published(0) == [(0, 1)]


async def test_nothing_is_published_before_labels_were_looked_up_once_more():
    rig = EvaluationRig()
    worker = rig.worker()
    await rig.parts[0].rows(1_000, 12_000)
    await worker._rig_labels()
    for _ in range(3):
        # The labels partition is there, and does not look.
        await worker.round()
    assert rig.topic.windows == []
    await worker.rounds()
    assert rig.topic.published(0) == [(0, 1)]


async def test_a_partition_that_went_back_is_waited_for():
    rig = EvaluationRig()
    worker = rig.worker()
    await rig.parts[0].rows(1_000)
    await worker.rounds()
    await rig.parts[0].rows(12_000, 2_000)
    await worker.rounds()
    rig.partitions.lose()
    await rig.parts[0].rebuild(2)
    rig.now_ms += LATER
    await worker.rounds()
    assert rig.topic.published(0) == [(0, 2)]
    await rig.parts[0].go_on(2)
    await rig.parts[0].rows(3_000)
    rig.now_ms += LATER
    await worker.rounds()
    assert rig.topic.published(0) == [(0, 2), (1, 3)]


async def test_a_flush_in_the_middle_of_a_round_publishes_nothing_partial():
    rig = EvaluationRig()
    worker = rig.worker()
    await rig.parts[0].rows(1_000, 2_000)
    await worker.rounds()
    await rig.parts[0].rows(12_000)
    panes = rig.partitions.panes

    async def flushed(sources, fields):
        rig.lose()
        await rig.parts[0].rebuild(1)
        return await panes(sources, fields)

    rig.partitions.panes = flushed
    with pytest.raises(EvaluationLostError):
        await worker.rounds()
    assert rig.topic.windows == []


async def test_who_evaluated_before_is_refused_and_takes_no_mark_away():
    rig = EvaluationRig()
    old, new = rig.worker("old"), rig.worker("new")
    await rig.parts[0].rows(1_000)
    await old.rounds()
    await new.rounds()
    await rig.parts[0].rows(2_000, 12_000)
    with pytest.raises(EvaluationLostError):
        await old.rounds()
    await new.rounds()
    assert rig.topic.published(0) == [(0, 2)]
    assert [by for _, _, by in rig.topic.windows] == ["new"]


async def test_a_mark_is_kept_where_redis_went_back_to_before_its_window_waited():
    rig = EvaluationRig()
    worker = rig.worker()
    await rig.parts[0].rows(1_000)
    await worker.rounds()
    before = deepcopy(rig.evaluations._models)
    await rig.parts[0].rows(11_000)
    await worker.rounds()
    rig.evaluations._models = before
    # The window waits here already, but no longer in Redis.
    await rig.parts[0].rows(12_000)
    with pytest.raises(EvaluationLostError):
        await worker.rounds()
    await worker.fresh()
    await rig.parts[0].rows(20_000)
    await worker.rounds()
    assert rig.topic.published(10_000) == [(0, 2)]


async def test_a_late_result_of_a_zombie_stands_for_one_round():
    rig = EvaluationRig()
    zombie, worker = rig.worker("zombie"), rig.worker("w")
    await rig.parts[0].rows(1_000, 2_000, 12_000)
    await zombie.rounds()
    stale = rig.topic.windows[0][0]
    await worker.rounds()
    await rig.parts[0].rows(3_000)
    rig.now_ms += LATER
    await worker.rounds()
    assert rig.topic.published(0) == [(0, 2), (1, 3)]
    # It wakes up in the middle of publishing what it knew.
    rig.topic.windows.append((replace(stale, revision=1), rig.now_ms, "zombie"))
    rig.now_ms += LATER
    await worker.rounds()
    assert rig.topic.published(0) == [(0, 2), (1, 3), (1, 2), (2, 3)]


async def test_a_window_whose_rows_the_log_lost_keeps_what_the_topic_says():
    rig = EvaluationRig()
    worker = rig.worker()
    await rig.parts[0].rows(1_000, 2_000, 15_000, 25_000)
    await worker.rounds()
    assert rig.topic.published(0) == [(0, 2)]
    rig.lose()
    rig.whole_from = 12_000
    await rig.parts[0].rebuild()
    await rig.parts[0].rows(3_000, 16_000, 35_000)
    rig.now_ms += LATER
    again = rig.worker("again")
    await again.rounds()
    assert rig.topic.published(0) == [(0, 2)]
    # Begins before the log does, and so does this one; the topic has it.
    assert rig.topic.published(10_000) == [(0, 1)]
    assert rig.topic.published(20_000) == [(0, 1)]


async def test_a_window_that_lost_rows_and_was_never_published_tells_no_completeness():
    rig = EvaluationRig()
    rig.whole_from = 12_000
    worker = rig.worker()
    await rig.parts[0].rows(15_000, 25_000, 35_000)
    await worker.rounds()
    found = {result.start: result.completeness for result, _, _ in rig.topic.windows}
    assert found == {10_000: None, 20_000: 1.0}


async def test_a_backlog_of_old_windows_is_published_whole(monkeypatch):
    monkeypatch.setattr(evaluate, "MAX_WINDOWS_A_ROUND", 3)
    rig = EvaluationRig()
    await rig.parts[0].rows(*range(1_000, 500_000, 10_000))
    worker = rig.worker()
    for _ in range(30):
        await worker.rounds(1)
        closed = (await rig.evaluations.closed()).get("m", -1)
        missing = set(range(0, 490_000, 10_000)) - {r.start for r, _, _ in rig.topic.windows}
        assert all(start + 10_000 >= closed for start in missing), "its panes may be dropped"
    assert not missing
    assert closed > 300_000
    assert {r.revision for r, _, _ in rig.topic.windows} == {0}


async def test_a_new_window_goes_before_any_number_of_revisions(monkeypatch):
    monkeypatch.setattr(evaluate, "MAX_WINDOWS_A_ROUND", 3)
    rig = EvaluationRig()
    worker = rig.worker()
    await rig.parts[0].rows(*range(1_000, 100_000, 10_000))
    await worker.rounds(10)
    told = len(rig.topic.windows)
    await rig.parts[0].rows(*range(2_000, 90_000, 10_000), 105_000)
    rig.now_ms += LATER
    await worker.rounds(1)
    news = [(r.start, r.revision) for r, _, _ in rig.topic.windows[told:]]
    assert news[-1] == (90_000, 0)
    assert [revision for _, revision in news] == [1, 1, 0]


async def test_panes_are_kept_for_a_partition_that_lags():
    rig = EvaluationRig(partitions=2)
    worker = rig.worker()
    await rig.parts[1].rows(1_000)
    await rig.parts[0].rows(2_000, 12_000)
    await worker.rounds()
    # One is silent for long: the watermark goes on without it.
    rig.now_ms += 100_000
    await rig.parts[0].rows(*range(22_000, 300_000, 10_000))
    await worker.rounds(20)
    assert rig.topic.published(0) == [(0, 2)]
    assert (await rig.evaluations.closed())["m"] <= 1_000
    await rig.parts[1].rows(3_000)
    rig.now_ms += LATER
    await worker.rounds()
    assert rig.topic.published(0) == [(0, 2), (1, 3)]


async def test_a_window_that_was_forgotten_goes_on_from_the_topics_revision():
    rig = EvaluationRig()
    worker = rig.worker()
    await rig.parts[0].rows(1_000, 12_000)
    await worker.rounds()
    evaluator = worker._evaluators._evaluators["m"]
    evaluator._published.forget(10_001)
    await rig.parts[0].rows(2_000)
    rig.now_ms += LATER
    await worker.rounds()
    assert rig.topic.published(0) == [(0, 1), (1, 2)]


async def test_what_is_to_be_worked_out_outlives_its_worker():
    rig = EvaluationRig()
    first = rig.worker("first")
    await rig.parts[0].rows(1_000)
    await first.rounds()
    assert await rig.partitions.marks([rig.parts[0].source]) == [{}], "taken into its own list"
    await rig.parts[0].rows(12_000)
    second = rig.worker("second")
    await second.rounds()
    assert rig.topic.published(0) == [(0, 1)]


async def test_an_alert_that_was_not_sent_is_sent_by_the_next():
    rig = EvaluationRig()
    first = rig.worker("first")
    await rig.parts[0].rows(1_000, 1_001, 1_002, 1_003, 12_000)

    async def away(_):
        raise ConnectionError("Kafka is away")

    first.faults.alert = away
    with pytest.raises(ConnectionError):
        await first.rounds()
    assert rig.topic.alerts == []
    second = rig.worker("second")
    await second.rounds()
    assert [alert["status"] for alert in rig.topic.alerts] == ["firing"]
    await second.rounds()
    assert len(rig.topic.alerts) == 1


async def test_a_result_that_was_published_before_the_crash_is_not_published_again():
    rig = EvaluationRig()
    first = rig.worker("first")
    await rig.parts[0].rows(1_000, 12_000)
    write = rig.evaluations.write

    async def away(*_, **__):
        raise ConnectionError("Redis is away")

    rig.evaluations.write = away
    with pytest.raises(ConnectionError):
        await first.rounds()
    assert rig.topic.published(0) == [(0, 1)]
    rig.evaluations.write = write
    rig.now_ms += LATER
    await rig.worker("second").rounds()
    assert rig.topic.published(0) == [(0, 1)]


@pytest.mark.parametrize(
    ("config", "command"),
    [
        (None, "inferwatch status"),
        ("watch.yaml", "inferwatch status -c watch.yaml"),
        ("my watch.yaml", "inferwatch status -c 'my watch.yaml'"),
    ],
)
async def test_a_suggested_command_names_the_config_of_the_worker(config, command):
    rig = EvaluationRig()
    rig.settings = rig.settings.read_from(config)
    await rig.parts[0].rows(*range(10_000, 10_005), 30_000)
    await rig.worker().rounds()
    (alert,) = [alert for alert in rig.topic.alerts if alert["status"] == "firing"]
    assert command in [suggestion["command"] for suggestion in alert["suggestions"]]
