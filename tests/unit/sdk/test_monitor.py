"""What is told arrives as told; whatever the caller does, nothing is raised and nothing waits."""

import logging
import threading
import time
from collections import namedtuple
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from eventually import eventually
from sdk_rig import told
from sidecar_rig import KeepingBroker

from inferwatch.sdk import Monitor
from producers.sidecar import reader


def test_a_prediction_arrives_as_it_was_told():
    with told(version="7") as subject:
        label_id = subject.monitor.log(
            features={"amount": 12.5, "country": "DE", "at": {"hour": 3}, "gone": None},
            prediction="legit",
            scores={"legit": 0.93, "fraud": 0.07},
            id=17,
            segment={"region": "eu"},
            ts=1764000000123,
            latency_ms=12.3,
        )
        (row,) = subject.predictions
        (latency,) = subject.latencies
        origin = subject.monitor.origin
    assert label_id == "17"
    assert row == {
        "model": "m",
        "version": "7",
        "origin": origin,
        "ts": 1764000000123,
        "id": "17",
        "prediction": "legit",
        "features.amount": 12.5,
        "features.country": "DE",
        "features.at.hour": 3.0,
        "features.gone": None,
        "scores.legit": 0.93,
        "scores.fraud": 0.07,
        "segment.region": "eu",
        "seq": 0,
        "partition": 0,
    }
    assert (latency["id"], latency["status"], latency["rows"]) == ("17", 200, 1)
    assert latency["latency_ms"] == pytest.approx(12.3)
    assert latency["request_bytes"] is latency["response_bytes"] is latency["error"] is None


def test_without_a_latency_there_is_no_latency_event():
    with told() as subject:
        subject.monitor.log(prediction=1)
        assert len(subject.predictions) == 1
        assert subject.latencies == []


def test_the_moment_is_now_where_none_is_told():
    with told() as subject:
        before = int(time.time() * 1000)
        subject.monitor.log(prediction=1)
        subject.monitor.log(prediction=1, ts=datetime(2026, 1, 1, tzinfo=UTC))
        now, then = subject.predictions
    assert before <= now["ts"] <= int(time.time() * 1000)
    assert then["ts"] == 1767225600000


@pytest.mark.parametrize(
    ("told_label", "arrived"), [("fraud", "fraud"), (1, 1.0), (True, True), (np.int64(3), 3.0)]
)
def test_a_label_arrives(told_label, arrived):
    with told() as subject:
        subject.monitor.label(17, told_label, ts=5)
        (row,) = subject.labels
    assert (row["id"], row["label"], row["ts"]) == ("17", arrived, 5)


def test_a_label_arrives_where_names_are_redacted():
    with told(redact=["email"]) as subject:
        subject.monitor.label("a", "late")
        assert [row["label"] for row in subject.labels] == ["late"]


Pair = namedtuple("Pair", "a b")
FRAME = pd.DataFrame({"a": [1.5], "b": ["x"]})


@pytest.mark.parametrize(
    ("features", "arrived"),
    [
        ({"a": np.float32(1.5), "b": np.str_("x")}, {"a": 1.5, "b": "x"}),
        ({"a": np.int64(2), "b": np.bool_(True)}, {"a": 2.0, "b": True}),
        ({"a": Decimal("1.5"), "b": pd.NA}, {"a": 1.5, "b": None}),
        (FRAME.iloc[0], {"a": 1.5, "b": "x"}),
        ([1.5, "x"], {"a": 1.5, "b": "x"}),
        (np.array([[1.5, 2.5]]), {"a": 1.5, "b": 2.5}),
        (Pair(1.5, "x"), {"a": 1.5, "b": "x"}),
        ({"a": 1.5, "b": np.zeros(3)}, {"a": 1.5, "b": []}),
    ],
    ids=["numpy", "numpy-whole", "decimal", "pandas", "list", "array", "tuple", "array-inside"],
)
def test_features_of_many_forms_are_plain_values(features, arrived):
    with told(features={"names": ["a", "b"]}) as subject:
        subject.monitor.log(features=features, prediction=1)
        (row,) = subject.predictions
    assert {name: row[f"features.{name}"] for name in arrived} == arrived


@pytest.mark.parametrize(
    ("answer", "prediction", "scores"),
    [
        ({"prediction": np.array([2])}, 2.0, {}),
        ({"scores": [0.1, 0.9]}, "late", {"on time": 0.1, "late": 0.9}),
        ({"scores": np.array([[0.6, 0.4]])}, "on time", {"on time": 0.6, "late": 0.4}),
        ({"scores": {"a": 0.25, "b": 0.75}}, "b", {"a": 0.25, "b": 0.75}),
        ({"prediction": "late", "scores": 0.75}, "late", {"": 0.75}),
    ],
    ids=["array-of-one", "list", "array", "mapping", "number"],
)
def test_answers_of_many_forms(answer, prediction, scores):
    with told(models=[{"name": "m", "classes": ["on time", "late"]}]) as subject:
        subject.monitor.log(**answer)
        (row,) = subject.predictions
    assert row["prediction"] == prediction
    found = {k.removeprefix("scores").removeprefix("."): v for k, v in row.items() if "score" in k}
    assert found == scores


def test_what_the_caller_changes_later_is_not_told():
    row = {"a": 1, "b": {"c": [1]}}
    with told(batch={"every": "50ms"}) as subject:
        subject.monitor.log(features=row, prediction=1)
        row["a"], row["b"]["c"] = 2, 3
        (arrived,) = subject.predictions
    assert (arrived["features.a"], arrived["features.b.c"]) == (1, [])


class Hostile(dict):
    def values(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ({}, "malformed"),
        ({"prediction": [1, 2]}, "malformed"),
        ({"prediction": 1, "features": 5}, "malformed"),
        ({"prediction": 1, "segment": "eu"}, "malformed"),
        ({"prediction": 1, "ts": "yesterday"}, "malformed"),
        ({"prediction": 1, "latency_ms": float("nan")}, "malformed"),
        ({"prediction": 1, "latency_ms": -1}, "malformed"),
        ({"prediction": 1, "features": Hostile(a=1)}, "sdk_error"),
        ({"scores": {}}, "malformed"),
    ],
)
def test_what_cannot_be_told_is_counted_and_leaves_a_hole(call, reason, caplog):
    with told(KeepingBroker(partitions=1)) as subject:
        subject.monitor.log(prediction="first")
        assert subject.monitor.log(**call) is None
        assert len(subject.predictions) == 1
        subject.monitor.log(prediction="last")
        numbers = [row["seq"] for row in subject.predictions]
        assert subject.dropped("predictions", reason) == subject.monitor.dropped == 1
    assert len(numbers) == 2 and max(numbers) == 2
    told_why = [r for r in caplog.records if r.name == "inferwatch.sdk"]
    assert len(told_why) == 1 and told_why[0].levelno == logging.WARNING


def test_what_others_raise_is_not_quoted(caplog):
    class Quoting:
        def __str__(self):
            raise ValueError("card 4711")

    with told() as subject:
        subject.monitor.log(features={"card": Quoting()}, prediction=1)
        assert subject.dropped("predictions", "sdk_error") == 1
    assert "ValueError" in caplog.text and "4711" not in caplog.text


def test_a_defect_is_told_once_and_counted_each_time(caplog):
    with told() as subject:
        for _ in range(50):
            subject.monitor.log()
        assert subject.dropped("predictions", "malformed") == 50
    assert len([r for r in caplog.records if r.name == "inferwatch.sdk"]) == 1


@pytest.mark.parametrize(("id", "label"), [(None, "a"), ("", "a"), ("x", None), ("x", [1, 2])])
def test_a_label_that_says_nothing_is_counted(id, label):
    with told() as subject:
        subject.monitor.label(id, label)
        assert subject.labels == []
        assert subject.monitor.dropped == 1


def test_a_model_must_be_named_by_somebody():
    with told(model=None) as subject:
        subject.monitor.log(prediction=1)
        subject.monitor.log(prediction=1, model="a", version="2")
        (row,) = subject.predictions
        assert (row["model"], row["version"]) == ("a", "2")
        assert subject.dropped("predictions", "malformed") == 1


def test_redaction_hash_and_segments_are_the_sidecars():
    with told(
        redact=["email"],
        features={"deny": ["ssn"], "hash": ["user"], "hash_key": "k"},
        segments={"country": "feature:country", "where": "value:here"},
    ) as subject:
        subject.monitor.log(
            features={"email": "a@b.c", "ssn": "078-05", "user": "bob", "country": "DE"},
            prediction="mail a@b.c",
            id="078-05-x",
            segment={"email": "a@b.c", "note": "of a@b.c"},
            latency_ms=1,
        )
        (row,) = subject.predictions
        (latency,) = subject.latencies
        wire = b"".join(batch.payload for batch in subject.broker.batches)
    assert {k for k in row if k.startswith("features.")} == {"features.user", "features.country"}
    assert row["prediction"] == "mail [redacted]"
    assert row["id"] is latency["id"] is None
    segments = {k: v for k, v in row.items() if k.startswith("segment.")}
    assert segments == {
        "segment.country": "DE",
        "segment.where": "here",
        "segment.note": "[redacted]",
    }
    for secret in (b"a@b.c", b"078-05", b"bob"):
        assert secret not in wire


@pytest.mark.parametrize(("share", "kept"), [(1.0, 200), (0.0, 0)])
def test_predictions_are_sampled_and_latencies_are_not(share, kept):
    with told(sample={"predictions": share}) as subject:
        for n in range(200):
            subject.monitor.log(prediction=1, id=n, latency_ms=1)
        assert len(subject.latencies) == 200
        assert len(subject.predictions) == kept
        assert subject.monitor.dropped == 0


@pytest.mark.parametrize("mint", [True, False])
def test_an_id_is_minted_only_where_asked_for(mint):
    with told(mint_ids=mint) as subject:
        minted = subject.monitor.log(prediction=1)
        assert subject.monitor.log(prediction=1, id="own") == "own"
        ids = [row["id"] for row in subject.predictions]
    assert (minted is not None) == mint
    assert ids == [minted, "own"]


def test_what_does_not_fit_is_dropped_and_counted_exactly():
    broker = KeepingBroker()
    broker.is_down = True
    with told(broker, queue="128KiB") as subject:
        for _ in range(500):
            subject.monitor.log(features={"text": "x" * 1000}, prediction=1, latency_ms=1)
        eventually(lambda: subject.monitor.outlet().reader.is_idle, every_s=0.005)
        assert subject.monitor.outlet().budget.used <= 128 * 1024
        assert subject.monitor.flush(0.05) is False
        broker.is_down = False
        predictions, latencies = len(subject.predictions), len(subject.latencies)
        assert 0 < predictions < 500
        lost = subject.dropped("predictions", "queue_full")
        assert predictions + lost == 500
        assert latencies + subject.dropped("latencies", "queue_full") == 500
        assert latencies > predictions, "the small events find room last"


def test_a_broker_that_is_away_costs_the_caller_nothing():
    broker = KeepingBroker()
    broker.is_lost = True
    with told(broker, queue="256KiB") as subject:
        slowest = 0.0
        for _ in range(2_000):
            started = time.perf_counter()
            subject.monitor.log(features={"a": 1.0}, prediction=1, latency_ms=1)
            slowest = max(slowest, time.perf_counter() - started)
        assert slowest < 1.0
        started = time.monotonic()
        subject.monitor.close(30)
        assert time.monotonic() - started < 5


def test_many_threads_tell_at_a_time():
    with told(queue="256MiB") as subject:

        def tell(who):
            for n in range(20):
                subject.monitor.log(features={"n": n}, prediction=who, id=f"{who}-{n}")

        threads = [threading.Thread(target=tell, args=(who,)) for who in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rows = subject.predictions
        assert subject.monitor.dropped == 0
    assert len({row["id"] for row in rows}) == len(rows) == 4_000
    for partition in range(4):
        numbers = sorted(row["seq"] for row in rows if row["partition"] == partition)
        assert numbers == list(range(len(numbers)))


def test_after_the_end_everything_is_counted():
    with told() as subject:
        subject.monitor.log(prediction=1)
        subject.monitor.close()
        subject.monitor.close()
        assert len(subject.broker.batches) == 1
        subject.monitor.log(prediction=1, latency_ms=1)
        subject.monitor.label("a", "b")
        assert subject.monitor.flush() is True
        assert subject.dropped("predictions", "closed") == 1
        assert subject.dropped("labels", "closed") == 1


def test_nothing_is_started_before_something_is_told():
    before = threading.active_count()
    monitor = Monitor(model="m", connect=KeepingBroker().connect)
    assert threading.active_count() == before
    assert (monitor.origin, monitor.published, monitor.flush()) == (None, 0, True)
    monitor.close()


@pytest.mark.parametrize("is_guest", [True, False])
def test_as_a_guest_the_reader_rests_while_it_works(is_guest, monkeypatch):
    monkeypatch.setattr(reader, "WORK_S", 0.0)
    monkeypatch.setattr(reader, "REST_S", 0.3)
    with told() as subject:
        subject.monitor.outlet().reader._is_guest = is_guest
        started = time.monotonic()
        for n in range(4):
            subject.monitor.log(prediction=n)
        assert len(subject.predictions) == 4
        assert (time.monotonic() - started >= 1.2) == is_guest
