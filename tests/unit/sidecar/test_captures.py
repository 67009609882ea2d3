"""Every recorded exchange of a real server passes byte for byte and gives the events it states."""

import base64
import json
import socket
from pathlib import Path

import pytest
from sidecar_rig import answering, read_exactly, rig

from inferwatch.events.kinds import Kind

CAPTURES = Path(__file__).parents[2] / "captures"
FILES = sorted(CAPTURES.glob("*/*.json"))
# Which output of a capture is the prediction; the others hold scores.
PREDICTIONS = ("predict", "label", "classes", "output")


def read(path):
    return json.loads(path.read_text())


def body_of(half):
    if "body_base64" in half:
        return base64.b64decode(half["body_base64"])
    return (half.get("body") or "").encode()


def wire(half, first_line):
    body = body_of(half)
    lines = [first_line, *(f"{name}: {value}" for name, value in half["headers"])]
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    names = {name.lower() for name, _ in half["headers"]}
    if "transfer-encoding" in names:
        pieces, at = [], 0
        for size in half["chunks"]:
            pieces.append(b"%x\r\n%s\r\n" % (size, body[at : at + size]))
            at += size
        return head + b"".join(pieces) + b"0\r\n\r\n"
    if "content-length" not in names and body:
        # Captures that were constructed leave the framing out.
        head = head[:-2] + b"content-length: %d\r\n\r\n" % len(body)
    elif "content-length" not in names and first_line.startswith("HTTP"):
        head = head[:-2] + b"content-length: 0\r\n\r\n"
    return head + body


def both_ways(capture):
    request, response = capture["request"], capture["response"]
    asked = wire(request, f"{request['method']} {request['path']} HTTP/1.1")
    return asked, wire(response, f"HTTP/1.1 {response['status']} Some Reason")


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_capture(path):
    capture = read(path)
    expect = capture["expect"]
    asked, answered = both_ways(capture)
    seen = []

    def script(connection: socket.socket):
        seen.append(read_exactly(connection, len(asked)))
        connection.sendall(answered)
        # A second exchange on the connection shows that the first one was cut rightly.
        read_exactly(connection, len(PROBE))
        connection.sendall(PROBE_ANSWER)

    with rig(script) as running:
        with running.connect() as client:
            client.sendall(asked)
            assert read_exactly(client, len(answered)) == answered
            client.sendall(PROBE)
            assert read_exactly(client, len(PROBE_ANSWER)) == PROBE_ANSWER
        latencies = running.wait_for(Kind.LATENCY, 2 if expect["is_inference"] else 1)
        predictions = running.broker.rows(Kind.PREDICTION)
        assert running.counter("tap_errors_total", where="reader") == 0
    assert seen == [asked]
    assert latencies[-1]["model"] == "probe"
    predictions = [p for p in running.broker.rows(Kind.PREDICTION) if p["model"] != "probe"]
    if not expect["is_inference"]:
        assert len(latencies) == 1
        assert predictions == []
        return
    check_latency(latencies[0], capture, len(body_of(capture["request"])))
    if capture["response"]["status"] >= 300:
        assert predictions == []
    else:
        check_predictions(predictions, expect)


PROBE = b'POST /v1/models/probe:predict HTTP/1.1\r\nContent-Length: 17\r\n\r\n{"instances":[1]}'
PROBE_ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{"predictions":[1]}'


def check_latency(row, capture, request_bytes):
    expect = capture["expect"]
    status = capture["response"]["status"]
    assert row["model"] == expect["model"]
    assert row["version"] == (expect["version"] or "unversioned")
    assert row["status"] == status
    assert (row["error"] is not None) == (status >= 500)
    assert row["id"] == expect["request_id"]
    if "note" not in expect or "NaN" not in expect["note"]:
        assert row["rows"] == expect["rows"]
    assert row["request_bytes"] == request_bytes
    assert row["response_bytes"] == len(body_of(capture["response"]))
    assert 0 < row["latency_ms"] < 10_000


def check_predictions(rows, expect):
    assert len(rows) == expect["rows"]
    ids = [row["id"] for row in rows]
    if expect["request_id"] is None:
        assert ids == [None] * len(rows)
    else:
        assert len(set(ids)) == len(rows)
        assert all(i.startswith(expect["request_id"]) for i in ids)
    inputs = expect["inputs"]
    if inputs is not None and not isinstance(inputs[0], dict):
        for row, features in zip(rows, inputs, strict=True):
            values = features if isinstance(features, list) else [features]
            names = expect["feature_names"] or [f"f{i}" for i in range(len(values))]
            if not isinstance(features, list):
                names = ["prompt"]  # a vector is a column, and the captured ones have this name
            assert [row[f"features.{name}"] for name in names] == pytest.approx(values)
    outputs = expect["outputs"]
    if isinstance(outputs, dict):
        name = next((n for n in PREDICTIONS if n in outputs), None)
        outputs = outputs.get(name)
    if isinstance(outputs, list) and not isinstance(outputs[0], list):
        assert [row["prediction"] for row in rows] == outputs
    for row, scores in zip(rows, expect["probabilities"] or [], strict=False):
        assert [row[f"scores.{i}"] for i in range(len(scores))] == pytest.approx(scores)
        assert row["prediction"] == scores.index(max(scores))


def test_a_gzip_answer_gives_the_scores_of_all_its_rows():
    asked, answered = both_ways(read(CAPTURES / "mlserver" / "05-infer-gzip-response.json"))
    with rig(answering(answered)) as running:
        assert running.exchange(asked, len(answered)) == answered
        rows = running.wait_for(Kind.PREDICTION, 200)
    assert all(abs(sum(r[f"scores.{i}"] for i in range(3)) - 1) < 1e-6 for r in rows)


def test_words_that_are_no_json_are_values():
    asked, answered = both_ways(read(CAPTURES / "tfserving" / "08-predict-nan.json"))
    with rig(answering(answered)) as running:
        assert running.exchange(asked, len(answered)) == answered
        (row,) = running.wait_for(Kind.PREDICTION)
    assert row["features.f1"] != row["features.f1"]
    assert row["features.f3"] == float("inf")
    assert row["prediction"] == 2
