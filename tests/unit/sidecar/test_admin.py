"""The admin port: health, metrics, and events by HTTP."""

import http.client
import json

import pytest
from eventually import eventually
from sidecar_rig import KeepingBroker, answering, rig

from inferwatch.events.kinds import Kind


def call(address, method, path, body=None, **headers):
    connection = http.client.HTTPConnection(*address, timeout=10)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, body=body, headers=sent)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def post(address, path, value, **headers):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return call(address, "POST", path, body, **{"content_type": "application/json", **headers})


@pytest.fixture(scope="module")
def shared():
    with rig(answering()) as running:
        yield running


def test_health_readiness_and_metrics():
    with rig(answering()) as running:
        assert call(running.admin, "GET", "/healthz") == (200, b'{"status":"ok"}\n')
        assert call(running.admin, "GET", "/readyz") == (200, b'{"status":"ready"}\n')
        assert call(running.admin, "HEAD", "/healthz") == (200, b"")
        status, text = call(running.admin, "GET", "/metrics")
        assert status == 200
        assert b"inferwatch_sidecar_queue_limit_bytes 67108864\n" in text
        assert call(running.admin, "GET", "/nothing")[0] == 404
        assert call(running.admin, "POST", "/healthz")[0] == 405


def test_labels_are_keyed_by_id():
    with rig(answering()) as running:
        label = {"id": 12345678901234567890123, "ts": 5, "label": "late"}
        assert post(running.admin, "/v1/labels", label) == (202, b'{"accepted":1}\n')
        (row,) = running.wait_for(Kind.LABEL)
        (batch,) = [b for b in running.broker.batches if b.kind is Kind.LABEL]
    assert (row["id"], row["ts"], row["label"]) == ("12345678901234567890123", 5, "late")
    assert batch.key == b"12345678901234567890123"


def test_lists_and_lines_of_labels():
    lines = b'{"id":"a","label":1}\n\n{"id":"b","label":2}\n'
    with rig(answering()) as running:
        assert post(running.admin, "/v1/labels", [{"id": "c", "label": 3.5}])[0] == 202
        status, _ = call(
            running.admin, "POST", "/v1/labels", lines, content_type="application/x-ndjson"
        )
        assert status == 202
        rows = running.wait_for(Kind.LABEL, 3)
    assert {(r["id"], r["label"]) for r in rows} == {("a", 1), ("b", 2), ("c", 3.5)}
    assert all(r["ts"] > 1_600_000_000_000 for r in rows)


def test_predictions():
    event = {
        "id": "p",
        "model": "m",
        "ts": 7.0,
        "features": {"a": {"b": 1}, "c": [1], "d": None},
        "prediction": "x",
        "scores": 0.25,
        "segment": {"region": "eu"},
    }
    with rig(answering()) as running:
        assert post(running.admin, "/v1/predictions", event)[0] == 202
        (row,) = running.wait_for(Kind.PREDICTION)
    assert (row["id"], row["ts"], row["prediction"], row["scores"]) == ("p", 7, "x", 0.25)
    assert (row["features.a.b"], row["segment.region"]) == (1, "eu")
    assert (row["version"], row["features.d"]) == ("unversioned", None)


@pytest.mark.parametrize(
    ("path", "event", "where"),
    [
        ("/v1/labels", {"id": "a"}, "label"),
        ("/v1/labels", {"label": 1}, "id"),
        ("/v1/labels", {"id": True, "label": 1}, "id"),
        ("/v1/labels", {"id": "a", "label": {}}, "label"),
        ("/v1/labels", {"id": "a", "label": 1, "ts": 1.5}, "ts"),
        ("/v1/labels", {"id": "a", "label": 1, "ts": "now"}, "ts"),
        ("/v1/labels", [], ""),
        ("/v1/labels", 5, ""),
        ("/v1/labels", b"{", ""),
        ("/v1/labels", b'{"id":"\\ud800","label":1}', ""),
        ("/v1/predictions", {"ts": 1, "prediction": 1}, "model"),
        ("/v1/predictions", {"model": "m", "prediction": 1}, "ts"),
        ("/v1/predictions", {"model": "m", "ts": 1}, "prediction"),
        ("/v1/predictions", {"model": "m", "ts": 1, "prediction": []}, "prediction"),
        ("/v1/predictions", {"model": "m", "ts": 1, "prediction": 1, "features": 3}, "features"),
        ("/v1/predictions", {"model": "m", "ts": 1, "prediction": 1, "scores": "x"}, "scores"),
        (
            "/v1/predictions",
            {"model": "m", "ts": 1, "prediction": 1, "scores": {"a": "x"}},
            "scores.a",
        ),
        ("/v1/predictions", {"model": "m", "ts": 1, "prediction": 1, "segment": 1}, "segment"),
    ],
)
def test_one_mistake_and_nothing_is_taken(path, event, where, shared):
    good = {"id": "ok", "label": 1, "model": "m", "ts": 1, "prediction": 1}
    sent = [good, event] if isinstance(event, dict) else event
    status, body = post(shared.admin, path, sent)
    assert status == 400
    (mistake,) = json.loads(body)["mistakes"]
    assert mistake["where"] == where
    assert mistake["index"] == (1 if isinstance(event, dict) else 0)
    assert shared.broker.batches == []
    assert shared.sidecar.publisher.pending_rows == 0


def test_sizes_are_bounded_before_anything_is_parsed():
    with rig(answering()) as running:
        large = {"content_type": "application/json", "content_length": str(2**40)}
        assert call(running.admin, "POST", "/v1/labels", None, **large)[0] == 413
        chunks = iter([b"x" * 2**20] * 9)
        connection = http.client.HTTPConnection(*running.admin, timeout=10)
        try:
            connection.request("POST", "/v1/labels", body=chunks, encode_chunked=True)
            status = connection.getresponse().status
        except ConnectionError:
            status = 413  # it was refused while we were still sending
        finally:
            connection.close()
        assert status == 413
        assert call(running.admin, "GET", "/healthz", None, x_long="x" * 20_000)[0] == 413
        assert call(running.admin, "GET", "/healthz")[0] == 200


def test_forms_of_other_sites_are_refused():
    with rig(answering()) as running:
        body = b'{"id":"a","label":1}'
        assert call(running.admin, "POST", "/v1/labels", body, content_type="text/plain")[0] == 415


def test_a_token_guards_all_but_health():
    sidecar = {"admin_token": "s3cret"}
    with rig(answering(), sidecar=sidecar) as running:
        label = {"id": "a", "label": 1}
        assert call(running.admin, "GET", "/readyz")[0] == 200
        assert call(running.admin, "GET", "/metrics")[0] == 401
        assert post(running.admin, "/v1/labels", label)[0] == 401
        assert post(running.admin, "/v1/labels", label, authorization="Bearer nope")[0] == 401
        assert post(running.admin, "/v1/labels", label, authorization="bearer s3cret")[0] == 202


def test_a_full_queue_is_the_senders_to_know():
    broker = KeepingBroker()
    broker.is_lost = True
    with rig(answering(), sidecar={"queue": "64KiB"}, broker=broker) as running:
        labels = [{"id": str(n), "label": 1} for n in range(1000)]
        status, body = post(running.admin, "/v1/labels", labels)
        assert (status, b"nothing was taken" in body) == (503, True)
        assert running.sidecar.counters.total("rows_dropped_total") == 0
        eventually(lambda: running.sidecar.publisher.pending_rows == 0, 5, every_s=0.005)


def test_garbage_is_answered():
    import socket

    with rig(answering()) as running:
        with socket.create_connection(running.admin, timeout=10) as client:
            client.sendall(b"\x16\x03\x01\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 400 ")
        assert call(running.admin, "GET", "/healthz")[0] == 200
