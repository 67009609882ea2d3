"""What detectors learned outlives a Redis that lost everything, by `monitoring.state`."""

import random
from types import SimpleNamespace

import pytest
from evaluation_rig import EvaluationRig

from inferwatch.errors import ServiceUnreachableError, StateFormatError
from inferwatch.settings import load
from pipeline.detector_memory import EVERY_MS, MAX_BYTES, RETRY_MS, DetectorTopic, Memory
from pipeline.state.packing import pack, unpack

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
        return True

    worker.faults.memory = note
    await odd_window(rig, worker)
    assert 1 in seen and 0 not in seen


async def test_a_newer_version_s_memory_ends_the_worker():
    rig, worker = await learned()
    rig.state["m"] = b"\xff" + rig.state["m"][1:]
    await lose_all(rig, gone=0)
    with pytest.raises(StateFormatError, match="what was learned of m"):
        await worker.rounds()


async def test_a_write_that_failed_is_tried_again_though_nothing_is_new():
    rig, worker = await learned()
    refused = []

    async def refuse(state):
        refused.append(state)
        return False

    worker.faults.memory = refuse
    await odd_window(rig, worker)
    assert len(refused) == 1
    before, worker.faults.memory = rig.state["m"], None
    await worker.rounds()
    assert rig.state["m"] == before
    rig.now_ms += RETRY_MS
    await worker.rounds()
    assert rig.state["m"] == refused[0] != before


async def test_what_came_within_the_minute_is_written_after_it():
    rig, worker = await learned()
    before = rig.state["m"]
    await rig.parts[0].rows((WARM_UP + 2) * WINDOW)
    await worker.rounds()
    assert rig.state["m"] == before
    rig.now_ms += EVERY_MS
    await worker.rounds()
    assert rig.state["m"] != before


async def test_it_is_written_once_a_minute_and_at_once_for_an_alert():
    kept = []

    async def keep(state):
        kept.append(state)
        return True

    memory = Memory(keep=keep)
    said = [
        await memory.remember(str(now).encode(), now, at_once=at_once)
        for now, at_once in ((0, False), (59_999, False), (59_999, True), (10**9, False))
    ]
    assert kept == [b"0", b"59999", b"1000000000"]
    assert said == [True, False, True, True]


class Wire:
    def __init__(self, error=None):
        self.sent, self._error = [], error

    async def send(self, topic, key, value, partition=None, headers=()):
        if self._error is not None:
            raise self._error
        self.sent.append((topic, key, value))


class Log:
    """The topic, and how often it was read."""

    def __init__(self, **states):
        self.states, self.reads = states, 0

    def read(self, settings, topic):
        self.reads += 1
        for at, (model, state) in enumerate(self.states.items()):
            yield SimpleNamespace(key=f"detectors/{model}".encode(), timestamp=at, value=state)


def place_of(model, wire, text=""):
    return DetectorTopic(load(None, text=text), wire, lambda: "an epoch").of(model)


async def test_the_topic_is_read_once_an_epoch_however_many_models_are_new():
    epoch, log = ["first"], Log(m=b"old")
    topic = DetectorTopic(load(None, text=""), Wire(), lambda: epoch[0], log.read)
    assert await topic.of("m").recall() == b"old"
    assert [await topic.of(f"new-{n}").recall() for n in range(5)] == [None] * 5
    assert log.reads == 1
    epoch[0], log.states["m"] = "second", b"new"
    assert [await topic.of("m").recall() for _ in range(2)] == [b"new"] * 2
    assert log.reads == 2


async def test_what_was_written_since_is_read_again_where_redis_went_back():
    log = Log(m=b"old", other=b"another")
    topic = DetectorTopic(load(None, text=""), Wire(), lambda: "an epoch", log.read)
    assert await topic.of("m").recall() == b"old"
    await topic.of("m").keep(b"new")
    log.states["m"] = b"new"
    assert await topic.of("other").recall() == b"another"
    assert log.reads == 1
    assert await topic.of("m").recall() == b"new"
    assert log.reads == 2


async def test_a_topic_that_could_not_be_read_is_read_again():
    def read(settings, topic):
        tried.append(topic)
        if len(tried) == 1:
            raise ServiceUnreachableError("gone")
        return ()

    tried = []
    topic = DetectorTopic(load(None, text=""), Wire(), lambda: "an epoch", read)
    with pytest.raises(ConnectionError, match="gone"):
        await topic.of("m").recall()
    assert await topic.of("m").recall() is None
    assert len(tried) == 2


def state_of(*, whole=b"", segment=b""):
    """A stored evaluation with so much of it about the whole, and about a segment."""
    shelves = [["1", None, "final", whole], ["1", "eu", "final", segment]]
    return pack([7, [], [], [], {"tracks": ["open"], "history": {"shelves": shelves}}])


LARGE = random.Random(5).randbytes(MAX_BYTES)


async def test_a_model_has_one_record():
    wire = Wire()
    await place_of("m", wire, "topics: {prefix: p.}").keep(b"small")
    assert wire.sent == [("p.monitoring.state", b"detectors/m", b"small")]


async def test_too_large_a_state_is_written_without_the_past_of_segments_and_told_once(caplog):
    wire = Wire()
    place = place_of("m", wire)
    for _ in range(2):
        assert await place.keep(state_of(whole=b"w", segment=LARGE))
    ((_, _, written), again) = wire.sent
    assert again[2] == written
    *_, watch = unpack(written, "it")
    assert watch["tracks"] == ["open"]
    assert watch["history"]["shelves"] == [["1", None, "final", b"w"]]
    assert len(caplog.messages) == 1 and "of its segments is left out" in caplog.messages[0]


async def test_what_is_too_large_even_so_is_told_and_not_tried_again(caplog):
    wire = Wire()
    assert await place_of("m", wire).keep(state_of(whole=LARGE))
    assert not wire.sent and "more than a record" in caplog.messages[0]


async def test_a_broker_that_takes_nothing_stops_no_evaluation(caplog):
    place = place_of("m", Wire(OSError("gone")))
    assert not await place.keep(b"small")
    assert "monitoring.state took no record (gone): tried again in 10 s" in caplog.messages[0]
