"""HTTP/2 and gRPC: bytes pass as they are, and what the calls say becomes events."""

import gzip

import pytest
from decoding_rig import decode
from eventually import eventually
from exchanges import SIDECAR, body_of, captures
from http2_wire import Client, Server, frame
from sidecar_rig import read_exactly, rig

from inferwatch.events.kinds import Kind

GRPC = [c for c in captures() if c["request"]["http_version"] == "2"]
(TYPED,) = (c for c in GRPC if c["expect"]["request_id"] == "g-typed")


def run_twice(capture, *, piece=65_536, cut=False):
    """The rows of a call that is made twice on one connection."""
    client, server = Client(), Server(cut=cut)
    asked = [client.ask(capture) for _ in range(2)]
    answered = [server.answer(capture) for _ in range(2)]

    def script(connection):
        for question, reply in zip(asked, answered, strict=True):
            assert read_exactly(connection, len(question)) == question
            for at in range(0, len(reply), piece):
                connection.sendall(reply[at : at + piece])

    with rig(script, sidecar=SIDECAR) as running:
        with running.connect() as connection:
            for question, reply in zip(asked, answered, strict=True):
                for at in range(0, len(question), piece):
                    connection.sendall(question[at : at + piece])
                assert read_exactly(connection, len(reply)) == reply
        eventually(lambda: running.sidecar.counters.total("requests_total") == 2)
        if capture["expect"]["is_inference"]:
            latencies = running.wait_for(Kind.LATENCY, 2)
            ok = latencies[0]["status"] == 200
            predictions = running.wait_for(Kind.PREDICTION, 2 * capture["expect"]["rows"] * ok)
        else:
            latencies, predictions = [], []
        assert running.counter("tap_errors_total", where="reader") == 0
        assert running.sidecar.counters.total("untapped_connections_total") == 0
    # Closing has handed over whatever was still to come.
    assert len(running.broker.rows(Kind.LATENCY)) == len(latencies)
    return latencies, predictions


@pytest.mark.parametrize(
    "capture", GRPC, ids=lambda c: f"{c['server']}-{c['expect']['request_id']}"
)
def test_captures_of_grpc(capture):
    expect = capture["expect"]
    latencies, rows = run_twice(capture)
    if not expect["is_inference"]:
        assert latencies == []
        return
    told = dict(capture["response"].get("trailers") or capture["response"]["headers"])
    for latency in latencies:
        assert (latency["model"], latency["id"]) == (expect["model"], expect["request_id"])
        assert latency["rows"] == expect["rows"]
        assert (latency["status"] == 200) == (told["grpc-status"] == "0")
    if told["grpc-status"] != "0":
        assert rows == []
        return
    assert len(rows) == 2 * expect["rows"]
    for row, features in zip(rows, expect["inputs"] * 2, strict=True):
        assert [row[f"features.f{i}"] for i in range(4)] == pytest.approx(features, rel=1e-6)


@pytest.mark.parametrize(("piece", "cut"), [(1, False), (7, True)])
def test_frames_in_pieces(piece, cut):
    latencies, rows = run_twice(TYPED, piece=piece, cut=cut)
    assert len(rows) == 2 * TYPED["expect"]["rows"]
    assert latencies[0]["response_bytes"] > 0


@pytest.mark.parametrize(
    ("status", "expected"), [("3", 400), ("4", 504), ("8", 429), ("13", 500), ("14", 503)]
)
def test_the_status_of_a_call_is_that_of_its_trailers(status, expected):
    failed = {
        "headers": [
            [":status", "200"],
            ["content-type", "application/grpc"],
            ["grpc-status", status],
            ["grpc-message", "no%20more"],
        ]
    }
    latencies, rows = run_twice({**TYPED, "response": failed, "expect": TYPED["expect"]})
    assert rows == []
    assert latencies[0]["status"] == expected
    assert (latencies[0]["error"] is not None) == (expected >= 500)


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_stream_that_is_reset(who):
    asked = Client().ask(TYPED)
    reset = frame(3, 0, 1, (8).to_bytes(4))
    sent = asked + (reset if who == "client" else b"")

    def script(connection):
        read_exactly(connection, len(sent))
        connection.sendall(reset)
        connection.recv(1)

    with rig(script) as running, running.connect() as connection:
        connection.sendall(sent)
        assert read_exactly(connection, len(reset)) == reset
        (row,) = running.wait_for(Kind.LATENCY)
    expected = (499, "client_closed") if who == "client" else (502, "upstream_reset")
    assert (row["status"], row["error"]) == expected


@pytest.mark.parametrize(
    "bad",
    [
        frame(1, 4, 1, b"\xff\xff\xff\xff\xff\xff"),
        frame(9, 4, 1, b""),
        frame(0, 8, 1, b"\xff"),
        frame(5, 4, 1, b""),
        b"\xff\xff\xff\x01\x04\0\0\0\x01",
    ],
)
def test_what_cannot_be_followed_passes_unread(bad):
    asked = Client().ask(TYPED)[:33] + bad  # the preface and the settings, then this

    def script(connection):
        assert read_exactly(connection, len(asked)) == asked
        connection.sendall(b"bye")

    with rig(script) as running:
        with running.connect() as connection:
            connection.sendall(asked)
            assert read_exactly(connection, 3) == b"bye"
        assert running.sidecar.counters.total("untapped_connections_total") == 1
        assert running.counter("tap_errors_total", where="tap") == 0


def streamed(message):
    """A message of the stream: `infer_response` around that of a single call."""
    inner = message[5:]
    size = bytes([len(inner) & 0x7F | 0x80, len(inner) >> 7])
    outer = b"\x12" + size + inner
    return b"\0" + len(outer).to_bytes(4) + outer


def test_the_rows_of_a_stream_are_put_together():
    asked, answered = body_of(TYPED["request"]), body_of(TYPED["response"])
    path = "/inference.GRPCInferenceService/ModelStreamInfer"
    decoded = decode("POST", path, asked * 2, streamed(answered) * 2)
    rows = TYPED["expect"]["rows"]
    assert (decoded.model, decoded.id) == (TYPED["expect"]["model"], "g-typed")
    assert decoded.rows == 2 * rows
    assert {len(items) for items in decoded.outputs.values()} == {2 * rows}
    # Of several answers to one request the last one counts.
    decoded = decode("POST", path, asked, streamed(answered) * 3)
    assert {len(items) for items in decoded.outputs.values()} == {rows}


def test_an_error_inside_a_stream():
    path = "/inference.GRPCInferenceService/ModelStreamInfer"
    failed = b"\0\0\0\0\x06\x0a\x04boom"
    decoded = decode("POST", path, body_of(TYPED["request"]), failed)
    assert (decoded.failure, decoded.error) == ("stream_error", "boom")


def test_a_packed_message():
    asked = body_of(TYPED["request"])
    packed = gzip.compress(asked[5:])
    body = b"\1" + len(packed).to_bytes(4) + packed
    path = "/inference.GRPCInferenceService/ModelInfer"
    headers = ("grpc-encoding: gzip",)
    decoded = decode("POST", path, body, body_of(TYPED["response"]), headers=headers)
    assert decoded.rows == TYPED["expect"]["rows"]
