"""When something breaks: the client sees what it would see without the sidecar, and it is told."""

import gzip
import json
import resource
import socket
import struct
import threading

import pytest
from eventually import eventually
from sidecar_rig import (
    KeepingBroker,
    answer,
    answering,
    post,
    read_exactly,
    read_request,
    read_to_end,
    rig,
)

from inferwatch.events.kinds import Kind
from producers.sidecar.protocols.kserve_v1 import KServeV1

PREDICT = post("/v1/models/m:predict", b'{"instances":[[1,2]]}')
PREDICTED = answer(b'{"predictions":[1]}')


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def failing(events, expected):
    row = events[-1]
    assert (row["status"], row["error"]) == expected
    assert row["model"] == "m"
    assert row["latency_ms"] >= 0


def test_an_absent_upstream_is_answered_with_502():
    with rig(None) as running:
        with running.connect() as client:
            client.sendall(PREDICT)
            answered = read_to_end(client)
        failing(running.wait_for(Kind.LATENCY), (502, "upstream_unreachable"))
        assert running.broker.rows(Kind.PREDICTION) == []
    head, _, body = answered.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert b"content-length: %d" % len(body) in head.lower()
    assert "refused" in json.loads(body)["error"]


def test_the_own_answer_to_head_has_no_body():
    with rig(None) as running, running.connect() as client:
        client.sendall(b"HEAD / HTTP/1.1\r\n\r\n")
        answered = read_to_end(client)
    assert answered.startswith(b"HTTP/1.1 502 ")
    assert answered.endswith(b"\r\n\r\n")


def test_a_large_upload_to_an_absent_upstream_still_reads_its_answer():
    with rig(None) as running, running.connect() as client:
        client.sendall(post("/v1/models/m:predict", bytes(8 * 2**20)))
        assert read_to_end(client).startswith(b"HTTP/1.1 502 ")
        failing(running.wait_for(Kind.LATENCY), (502, "upstream_unreachable"))


def test_an_upstream_that_resets_is_passed_on_as_a_reset():
    def script(connection):
        read_request(connection)
        reset(connection)

    with rig(script) as running:
        with running.connect() as client:
            client.sendall(PREDICT)
            with pytest.raises(ConnectionResetError):
                client.recv(100)
        failing(running.wait_for(Kind.LATENCY), (502, "upstream_reset"))


def test_an_upstream_that_closes_without_an_answer():
    with rig(read_request) as running:
        with running.connect() as client:
            client.sendall(PREDICT)
            assert read_to_end(client) == b""
        failing(running.wait_for(Kind.LATENCY), (502, "upstream_closed"))


def test_an_answer_that_is_cut_short():
    def script(connection):
        read_request(connection)
        connection.sendall(PREDICTED[:-5])

    with rig(script) as running:
        with running.connect() as client:
            client.sendall(PREDICT)
            assert read_to_end(client) == PREDICTED[:-5]
        failing(running.wait_for(Kind.LATENCY), (200, "upstream_truncated"))
        assert running.broker.rows(Kind.PREDICTION) == []


@pytest.mark.parametrize("end", [socket.socket.close, reset], ids=["close", "reset"])
def test_a_client_that_goes_away_is_499(end):
    asked, gone = threading.Event(), threading.Event()

    def script(connection):
        read_request(connection)
        asked.set()
        gone.wait(10)
        read_to_end(connection)

    with rig(script) as running:
        client = running.connect()
        client.sendall(PREDICT)
        assert asked.wait(10)
        end(client)
        gone.set()
        failing(running.wait_for(Kind.LATENCY), (499, "client_closed"))


def test_a_client_that_closed_before_the_answer_came_is_499():
    asked, gone = threading.Event(), threading.Event()

    def script(connection):
        read_request(connection)
        asked.set()
        gone.wait(10)
        connection.sendall(PREDICTED)

    with rig(script) as running:
        client = running.connect()
        client.sendall(PREDICT)
        assert asked.wait(10)
        client.close()
        gone.set()
        failing(running.wait_for(Kind.LATENCY), (499, "client_closed"))


def test_a_client_that_goes_away_in_the_middle_of_its_request_is_499():
    with rig(answering(PREDICTED)) as running:
        client = running.connect()
        client.sendall(PREDICT[:-5])
        eventually(lambda: running.upstream.connections == 1, every_s=0.005)
        reset(client)
        failing(running.wait_for(Kind.LATENCY), (499, "client_closed"))


def test_a_silent_upstream_is_answered_with_504_where_a_limit_is_set():
    def script(connection):
        read_request(connection)
        read_to_end(connection)

    with rig(script, sidecar={"timeouts": {"response": "100ms"}}) as running:
        with running.connect() as client:
            client.sendall(PREDICT)
            answered = read_to_end(client)
        failing(running.wait_for(Kind.LATENCY), (504, "timeout"))
    assert answered.startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")


def test_an_answer_that_stalls_is_cut_where_a_limit_is_set():
    def script(connection):
        read_request(connection)
        connection.sendall(PREDICTED[:-5])
        read_to_end(connection)

    with rig(script, sidecar={"timeouts": {"response": "100ms"}}) as running:
        with running.connect() as client:
            client.sendall(PREDICT)
            read_exactly(client, len(PREDICTED))
        assert running.wait_for(Kind.LATENCY)[0]["error"] == "timeout"


def test_a_body_of_64_mb_passes_within_bounded_memory():
    size = 64 * 2**20
    body = b'{"instances":[' + bytes(size - 16) + b"]}"

    def script(connection):
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65_536)
        left = size - len(head.partition(b"\r\n\r\n")[2])
        while left:
            left -= len(connection.recv(min(left, 65_536)))
        connection.sendall(PREDICTED)
        read_to_end(connection)

    with rig(script) as running:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        asked = post("/v1/models/m:predict", body)
        with running.connect() as client:
            for at in range(0, len(asked), 2**20):
                client.sendall(asked[at : at + 2**20])
            assert read_exactly(client, len(PREDICTED)) == PREDICTED
        (row,) = running.wait_for(Kind.LATENCY)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert running.counter("payloads_dropped_total", reason="oversized") == 1
        assert (
            running.counter("rows_dropped_total", topic="inference.predictions", reason="oversized")
            == 1
        )
    assert (row["request_bytes"], row["rows"], row["error"]) == (size, None, None)
    # `asked` and `body` are the test's own 128 MB.
    assert (after - before) / 1024 < 160


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (post("/v1/models/m:predict", b'{"instances":['), answer(b'{"predictions":[1]}')),
        (PREDICT, answer(b'{"predictions":[1,2,3]}')),
        (PREDICT, answer(b'{"predictions":[null]}')),
        (PREDICT, answer(b"\xff\xfe")),
        (PREDICT, answer(b"not gzip", "Content-Encoding: gzip")),
        (PREDICT, answer(b"?", "Content-Encoding: snappy")),
        (post("/v2/models/m/infer", b'{"inputs":[{"shape":[-1]}]}'), answer(b"{}")),
        (post("/v2/models/m/infer", b"[" * 5000), answer(b"[" * 5000)),
        (post("/v2/models/m/infer", b"{}", "Inference-Header-Content-Length: 99"), answer(b"{}")),
    ],
)
def test_what_cannot_be_read_costs_the_prediction_and_nothing_else(sent, answered):
    with rig(answering(answered, PREDICTED)) as running:
        with running.connect() as client:
            client.sendall(sent)
            assert read_exactly(client, len(answered)) == answered
            client.sendall(PREDICT)
            assert read_exactly(client, len(PREDICTED)) == PREDICTED
        rows = running.wait_for(Kind.LATENCY, 2)
        assert len(running.wait_for(Kind.PREDICTION)) == 1
        assert sum(running.sidecar.counters.total(n) for n in ("payloads_dropped_total",)) == 1
        assert running.sidecar.counters.total("tap_errors_total") == 0
    assert [r["error"] for r in rows] == [None, None]


def test_a_bomb_is_not_unpacked_beyond_the_limit():
    bomb = gzip.compress(bytes(32 * 2**20), 6)
    answered = answer(bomb, "Content-Encoding: gzip")
    with rig(answering(answered)) as running:
        assert running.exchange(PREDICT, len(answered)) == answered
        running.wait_for(Kind.LATENCY)
        assert running.counter("payloads_dropped_total", reason="oversized") == 1


def test_a_malformed_request_passes_and_is_answered_by_the_server():
    garbage = b"NONSENSE\x00\r\n\r\n"
    refusal = answer(b"what?", status="400 Bad Request")

    def script(connection):
        assert read_exactly(connection, len(garbage)) == garbage
        connection.sendall(refusal)

    with rig(script) as running:
        assert running.exchange(garbage, len(refusal)) == refusal
        assert running.counter("untapped_connections_total", reason="not_http1") == 1


def test_a_decoder_that_crashes_costs_the_prediction_only(monkeypatch):
    def crash(*_):
        raise ZeroDivisionError("the secret is 42")

    monkeypatch.setattr(KServeV1, "decode", crash)
    with rig(answering(PREDICTED)) as running:
        assert running.exchange(PREDICT, len(PREDICTED)) == PREDICTED
        (row,) = running.wait_for(Kind.LATENCY)
        assert running.counter("tap_errors_total", where="kserve-v1") == 1
        assert running.broker.rows(Kind.PREDICTION) == []
    assert (row["model"], row["status"], row["error"]) == ("m", 200, None)


@pytest.mark.parametrize("minting", [False, True])
def test_a_tap_that_crashes_leaves_the_traffic_alone(monkeypatch, minting):
    def crash(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(KServeV1, "matches", crash)
    with rig(answering(PREDICTED, PREDICTED), sidecar={"mint_ids": minting}) as running:
        with running.connect() as client:
            for _ in range(2):
                client.sendall(PREDICT)
                assert read_exactly(client, len(PREDICTED)) == PREDICTED
        assert running.counter("tap_errors_total", where="tap") == 1


def test_a_full_queue_drops_counts_and_leaves_a_hole():
    broker = KeepingBroker(partitions=1)
    broker.is_lost = True
    body = json.dumps({"instances": [[float(n)] * 20 for n in range(20)]}).encode()
    asked = post("/v1/models/m:predict", body)
    answered = answer(json.dumps({"predictions": list(range(20))}).encode())
    count = 100
    with rig(
        answering(*[answered] * (count + 1)), sidecar={"queue": "256KiB"}, broker=broker
    ) as running:
        with running.connect() as client:
            for _ in range(count):
                client.sendall(asked)
                assert read_exactly(client, len(answered)) == answered
            counters = running.sidecar.counters
            eventually(
                lambda: (
                    counters.total("exchanges_total")
                    + counters.get(
                        "rows_dropped_total", topic="inference.latencies", reason="queue_full"
                    )
                    == count
                ),
                10,
            )
            assert counters.total("rows_dropped_total") > 0
            assert "queue_bytes" in counters.prometheus()
            broker.is_lost = False
            eventually(lambda: counters.total("rows_published_total") > 0, 10)
            client.sendall(asked)
            assert read_exactly(client, len(answered)) == answered
            running.wait_for(Kind.LATENCY)
            eventually(lambda: running.sidecar.publisher.pending_rows == 0, 10)
        for kind, topic in (
            (Kind.LATENCY, "inference.latencies"),
            (Kind.PREDICTION, "inference.predictions"),
        ):
            rows = broker.rows(kind)
            numbers = [row["seq"] for row in rows]
            dropped = sum(
                counters.get("rows_dropped_total", topic=topic, reason=reason)
                for reason in ("queue_full", "oversized")
            )
            assert len(set(numbers)) == len(numbers)
            # Every hole is a dropped row; those at the end show with the next one.
            assert max(numbers) + 1 - len(numbers) <= dropped
            assert len(numbers) + dropped >= max(numbers) + 1


def test_a_broker_that_is_absent_is_told_once_and_again_when_it_is_back(caplog):
    broker = KeepingBroker()
    broker.is_lost = True
    with rig(answering(*[PREDICTED] * 5), broker=broker) as running, running.connect() as client:
        for _ in range(4):
            client.sendall(PREDICT)
            assert read_exactly(client, len(PREDICTED)) == PREDICTED
        eventually(lambda: running.counter("kafka_errors_total") >= 2, 10)
        broker.is_lost = False
        assert len(running.wait_for(Kind.PREDICTION, 4)) == 4
    lines = [r.getMessage() for r in caplog.records if r.name == "inferwatch.publisher"]
    assert [("takes events again" in line) for line in lines] == [False, True]
    assert {row["seq"] for row in broker.rows(Kind.PREDICTION) if row["partition"] == 0} <= set(
        range(4)
    )
