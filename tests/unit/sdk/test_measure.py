"""Measured blocks and functions: one latency event each, whatever they raise passes on."""

import asyncio

import pytest
from sdk_rig import told

from inferwatch.errors import UsageError


def test_a_block_makes_one_latency_and_its_predictions():
    with told() as subject:
        with subject.monitor.measure() as call:
            call.log(features={"a": 1}, prediction="x", id="one", segment={"s": "1"})
            call.log(features={"b": 2}, prediction="y", scores={"y": 0.5}, id="two")
        first, second = subject.predictions
        (latency,) = subject.latencies
    assert (first["id"], first["features.a"], first["features.b"]) == ("one", 1.0, None)
    assert (second["id"], second["features.a"], second["features.b"]) == ("two", None, 2.0)
    assert (first["segment.s"], second["segment.s"]) == ("1", None)
    assert (first["scores.y"], second["scores.y"]) == (None, 0.5)
    assert first["ts"] == second["ts"] == latency["ts"]
    assert (latency["rows"], latency["status"], latency["id"]) == (2, 200, None)


def test_one_prediction_gives_the_latency_its_id():
    with told() as subject:
        with subject.monitor.measure() as call:
            call.log(prediction=1, id="one")
        assert [row["id"] for row in subject.latencies] == ["one"]


@pytest.mark.parametrize(
    ("error", "status", "what"),
    [
        (ValueError("card 4711"), 500, "exception"),
        (TimeoutError(), 504, "timeout"),
        (asyncio.CancelledError(), 499, "client_closed"),
        (KeyboardInterrupt(), 499, "client_closed"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_failure_passes_on_and_takes_the_predictions_back(error, status, what):
    with told() as subject:
        with pytest.raises(type(error)) as raised, subject.monitor.measure() as call:
            call.log(prediction=1)
            raise error
        assert raised.value is error
        (latency,) = subject.latencies
        assert subject.predictions == []
        assert subject.monitor.dropped == 0
    assert (latency["status"], latency["error"], latency["rows"]) == (status, what, 1)


@pytest.mark.parametrize(
    ("text", "error"),
    [(False, "exception"), (True, "exception: ValueError: card [redacted] is bad")],
)
def test_the_words_of_a_failure_are_told_where_asked_for_and_redacted(text, error):
    with told(errors={"text": text}, redact=["card"]) as subject:
        with pytest.raises(ValueError), subject.monitor.measure() as call:
            call.log(features={"card": "4711"}, prediction=1)
            raise ValueError("card 4711 is bad")
        assert [row["error"] for row in subject.latencies] == [error]


def test_a_function_is_measured_and_recorded():
    with told() as subject:

        @subject.monitor.measure(record=lambda result, x: {"features": x, "prediction": result})
        def predict(x):
            """Its words."""
            return x["a"] * 2

        assert (predict({"a": 2}), predict.__doc__) == (4, "Its words.")
        assert [row["prediction"] for row in subject.predictions] == [4.0]
        assert [row["rows"] for row in subject.latencies] == [1]


async def test_a_coroutine_is_measured_to_its_end():
    with told() as subject:

        @subject.monitor.measure(record=lambda result, n: [{"prediction": p} for p in result])
        async def predict(n):
            await asyncio.sleep(0.02)
            return list(range(n))

        assert await asyncio.gather(predict(1), predict(3)) == [[0], [0, 1, 2]]
        latencies = subject.latencies
        assert len(subject.predictions) == 4
    assert sorted(row["rows"] for row in latencies) == [1, 3]
    assert all(20 <= row["latency_ms"] < 5_000 for row in latencies)


def test_bare_and_nested_and_recursive():
    with told() as subject:

        @subject.monitor.measure
        def down(n):
            return 0 if n == 0 else down(n - 1)

        assert down(3) == 0
        assert len(subject.latencies) == 4


@pytest.mark.parametrize("answer", [5, {"predicton": 1}, [{"prediction": None}]])
def test_a_record_that_fails_costs_its_prediction_only(answer):
    with told() as subject:

        @subject.monitor.measure(record=lambda result: answer)
        def predict():
            return 7

        assert predict() == 7
        assert [row["status"] for row in subject.latencies] == [200]
        assert subject.predictions == []
        assert subject.monitor.dropped == 1


def test_what_has_not_ended_when_it_returns_is_refused():
    def stream():
        yield 1

    async def async_stream():
        yield 1

    with told() as subject:
        for wrong in (stream, async_stream, 5):
            with pytest.raises(UsageError, match=r"write `with monitor.measure\(\) as call:`"):
                subject.monitor.measure(wrong)
