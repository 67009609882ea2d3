"""Windows of many panes, through rounds: what is kept of them from round to round never shows."""

import random

import pytest
from evaluation_rig import EvaluationRig

from pipeline.evaluate import EvaluationLostError

CONFIG = """
limits: {idle: 60s}
retention: {restate: 30m, history: 1d}
defaults: {windows: [10s, 12m/1m], lateness: 0s, reference: {learn: off}}
models:
  - {name: m, task: binary, positive: "yes", labels: {horizon: 60s}}
rules: []
"""
SECOND = 1_000
LATER = 60_000


def latest(rig):
    """The rows of each window by its last result."""
    found = {}
    for result, _, _ in rig.topic.windows:
        key = (result.window, result.end)
        before = found.get(key)
        assert before is None or result.revision > before[0]
        found[key] = (result.revision, result.rows)
    return {key: rows for key, (_, rows) in found.items()}


def counted(times, windows):
    """The rows of each window, counted anew."""
    sizes = {"10s": 10 * SECOND, "12m/1m": 720 * SECOND}
    return {
        (text, end): sum(end - sizes[text] <= ts < end for ts in times) for text, end in windows
    }


@pytest.mark.parametrize("seed", range(3))
async def test_late_rows_lost_stores_and_new_workers_leave_every_window_right(seed):
    rng = random.Random(seed)
    rig = EvaluationRig(partitions=2, config=CONFIG)
    worker = rig.worker()
    times, now = [], 0
    for _ in range(30):
        now += rng.choice([10, 50, 100]) * SECOND
        for part in rig.parts:
            ts = [now, max(0, now - rng.randrange(1_500) * SECOND)]
            await part.rows(*ts)
            times += ts
        rig.now_ms += LATER
        happens = rng.random()
        if happens < 0.1:
            rig.lose()
            for part in rig.parts:
                await part.rebuild()
        elif happens < 0.2:
            worker = rig.worker(f"w{now}")
        elif happens < 0.3:
            await worker.fresh()
        await worker.rounds(2)
    for _ in range(4):
        rig.now_ms += 100 * LATER
        await worker.rounds(2)
    found = latest(rig)
    assert len(found) > 50
    assert found == counted(times, found)


async def test_who_lost_the_model_and_got_it_back_publishes_nothing_stale():
    rig = EvaluationRig(config=CONFIG)
    old, new = rig.worker("old"), rig.worker("new")
    await rig.parts[0].rows(1_000, 700_000)
    await old.rounds()
    # Another worker has the model for a while, and takes the marks of late rows.
    await new.rounds()
    await rig.parts[0].rows(2_000, 790_000)
    await new._evaluators._take_marks()
    published = len(rig.topic.windows)
    with pytest.raises(EvaluationLostError):
        await old.rounds()
    assert len(rig.topic.windows) == published, "of runs that are stale"
    await old.fresh()
    rig.now_ms += LATER
    await old.rounds()
    assert latest(rig)["12m/1m", 720_000] == 3
