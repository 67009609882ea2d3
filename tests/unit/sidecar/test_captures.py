"""Every recorded exchange of a real server passes byte for byte and gives the events it states."""

import json
import re
import socket

import pytest
from eventually import eventually
from exchanges import CAPTURES, SIDECAR, body_of
from sidecar_rig import answer, post, read_exactly, read_request, rig

from inferwatch.events.kinds import Kind

# Which output of a capture is the prediction; the others hold scores.
PREDICTIONS = ("predict", "label", "predicted_label", "classes", "output")
# Ids that a server makes up: the captures state only those that a client can rely on.
ID_HEADERS = ("x-request-id", "x-bentoml-request-id")


def read(path):
    return json.loads(path.read_text())


# HTTP/2 has tests of its own.
FILES = [p for p in sorted(CAPTURES.glob("*/*.json")) if read(p)["request"]["http_version"] != "2"]


def wire(half, first_line):
    body = body_of(half)
    lines = [first_line, *(f"{name}: {value}" for name, value in half["headers"])]
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    names = {name.lower() for name, _ in half["headers"]}
    if "transfer-encoding" in names:
        pieces, at = [], 0
        for size in half.get("chunks") or [len(body)]:
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


class Replay:
    """One sidecar for all captures; before each, the server is told what it will hear and say."""

    def __init__(self):
        self.asked = self.answered = b""
        self.seen = b""
        self.count = 0

    def serve(self, connection: socket.socket):
        self.seen = read_exactly(connection, len(self.asked))
        connection.sendall(self.answered)
        # A second exchange on the connection shows that the first one was cut rightly.
        read_request(connection)
        connection.sendall(PROBE_ANSWER)

    def run(self, running, asked, answered):
        """The rows that the exchange made: latencies and predictions."""
        self.asked, self.answered = asked, answered
        self.count += 1
        before = {kind: len(running.broker.rows(kind)) for kind in (Kind.LATENCY, Kind.PREDICTION)}
        name = f"probe-{self.count}"
        with running.connect() as client:
            client.sendall(asked)
            assert read_exactly(client, len(answered)) == answered
            client.sendall(post(f"/v1/models/{name}:predict", b'{"instances":[1]}'))
            assert read_exactly(client, len(PROBE_ANSWER)) == PROBE_ANSWER
        made = []
        for kind, start in before.items():
            eventually(lambda k=kind: running.broker.rows(k)[-1]["model"] == name, every_s=0.005)
            *rows, probe = running.broker.rows(kind)[start:]
            assert probe["model"] == name
            made.append(rows)
        assert self.seen == asked
        return made


PROBE_ANSWER = answer(b'{"predictions":[1]}')


@pytest.fixture(scope="module")
def replay():
    subject = Replay()
    with rig(subject.serve, sidecar=SIDECAR) as running:
        yield lambda asked, answered: subject.run(running, asked, answered)
        assert running.counter("tap_errors_total", where="reader") == 0


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_capture(path, replay):
    capture = read(path)
    expect = capture["expect"]
    latencies, predictions = replay(*both_ways(capture))
    if not expect["is_inference"]:
        assert (latencies, predictions) == ([], [])
        return
    (latency,) = latencies
    check_latency(latency, capture, len(body_of(capture["request"])))
    if capture["response"]["status"] >= 300 or latency["error"] is not None:
        assert predictions == []
    elif capture["protocol"].startswith("openai"):
        check_shape(predictions, capture, latency)
    else:
        check_predictions(predictions, expect, latency["id"])


def check_latency(row, capture, request_bytes):
    expect = capture["expect"]
    status = capture["response"]["status"]
    assert row["model"] == (expect["model"] or SIDECAR["model"])
    assert row["version"] == (expect["version"] or "unversioned")
    assert row["status"] == status
    is_whole = expect.get("complete", True)
    assert (row["error"] is not None) == (status >= 500 or not is_whole)
    assert row["id"] in possible_ids(capture)
    if "note" not in expect or "NaN" not in expect["note"]:
        assert row["rows"] == expect["rows"]
    assert row["request_bytes"] == request_bytes
    assert row["response_bytes"] == len(body_of(capture["response"]))
    assert 0 < row["latency_ms"] < 10_000


def possible_ids(capture):
    if capture["expect"]["request_id"] is not None:
        return [capture["expect"]["request_id"]]
    headers = dict(capture["response"]["headers"])
    named = [value for name, value in headers.items() if name.lower() in ID_HEADERS]
    told = set(re.findall(r'"id":\s*"(chatcmpl-[^"]+)"', capture["response"].get("body") or ""))
    return named + list(told if len(told) == 1 else ()) or [None]


def check_shape(rows, capture, latency):
    """Of an answer in words only its counts are told, and how it ended."""
    expect = capture["expect"]
    assert len(rows) == expect["rows"]
    usage = expect.get("usage") or {}
    assert latency["tokens_in"] == usage.get("prompt_tokens", latency["tokens_in"])
    assert latency["tokens_out"] == usage.get("completion_tokens", latency["tokens_out"])
    assert (latency["ttft_ms"] is not None) == expect["stream"]
    assert all(row["prediction"] in ("stop", "tool_calls", 8) for row in rows)
    for text in (*TEXTS, *(c["content"] for c in expect["inputs"] or () if isinstance(c, dict))):
        assert text not in repr(rows) + repr(latency)


TEXTS = ("How can I help", "You said", "Porto", "get_weather", "REDACT-ME")


def check_predictions(rows, expect, request_id):
    assert len(rows) == expect["rows"]
    ids = [row["id"] for row in rows]
    if request_id is None:
        assert ids == [None] * len(rows)
    else:
        assert len(set(ids)) == len(rows)
        assert all(i.startswith(request_id) for i in ids)
    inputs, outputs = expect["inputs"], expect["outputs"]
    if isinstance(outputs, str):
        assert [row["prediction"] for row in rows] == [outputs]
    if isinstance(inputs, str):
        assert [row["features.prompt"] for row in rows] == [inputs]
    elif inputs is not None and not isinstance(inputs[0], dict):
        for row, features in zip(rows, inputs, strict=True):
            values = features if isinstance(features, list) else [features]
            names = expect["feature_names"] or [f"f{i}" for i in range(len(values))]
            if not isinstance(features, list):
                names = ["prompt"]  # a vector is a column, and the captured ones have this name
            assert [row[f"features.{name}"] for name in names] == pytest.approx(values)
    if isinstance(outputs, dict):
        name = next((n for n in PREDICTIONS if n in outputs), None)
        outputs = outputs.get(name)
    if isinstance(outputs, list) and isinstance(outputs[0], dict):
        outputs = [next((o[n] for n in PREDICTIONS if n in o), o.get("score")) for o in outputs]
    if isinstance(outputs, list) and not isinstance(outputs[0], list):
        assert [row["prediction"] for row in rows] == outputs
    for row, scores in zip(rows, expect["probabilities"] or [], strict=False):
        if isinstance(scores, dict):
            assert {name: row[f"scores.{name}"] for name in scores} == scores
            assert row["prediction"] == max(scores, key=scores.get)
            continue
        assert [row[f"scores.{i}"] for i in range(len(scores))] == pytest.approx(scores)
        assert row["prediction"] == scores.index(max(scores))


def test_a_gzip_answer_gives_the_scores_of_all_its_rows(replay):
    _, rows = replay(*both_ways(read(CAPTURES / "mlserver" / "05-infer-gzip-response.json")))
    assert len(rows) == 200
    assert all(abs(sum(r[f"scores.{i}"] for i in range(3)) - 1) < 1e-6 for r in rows)


def test_words_that_are_no_json_are_values(replay):
    _, (row,) = replay(*both_ways(read(CAPTURES / "tfserving" / "08-predict-nan.json")))
    assert row["features.f1"] != row["features.f1"]
    assert row["features.f3"] == float("inf")
    assert row["prediction"] == 2
