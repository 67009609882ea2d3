"""Halves that loggers send become the events that the sidecar would have made of the traffic."""

import json

import pytest
from eventually import eventually
from logger_events import EVENTS, kserve, post, seldon, send
from sidecar_rig import KeepingBroker, answer, answering, rig
from sidecar_rig import post as request_of

from inferwatch.events.kinds import Kind

ASKED = {"instances": [[5.1, 3.5], [6.7, 3.0]]}
ANSWERED = {"predictions": [0, 2]}
START, END = "2026-11-24T03:00:00.250Z", "2026-11-24T03:00:00.262500123Z"
END_MS = 1795489200262
V2_ASKED = {
    "id": "own",
    "inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}],
}
V2_ANSWERED = {
    "model_name": "iris",
    "model_version": "3",
    "outputs": [{"name": "y", "shape": [1], "datatype": "INT64", "data": [7]}],
}
CHAT = {"model": "llama", "messages": [{"role": "user", "content": "my secret question"}]}
CHAT_ANSWERED = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "llama",
    "choices": [{"index": 0, "message": {"content": "an answer"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2},
}


def collector(**options):
    return rig(None, is_collector=True, **options)


def outcomes(running, half):
    text = running.sidecar.counters.prometheus()
    prefix = f'inferwatch_sidecar_halves_total{{half="{half}",outcome="'
    lines = [line.removeprefix(prefix) for line in text.splitlines() if line.startswith(prefix)]
    return {line.partition('"')[0]: int(line.rpartition(" ")[2]) for line in lines}


def pair(running, asked=ASKED, answered=ANSWERED, logger=kserve, mode="binary", **attributes):
    for kind, body, time in (("request", asked, START), ("response", answered, END)):
        event = logger(kind, body, **{"time": time, **attributes})
        assert send(running.admin, event, mode) == 200


def test_what_the_captures_expect():
    for logger in ("kserve-agent", "seldon-agent"):
        captures = [json.loads(p.read_text()) for p in sorted((EVENTS / logger).glob("*.json"))]
        with collector() as running:
            if len(captures) == 1:
                lone = captures[0]["request"]
                headers = [
                    (k, v.replace("response", "request")) for k, v in lone["headers"] if k != "Host"
                ]
                headers = [(k, v) for k, v in headers if k != "Content-Length"]
                ask = json.dumps({"data": {"ndarray": [[1, 2]]}}).encode()
                assert post(running.admin, "/", ask, dict(headers)) == (200, b"")
            for capture in captures:
                sent = capture["request"]
                headers = {k: v for k, v in sent["headers"] if k != "Host"}
                status, body = post(running.admin, sent["path"], sent["body"].encode(), headers)
                assert (status, body) == (capture["response"]["status"], b"")
            expect = captures[-1]["expect"]
            rows = running.wait_for(Kind.PREDICTION, expect["rows"])
            (latency,) = running.wait_for(Kind.LATENCY)
        assert {r["model"] for r in rows} == {latency["model"]} == {expect["model"]}
        assert latency["id"] == expect["request_id"]
        assert latency["rows"] == len(rows) == expect["rows"]
        inputs = captures[0]["expect"]["inputs"]
        if inputs is not None:
            told = [[r[f"features.f{n}"] for n in range(4)] for r in rows]
            assert (told, [r["prediction"] for r in rows]) == (inputs, expect["outputs"])


@pytest.mark.parametrize("mode", ["binary", "structured", "base64", "batch"])
def test_a_pair_makes_what_the_traffic_would_have_made(mode):
    with collector() as running:
        pair(running, mode=mode)
        rows = running.wait_for(Kind.PREDICTION, 2)
        (latency,) = running.wait_for(Kind.LATENCY)
        assert outcomes(running, "request") == outcomes(running, "response") == {"paired": 1}
    assert [r["id"] for r in rows] == ["id-1:0", "id-1:1"]
    assert [(r["features.f0"], r["features.f1"]) for r in rows] == [(5.1, 3.5), (6.7, 3.0)]
    assert [r["prediction"] for r in rows] == [0, 2]
    assert {(r["model"], r["version"], r["ts"]) for r in rows} == {("iris", "unversioned", END_MS)}
    assert (latency["ts"], latency["latency_ms"]) == (END_MS, pytest.approx(12.5, abs=0.001))
    assert (latency["status"], latency["error"], latency["rows"]) == (200, None, 2)
    is_inside = mode in ("structured", "batch")  # then no more is known than its values
    asked = json.dumps(ASKED, separators=(",", ":") if is_inside else None)
    assert latency["request_bytes"] == len(asked)


@pytest.mark.parametrize(
    ("asked", "answered", "logger", "expected"),
    [
        (V2_ASKED, V2_ANSWERED, kserve, ("iris", "3", "own", 7)),
        (V2_ASKED, V2_ANSWERED, seldon, ("classifier", "3", "own", 7)),
        (
            {"data": {"names": ["a"], "ndarray": [[1]]}},
            {"data": {"names": ["t:0"], "ndarray": [4]}},
            seldon,
            ("classifier", "unversioned", "puid-1", 4),
        ),
        (CHAT, CHAT_ANSWERED, kserve, ("iris", "unversioned", "chatcmpl-1", "stop")),
    ],
)
def test_the_shape_tells_the_protocol(asked, answered, logger, expected):
    with collector() as running:
        pair(running, asked, answered, logger)
        (row,) = running.wait_for(Kind.PREDICTION)
        (latency,) = running.wait_for(Kind.LATENCY)
        payload = b"".join(batch.payload for batch in running.broker.batches)
    assert (row["model"], row["version"], row["id"], row["prediction"]) == expected
    assert latency["tokens_in"] == (5 if asked is CHAT else None)
    assert b"secret question" not in payload


def test_the_config_says_what_no_shape_tells():
    own = {"rows": [[1, 2]]}
    route = {"path": "/score", "inputs": "$.rows", "outputs": "$.labels"}
    for settings in ({"routes": [route]}, {"routes": [route], "protocol": "json"}):
        with collector(sidecar=settings) as running:
            pair(running, own, {"labels": ["good"]})
            (row,) = running.wait_for(Kind.PREDICTION)
            assert (row["features.f1"], row["prediction"]) == (2, "good")
    with collector(sidecar={"protocol": "mlflow"}) as running:
        pair(running, {"dataframe_split": {"columns": ["a"], "data": [[3]]}}, {"predictions": [1]})
        (row,) = running.wait_for(Kind.PREDICTION)
        assert row["features.a"] == 3
    with collector() as running:
        pair(running, own, {"labels": ["good"]})
        (latency,) = running.wait_for(Kind.LATENCY)
        assert (latency["model"], latency["status"]) == ("iris", 200)
        assert running.counter("payloads_dropped_total", reason="unknown_shape") == 1


def test_the_halves_come_in_any_order_and_are_told_apart():
    with collector(sidecar={"model": "fallback"}) as running:
        send(running.admin, kserve("response", {"predictions": ["x"]}, "a"))
        send(running.admin, kserve("request", {"instances": [1]}, "b"))
        send(running.admin, kserve("request", {"instances": [2]}, "a", namespace="test"))
        send(running.admin, kserve("response", {"predictions": ["y"]}, "b"))
        send(running.admin, kserve("request", {"instances": [3]}, "a"))
        rows = running.wait_for(Kind.PREDICTION, 2)
        nameless = {"inferenceservicename": "", "event_id": "n"}
        for kind, body in (("request", {"instances": [4]}), ("response", {"predictions": ["z"]})):
            send(running.admin, kserve(kind, body, **nameless))
        last = running.wait_for(Kind.PREDICTION, 3)[-1]
    assert [(r["id"], r["features.f0"], r["prediction"]) for r in rows] == [
        ("b", 1, "y"),
        ("a", 3, "x"),
    ]
    assert last["model"] == "fallback"


def test_times_that_cannot_be_true_are_not_believed():
    with collector() as running:
        send(running.admin, kserve("request", ASKED, time=END))
        send(running.admin, kserve("response", ANSWERED, time=START))
        send(running.admin, kserve("request", ASKED, "b"))
        send(running.admin, kserve("response", ANSWERED, "b", time="soon"))
        latencies = running.wait_for(Kind.LATENCY, 2)
    assert all(0 <= row["latency_ms"] < 10_000 for row in latencies)
    assert latencies[1]["ts"] > END_MS  # when it came


def test_a_request_without_an_answer_is_an_error_after_the_wait():
    with collector(sidecar={"collector": {"wait": "40ms"}}) as running:
        send(running.admin, kserve("request", ASKED, time=START))
        send(running.admin, kserve("response", ANSWERED, "other"))
        (latency,) = running.wait_for(Kind.LATENCY)
        eventually(lambda: outcomes(running, "response") == {"expired": 1}, 5, every_s=0.005)
        assert outcomes(running, "request") == {"expired": 1}
        assert running.broker.rows(Kind.PREDICTION) == []
    assert (latency["status"], latency["error"], latency["rows"]) == (504, "no_response", 2)
    assert latency["latency_ms"] >= 40
    assert (latency["model"], latency["id"]) == ("iris", "id-1")
    assert latency["ts"] == END_MS - 12  # the request's own time


def test_what_is_sent_twice_counts_once():
    with collector() as running:
        send(running.admin, kserve("request", ASKED))
        send(running.admin, kserve("request", ASKED))
        send(running.admin, kserve("response", ANSWERED))
        send(running.admin, kserve("response", ANSWERED))
        running.wait_for(Kind.LATENCY)
        assert outcomes(running, "request") == {"paired": 1, "duplicate": 1}
        assert outcomes(running, "response") == {"paired": 1, "duplicate": 1}
        rows = running.wait_for(Kind.PREDICTION, 2)
    assert len(rows) == 2


def test_the_number_of_halves_is_bounded_and_the_oldest_goes():
    with collector(sidecar={"collector": {"pairs": 2}}) as running:
        for name in "abc":
            send(running.admin, kserve("request", {"instances": [1]}, name))
        assert outcomes(running, "request") == {"pairs_full": 1}
        lost = {"topic": "inference.latencies", "reason": "pairs_full"}
        assert running.counter("rows_dropped_total", **lost) == 1
        send(running.admin, kserve("response", {"predictions": [1]}, "b"))
        (row,) = running.wait_for(Kind.PREDICTION)
    assert row["id"] == "b"


def test_a_payload_without_room_costs_the_prediction():
    body = {"instances": [["x" * 20_000]]}
    with collector(sidecar={"queue": "64KiB"}) as running:
        for kind in ("request", "response"):
            for n in range(5):
                told = kserve(kind, body if kind == "request" else {"predictions": [1]}, str(n))
                assert send(running.admin, told) == 200
        latencies = running.wait_for(Kind.LATENCY, 5)
        assert len(running.wait_for(Kind.PREDICTION, 2)) == 2
        assert outcomes(running, "request") == outcomes(running, "response") == {"paired": 5}
        assert running.counter("payloads_dropped_total", reason="queue_full") == 3
        budget = running.sidecar._outlet.budget
        eventually(lambda: budget.used == 0, 5, every_s=0.005)
    assert {(row["status"], row["error"]) for row in latencies} == {(200, None)}


def test_an_answer_without_room_for_its_payload_is_an_answer():
    broker = KeepingBroker()
    large = {"predictions": ["x" * 20_000]}
    settings = {"queue": "64KiB", "collector": {"wait": "40ms"}}
    with collector(broker=broker, sidecar=settings) as running:
        budget = running.sidecar._outlet.budget
        assert send(running.admin, kserve("request", ASKED)) == 200
        assert budget.take(50_000)  # as what waits for Kafka does
        assert send(running.admin, kserve("response", large)) == 200
        (latency,) = running.wait_for(Kind.LATENCY)
        assert running.broker.rows(Kind.PREDICTION) == []
        budget.give(50_000)
    assert (latency["status"], latency["error"]) == (200, None)


def test_without_any_room_the_sender_is_told_and_nobody_is_said_not_to_have_answered():
    with collector(sidecar={"queue": "64KiB", "collector": {"wait": "40ms"}}) as running:
        budget = running.sidecar._outlet.budget
        assert send(running.admin, kserve("request", ASKED)) == 200
        held = budget.limit - budget.used
        assert budget.take(held)
        assert send(running.admin, kserve("response", ANSWERED)) == 503
        budget.give(held)
        assert outcomes(running, "request") == outcomes(running, "response") == {"queue_full": 1}
        lost = {"topic": "inference.latencies", "reason": "queue_full"}
        assert running.counter("rows_dropped_total", **lost) == 1
        # Its answer comes again, and is late.
        assert send(running.admin, kserve("response", ANSWERED)) == 200
        assert outcomes(running, "response") == {"queue_full": 1, "late": 1}
        assert budget.used == 0
        told = {"request": {}, "response": {}, "truth": {"data": {"ndarray": [1]}}}
        assert budget.take(budget.limit - 100)
        assert send(running.admin, seldon("feedback", told)) == 503
        budget.give(budget.limit - 100)
        assert running.broker.rows(Kind.LATENCY) == []


def test_a_payload_that_is_too_large_costs_the_prediction():
    with collector(text="limits: {event_bytes: 4KiB}") as running:
        pair(running, {"instances": [["x" * 5000]]}, ANSWERED)
        (latency,) = running.wait_for(Kind.LATENCY)
        assert running.counter("payloads_dropped_total", reason="oversized") == 1
        large = kserve("request", {"instances": [["x" * 5000]]})
        assert send(running.admin, large, "structured") == 413
    assert (latency["model"], latency["rows"], latency["status"]) == ("iris", None, 200)


def test_feedback_is_a_label():
    told = {
        "request": {"data": {"ndarray": [[1, 2]]}, "meta": {"puid": "p-9"}},
        "response": {"data": {"ndarray": [[0.9, 0.1]]}, "meta": {"puid": "p-9"}},
        "truth": {"data": {"ndarray": [1]}},
    }
    with collector() as running:
        assert send(running.admin, seldon("feedback", told, time=END)) == 200
        (label,) = running.wait_for(Kind.LABEL)
        assert outcomes(running, "feedback") == {"taken": 1}
        assert running.broker.rows(Kind.LATENCY) == []
    assert (label["id"], label["label"], label["ts"]) == ("p-9", 1, END_MS)


def test_secrets_never_leave():
    secrets = ("eve@example.com", "078-05-1120", "4111-1111")
    row = {"amount": 2, "email": secrets[0], "user": {"ssn": secrets[1]}, "card": secrets[2]}
    metadata = json.dumps({"X-Team": [f"red {secrets[0]}"], "Authorization": ["Bearer k3y"]})
    settings = {
        "redact": ["email"],
        "features": {"deny": ["user.ssn"], "hash": ["card"], "hash_key": "pepper"},
        "segments": {"team": "header:x-team", "space": "header:ce-namespace"},
        "errors": {"text": True},
        "collector": {"wait": "500ms"},
    }
    with collector(sidecar=settings) as running:
        attributes = {"event_id": f"of-{secrets[1]}", "metadata": metadata}
        pair(running, {"instances": [row]}, {"predictions": [f"no {secrets[0]}"]}, **attributes)
        (made,) = running.wait_for(Kind.PREDICTION)
        send(running.admin, kserve("request", {"instances": [row]}, f"lone-{secrets[2]}"))
        running.wait_for(Kind.LATENCY, 2)
        payload = b"".join(batch.payload for batch in running.broker.batches)
        counters = running.sidecar.counters.prometheus().encode()
    assert (made["features.amount"], made["id"]) == (2, None)
    assert made["segment.space"] == "prod"
    assert len(made["features.card"]) == 16
    for secret in (*secrets, "k3y"):
        assert secret.encode() not in payload + counters


def test_segments_of_the_passed_on_headers():
    metadata = json.dumps({"X-Region": ["eu", "us"], "X-Request-Id": ["abc"]})
    with collector(sidecar={"segments": {"region": "header:x-region"}}) as running:
        pair(running, metadata=metadata)
        rows = running.wait_for(Kind.PREDICTION, 2)
    assert [r["segment.region"] for r in rows] == ["eu", "eu"]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Ce-Type": "org.kubeflow.serving.inference.request"}, b"{}", 400),
        ({"Ce-Id": "1", "Ce-Type": "com.example.other"}, b"{}", 200),
        ({"Content-Type": "application/cloudevents+json"}, b"{", 400),
        ({"Content-Type": "application/cloudevents+json"}, b"[]", 400),
        ({"Content-Type": "application/cloudevents+json"}, b'{"id":1,"type":"x"}', 200),
        ({"Content-Type": "application/cloudevents-batch+json"}, b"{}", 400),
        (
            {"Content-Type": "application/cloudevents+json"},
            b'{"id":"1","type":"x","data_base64":"?"}',
            400,
        ),
        ({"Content-Type": "application/json"}, b"{}", 404),
    ],
)
def test_what_is_no_event_of_a_logger(headers, body, status):
    with collector() as running:
        assert post(running.admin, "/", body, headers)[0] == status
        assert running.counter("cloud_events_ignored_total") == (status == 200)
        assert running.broker.batches == []


def test_garbage_in_the_payload_costs_the_prediction():
    with collector() as running:
        pair(running, b"\x00\xff", b"no json")
        (latency,) = running.wait_for(Kind.LATENCY)
        assert running.counter("payloads_dropped_total", reason="no_json") == 1
        assert running.counter("tap_errors_total", where="cloudevents") == 0
    assert (latency["model"], latency["rows"]) == ("iris", None)


def test_a_token_is_sent_as_a_password_of_the_url():
    with collector(sidecar={"admin_token": "s3cret"}) as running:
        event = kserve("request", ASKED)
        assert send(running.admin, event) == 401
        # base64 of x:wrong, and of x:s3cret
        assert send(running.admin, event, authorization="Basic eDp3cm9uZw==") == 401
        assert send(running.admin, event, authorization="Basic eDpzM2NyZXQ=") == 200


def test_events_come_beside_tapped_traffic_too_at_any_path_but_the_admins_own():
    answered = answer(b'{"predictions":[1]}')
    with rig(answering(answered)) as running:
        running.exchange(request_of("/v1/models/m:predict", b'{"instances":[1]}'), len(answered))
        send(running.admin, kserve("request", ASKED), path="/default/broker")
        send(running.admin, kserve("response", ANSWERED), path="/default/broker")
        rows = running.wait_for(Kind.PREDICTION, 3)
        event = kserve("request", ASKED)
        assert send(running.admin, event, "structured", path="/v1/labels") == 415
    assert sorted(r["model"] for r in rows) == ["iris", "iris", "m"]


def test_what_waits_at_the_end_is_counted():
    with collector() as running:
        send(running.admin, kserve("request", ASKED))
        counters = running.sidecar.counters
    assert counters.get("halves_total", half="request", outcome="shutdown") == 1
    assert counters.get("rows_dropped_total", topic="inference.latencies", reason="shutdown") == 1


def test_nothing_is_lost_while_the_broker_is_away():
    broker = KeepingBroker()
    broker.is_lost = True
    with collector(broker=broker) as running:
        pair(running)
        eventually(lambda: running.sidecar.publisher.pending_rows == 3, 5, every_s=0.005)
        broker.is_lost = False
        assert len(running.wait_for(Kind.PREDICTION, 2)) == 2
