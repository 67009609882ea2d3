"""HTTP as it is on the wire: the client sees what the server sent, whatever the tap makes of it."""

import asyncio
import socket
import threading

import pytest
import uvloop
from eventually import eventually
from sidecar_rig import (
    answer,
    answering,
    post,
    read_exactly,
    read_request,
    read_to_end,
    rig,
)

from inferwatch.events.kinds import Kind

PREDICT = post("/v1/models/m:predict", b'{"instances":[[1,2]]}')
PREDICTED = answer(b'{"predictions":[1]}')
V2_WITH_ID = post(
    "/v2/models/m/infer",
    b'{"id":"v2","inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[1]}]}',
)
V2_ANSWER = answer(b'{"outputs":[{"name":"y","shape":[1],"datatype":"INT64","data":[1]}]}')


@pytest.mark.parametrize("loop_factory", [uvloop.new_event_loop, asyncio.SelectorEventLoop])
def test_keep_alive_on_both_loops(loop_factory):
    with rig(answering(PREDICTED, PREDICTED), loop_factory=loop_factory) as running:
        with running.connect() as client:
            for _ in range(2):
                client.sendall(PREDICT)
                assert read_exactly(client, len(PREDICTED)) == PREDICTED
        rows = running.wait_for(Kind.PREDICTION, 2)
        assert running.upstream.connections == 1
    assert [(r["features.f0"], r["prediction"]) for r in rows] == [(1, 1), (1, 1)]


def test_a_connection_without_a_byte_does_not_reach_the_upstream():
    with rig(answering()) as running:
        running.connect().close()
        eventually(lambda: running.counter("connections_total") == 1, every_s=0.005)
        assert running.upstream.connections == 0


def test_pipelined_requests_are_answered_in_order():
    answers = [answer(b'{"predictions":[%d]}' % n) for n in range(3)]
    with rig(answering(*answers)) as running:
        expected = b"".join(answers)
        assert running.exchange(PREDICT * 3, len(expected)) == expected
        rows = running.wait_for(Kind.PREDICTION, 3)
    assert [r["prediction"] for r in rows] == [0, 1, 2]


def test_one_byte_at_a_time():
    chunks = b'13\r\n{"predictions":[1]}\r\n0\r\n\r\n'
    answered = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks

    def script(connection):
        read_request(connection)
        for byte in answered:
            connection.sendall(bytes([byte]))
        read_to_end(connection)

    with rig(script) as running:
        with running.connect() as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in PREDICT:
                client.sendall(bytes([byte]))
            assert read_exactly(client, len(answered)) == answered
        (row,) = running.wait_for(Kind.PREDICTION)
    assert row["prediction"] == 1


def test_chunked_both_ways_with_extensions_and_trailers():
    body = b'{"instances":[[1,2]]}'
    asked = (
        b"POST /v1/models/m:predict HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"7;ext=1\r\n"
        + body[:7]
        + b"\r\n"
        + b"%x\r\n" % len(body[7:])
        + body[7:]
        + b"\r\n0\r\nX-Trailer: 1\r\n\r\n"
    )
    answered = (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        b'13\r\n{"predictions":[1]}\r\n0\r\nx-trailer: 2\r\n\r\n'
    )

    def script(connection):
        assert read_exactly(connection, len(asked)) == asked
        connection.sendall(answered)
        read_to_end(connection)

    with rig(script) as running:
        assert running.exchange(asked, len(answered)) == answered
        (row,) = running.wait_for(Kind.LATENCY)
        assert len(running.wait_for(Kind.PREDICTION)) == 1
    assert (row["request_bytes"], row["response_bytes"]) == (21, 19)


def test_head_has_no_body_whatever_its_head_says():
    head = b"HEAD /v2/models/m HTTP/1.1\r\nHost: m\r\n\r\n"
    head_answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
    with rig(answering(PREDICTED, head_answer, PREDICTED)) as running:
        expected = PREDICTED + head_answer + PREDICTED
        # Pipelined, so that the answers may come in one piece.
        assert running.exchange(PREDICT + head + PREDICT, len(expected)) == expected
        assert len(running.wait_for(Kind.PREDICTION, 2)) == 2


def test_expect_100_continue():
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    head, _, body = post(
        "/v1/models/m:predict", b'{"instances":[5]}', "Expect: 100-continue"
    ).partition(b"\r\n\r\n")
    head += b"\r\n\r\n"

    def script(connection):
        assert read_exactly(connection, len(head)) == head
        connection.sendall(interim)
        assert read_exactly(connection, len(body)) == body
        connection.sendall(PREDICTED)
        read_to_end(connection)

    with rig(script) as running:
        with running.connect() as client:
            client.sendall(head)
            assert read_exactly(client, len(interim)) == interim
            client.sendall(body)
            assert read_exactly(client, len(PREDICTED)) == PREDICTED
        (row,) = running.wait_for(Kind.LATENCY)
    assert row["status"] == 200


def test_an_upgrade_becomes_a_tunnel():
    asked = b"GET /ws HTTP/1.1\r\nHost: m\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    switched = (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )

    def script(connection):
        assert read_request(connection) == asked
        connection.sendall(switched + b"\x81\x02hi")
        assert read_exactly(connection, 4) == b"\x81\x82\x00\xff"
        connection.sendall(b"\x88\x00")

    with rig(script) as running:
        with running.connect() as client:
            client.sendall(asked)
            assert read_exactly(client, len(switched) + 4) == switched + b"\x81\x02hi"
            client.sendall(b"\x81\x82\x00\xff")
            assert read_to_end(client) == b"\x88\x00"
        assert running.counter("untapped_connections_total", reason="tunnel") == 1


def test_a_declined_upgrade_with_a_body_is_an_ordinary_request():
    # What Java's HTTP client sends first on every connection.
    asked = post(
        "/v1/models/m:predict",
        b'{"instances":[7]}',
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
    )
    with rig(answering(PREDICTED, PREDICTED)) as running:
        with running.connect() as client:
            for request in (asked, PREDICT):
                client.sendall(request)
                assert read_exactly(client, len(PREDICTED)) == PREDICTED
        rows = running.wait_for(Kind.PREDICTION, 2)
    assert [r["features.f0"] for r in rows] == [7, 1]


def test_other_protocols_pass_unread():
    for greeting, reason in (
        (b"PRI * HTTP/2.0\r\n\r\nNO\r\n\r\n", "http2"),
        (b"\x16\x03\x01\x00\xff", "not_http1"),
    ):

        def script(connection, greeting=greeting):
            assert read_exactly(connection, len(greeting)) == greeting
            connection.sendall(b"\x00\x00\x00\x04")

        with rig(script) as running:
            with running.connect() as client:
                client.sendall(greeting)
                assert read_to_end(client) == b"\x00\x00\x00\x04"
            assert running.counter("untapped_connections_total", reason=reason) == 1


def test_a_body_that_ends_with_the_connection():
    answered = b'HTTP/1.0 200 OK\r\n\r\n{"predictions":[1]}'

    def script(connection):
        read_request(connection)
        connection.sendall(answered)

    with rig(script) as running:
        with running.connect() as client:
            client.sendall(PREDICT)
            assert read_to_end(client) == answered
        (row,) = running.wait_for(Kind.LATENCY)
        assert len(running.wait_for(Kind.PREDICTION)) == 1
    assert row["error"] is None


def test_a_client_that_ends_its_half_still_gets_its_answer():
    def script(connection):
        assert read_to_end(connection) == PREDICT
        connection.sendall(PREDICTED)

    with rig(script) as running:
        with running.connect() as client:
            client.sendall(PREDICT)
            client.shutdown(socket.SHUT_WR)
            assert read_to_end(client) == PREDICTED
        (row,) = running.wait_for(Kind.LATENCY)
    assert (row["status"], row["error"]) == (200, None)


def test_what_is_no_inference_makes_no_event():
    quiet = [
        b"GET /v2/health/live HTTP/1.1\r\n\r\n",
        b"GET /v2/models/m HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n\r\n",
        post("/v2/repository/index", b"{}"),
        post("/v1/models/m:explain", b'{"instances":[1]}'),
        post("/feedback", b"{}"),
        post("/anything", b"{}"),
    ]
    ok = answer(b"{}")
    with rig(answering(*[ok] * len(quiet), PREDICTED), sidecar={"model": "configured"}) as running:
        with running.connect() as client:
            for request in quiet:
                client.sendall(request)
                assert read_exactly(client, len(ok)) == ok
            client.sendall(PREDICT)
            read_exactly(client, len(PREDICTED))
        rows = running.wait_for(Kind.LATENCY)
    assert [r["model"] for r in rows] == ["m"]


def test_other_protocols_make_latency_events_where_the_model_is_known():
    ok = answer(b"{}")
    asked = [
        post("/invocations", b"{}"),
        post("/predictions/net/2", b"{}"),
        post("/predict", b"{}"),
    ]
    for model, expected in (("named", ["named", "net", "named"]), (None, ["net"])):
        with rig(
            answering(*[ok] * 3), sidecar={"model": model, "routes": [{"path": "/predict"}]}
        ) as running:
            with running.connect() as client:
                for request in asked:
                    client.sendall(request)
                    read_exactly(client, len(ok))
            rows = running.wait_for(Kind.LATENCY, len(expected))
            assert running.broker.rows(Kind.PREDICTION) == []
        assert [r["model"] for r in rows] == expected


def test_a_slow_reader_slows_the_upstream_down():
    body = bytes(48 * 2**20)
    taken = []

    def script(connection):
        read_request(connection)
        connection.settimeout(0.5)
        view = memoryview(answer(body))
        try:
            while view:
                sent = connection.send(view[:65_536])
                view = view[sent:]
        except TimeoutError:
            taken.append(len(view))
            release.set()
            connection.settimeout(10)
            connection.sendall(view)
        read_to_end(connection)

    release = threading.Event()
    with rig(script) as running, running.connect() as client:
        client.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        assert release.wait(10), "the upstream could send without a bound"
        assert read_exactly(client, len(answer(body))) == answer(body)
    assert taken[0] > 16 * 2**20


def test_minted_ids_are_on_answers_whose_request_names_none():
    named = post("/v1/models/m:predict", b'{"instances":[1]}', "X-Request-Id: mine")
    interim = b"HTTP/1.1 102 Processing\r\n\r\n"
    with rig(
        answering(interim + PREDICTED, PREDICTED, answer(b"no"), V2_ANSWER),
        sidecar={"mint_ids": True},
    ) as running:
        with running.connect() as client:
            client.sendall(PREDICT)
            marked = read_exactly(
                client, len(interim + PREDICTED) + len("X-Inference-Id: \r\n") + 32
            )
            client.sendall(named)
            assert read_exactly(client, len(PREDICTED)) == PREDICTED
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert read_exactly(client, len(answer(b"no"))) == answer(b"no")
            client.sendall(V2_WITH_ID)
            assert read_exactly(client, len(V2_ANSWER)) == V2_ANSWER
        latencies = running.wait_for(Kind.LATENCY, 3)
    assert marked.startswith(interim + b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\nX-Inference-Id: ")
    assert marked.endswith(b'\r\n\r\n{"predictions":[1]}')
    minted = marked.partition(b"X-Inference-Id: ")[2][:32].decode()
    assert [r["id"] for r in latencies] == [minted, "mine", "v2"]


def test_without_minting_no_byte_changes_and_no_id_is_made_up():
    with rig(answering(PREDICTED)) as running:
        assert running.exchange(PREDICT, len(PREDICTED)) == PREDICTED
        (row,) = running.wait_for(Kind.PREDICTION)
    assert row["id"] is None
