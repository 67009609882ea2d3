"""What detectors learned outlives a Redis that lost everything, by `monitoring.state`."""

import pytest
from evaluation_rig import EvaluationRig

from inferwatch.errors import StateFormatError
from inferwatch.settings import load
from pipeline.detector_memory import EVERY_MS, MAX_BYTES, DetectorTopic, Memory

WINDOW = 10_000
WARM_UP = 30
UNUSUAL = """
limits: {idle: 60s}
retention: {restate: 60s, history: 1h}
defaults: {windows: [10s], lateness: 0s, reference: {learn: off}}
models:
  - {name: m, task: binary, positive: "yes", labels: {horizon: 60s}}
rules:
  - {name: odd, metric: rows, when: unusual, window: 10s, severity: page}
"""


async def learned():
    """A rig whose rule knows the usual rows, and how many records that took."""
    rig = EvaluationRig(config=UNUSUAL)
    worker = rig.worker()
    for n in range(WARM_UP + 2):
        await rig.parts[0].rows(n * WINDOW + 1, n * WINDOW + 2)
    await worker.rounds()
    return rig, worker


async def odd_window(rig, worker):
    at = (WARM_UP + 3) * WINDOW
    await rig.parts[0].rows(*range(at, at + 40), at + WINDOW)
    await worker.rounds(5)


async def lose_all(rig, *, gone):
    """A flush, of which the log can give back only what comes after the first `gone` records."""
    rig.lose()
    rig.parts[0]._start()
    await rig.parts[0].go_on(gone)


async def test_what_was_learned_of_a_log_that_is_gone_still_tells():
    rig, worker = await learned()
    rig.now_ms += EVERY_MS
    await rig.parts[0].rows((WARM_UP + 2) * WINDOW)
    await worker.rounds()
    await lose_all(rig, gone=2 * WARM_UP)
    await odd_window(rig, worker)
    assert [a["rule"] for a in rig.topic.alerts] == ["odd"]


async def test_without_it_the_rule_is_warming_up_again():
    rig, worker = await learned()
    rig.state.clear()
    await lose_all(rig, gone=2 * WARM_UP)
    await odd_window(rig, worker)
    assert rig.topic.alerts == []


async def test_what_was_judged_is_not_told_again_after_a_flush():
    rig, worker = await learned()
    await odd_window(rig, worker)
    before = [a["incident"] for a in rig.topic.alerts]
    assert before
    await lose_all(rig, gone=0)
    await worker.rounds(5)
    assert [a["incident"] for a in rig.topic.alerts] == before


async def test_it_is_written_after_the_alert_was_told():
    rig, worker = await learned()
    seen = []

    async def note(state):
        seen.append(len(rig.topic.alerts))

    worker.faults.memory = note
    await odd_window(rig, worker)
    assert 1 in seen and 0 not in seen


async def test_a_newer_version_s_memory_ends_the_worker():
    rig, worker = await learned()
    rig.state["m"] = b"\xff" + rig.state["m"][1:]
    await lose_all(rig, gone=0)
    with pytest.raises(StateFormatError, match="what was learned of m"):
        await worker.rounds()


async def test_it_is_written_once_a_minute_and_at_once_for_an_alert():
    kept = []

    async def keep(state):
        kept.append(state)

    memory = Memory(keep=keep)
    for now, at_once in ((0, False), (EVERY_MS - 1, False), (EVERY_MS - 1, True), (10**9, False)):
        await memory.remember(str(now).encode(), now, at_once=at_once)
    assert kept == [b"0", b"59999", b"1000000000"]


class Wire:
    def __init__(self, error=None):
        self.sent, self._error = [], error

    async def send(self, topic, key, value, partition=None, headers=()):
        if self._error is not None:
            raise self._error
        self.sent.append((topic, key, value))


async def test_a_model_has_one_record_and_too_large_a_state_is_told_once(caplog):
    wire = Wire()
    place = DetectorTopic(load(None, text="topics: {prefix: p.}"), wire).of("m")
    await place.keep(b"small")
    await place.keep(b"x" * (MAX_BYTES + 1))
    await place.keep(b"x" * (MAX_BYTES + 1))
    assert wire.sent == [("p.monitoring.state", b"detectors/m", b"small")]
    assert len(caplog.messages) == 1 and "900001 bytes" in caplog.messages[0]


async def test_a_broker_that_takes_nothing_stops_no_evaluation(caplog):
    place = DetectorTopic(load(None, text=""), Wire(OSError("gone"))).of("m")
    await place.keep(b"small")
    assert "monitoring.state took no record (gone)" in caplog.messages[0]
