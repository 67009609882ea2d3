"""OpenAI-compatible servers: what is counted, what is timed, and that no word is told."""

import gzip
import json
import time

import pytest
from decoding_rig import decode
from eventually import eventually
from sidecar_rig import post, read_exactly, read_request, rig

from inferwatch.events.kinds import Kind

CHAT = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "my secret words"}]}
SSE = "Content-Type: text/event-stream"


def chunk(**delta):
    return {"id": "c-1", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def sse(*pieces):
    data = [p if isinstance(p, str) else json.dumps(p) for p in pieces]
    return "".join(f"data: {d}\n\n" for d in data).encode()


END = {"id": "c-1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def read(path, asked, body, *headers, status=200):
    return decode("POST", path, json.dumps(asked).encode(), body, *headers, status=status)


def test_the_first_token_is_the_first_content_and_chunks_pass_as_they_come():
    deltas = [chunk(role="assistant", content=""), chunk(content="Hi"), chunk(content=" you")]
    pieces = [*map(sse, deltas), sse(END, "[DONE]")]
    came = []

    def script(connection):
        read_request(connection)
        head = f"HTTP/1.1 200 OK\r\n{SSE}\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        for piece in pieces:
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            # The next piece is sent only after the client has this one.
            while len(came) <= pieces.index(piece):
                time.sleep(0.002)
            time.sleep(0.03)
        connection.sendall(b"0\r\n\r\n")

    with rig(script) as running:
        with running.connect() as client:
            client.sendall(post("/v1/chat/completions", json.dumps(CHAT).encode()))
            read_until(client, b"\r\n\r\n")
            for piece in pieces:
                read_until(client, piece + b"\r\n")
                came.append(piece)
            read_exactly(client, 5)
        (row,) = running.wait_for(Kind.LATENCY)
        (prediction,) = running.wait_for(Kind.PREDICTION)
        payload = b"".join(batch.payload for batch in running.broker.batches)
    assert 30 <= row["ttft_ms"] <= row["latency_ms"] - 85
    assert (prediction["prediction"], prediction["id"]) == ("stop", "c-1")
    assert prediction["features.characters"] == len("my secret words")
    assert b"secret" not in payload
    assert b"Hi" not in payload


def read_until(client, end):
    data = b""
    while not data.endswith(end):
        piece = client.recv(1)
        assert piece
        data += piece
    return data


def test_an_error_in_the_middle_of_a_stream():
    body = sse(chunk(content="Hi"), {"error": {"message": "out of memory", "type": "server"}})
    decoded = read("/v1/chat/completions", CHAT, body, SSE)
    assert (decoded.failure, decoded.error) == ("stream_error", "out of memory")


def test_a_named_error_event_of_a_stream():
    body = b'event: error\ndata: {"type": "error", "code": "x", "message": "overloaded"}\n\n'
    decoded = read("/v1/responses", {"model": "m", "input": "hi"}, body, SSE)
    assert (decoded.failure, decoded.error) == ("stream_error", "overloaded")


@pytest.mark.parametrize(
    ("last", "failure"),
    [(sse("[DONE]"), None), (sse(END), None), (b'data: {"id":"c-1","cho', "upstream_truncated")],
)
def test_a_stream_is_whole_when_it_says_why_it_ends(last, failure):
    body = sse(chunk(content="Hi")) + last
    assert read("/v1/chat/completions", CHAT, body, SSE).failure == failure


def test_the_last_count_that_is_told_holds():
    counts = [{"prompt_tokens": 5, "completion_tokens": n} for n in (1, 2)]
    body = sse(*[{**chunk(content="x"), "usage": usage} for usage in counts], END, "[DONE]")
    decoded = read("/v1/chat/completions", CHAT, body, SSE)
    assert (decoded.tokens_in, decoded.tokens_out) == (5, 2)


def test_a_count_that_is_no_count_is_none():
    body = json.dumps({"choices": [], "usage": {"prompt_tokens": "5", "completion_tokens": -1}})
    decoded = read("/v1/chat/completions", CHAT, body.encode())
    assert (decoded.tokens_in, decoded.tokens_out) == (None, None)


def test_pieces_with_different_ids_name_no_answer():
    body = sse({**chunk(content="a"), "id": "x"}, {**END, "id": "y"}, "[DONE]")
    assert read("/v1/chat/completions", CHAT, body, SSE).id is None


def test_a_streamed_response_of_the_responses_api():
    state = {"id": "resp-1", "object": "response", "model": "m", "output": []}
    events = [
        {"type": "response.created", "response": {**state, "status": "in_progress"}},
        {"type": "response.output_text.delta", "delta": "Hi"},
        {
            "type": "response.completed",
            "response": {
                **state,
                "status": "completed",
                "usage": {"input_tokens": 4, "output_tokens": 1},
            },
        },
    ]
    body = b"".join(b"event: %s\n%s" % (e["type"].encode(), sse(e)) for e in events)
    decoded = read("/v1/responses", {"model": "m", "input": "words", "stream": True}, body, SSE)
    assert (decoded.id, decoded.failure) == ("resp-1", None)
    assert (decoded.tokens_in, decoded.tokens_out) == (4, 1)
    assert decoded.outputs == {"": ["completed"]}
    assert decoded.first_token is not None


@pytest.mark.parametrize(
    ("asked", "rows"),
    [
        ({"prompt": "a"}, 1),
        ({"prompt": ["a", "b"]}, 2),
        ({"prompt": [1, 2, 3]}, 1),
        ({"prompt": [[1, 2], [3]]}, 2),
        ({}, None),
    ],
)
def test_rows_of_completions(asked, rows):
    choices = [{"index": n, "text": "x", "finish_reason": "length"} for n in range(rows or 0)]
    body = json.dumps({"id": "c", "choices": choices}).encode()
    decoded = read("/v1/completions", {"model": "m", **asked}, body)
    assert decoded.rows == rows
    assert decoded.outputs == ({"": ["length"] * rows} if rows else {})


def test_embeddings_are_told_by_their_size():
    data = [{"index": 1, "embedding": [1, 2, 3]}, {"index": 0, "embedding": "AACAPwAAAEA="}]
    body = json.dumps({"object": "list", "data": data, "usage": {"prompt_tokens": 2}}).encode()
    decoded = read("/v1/embeddings", {"model": "m", "input": ["a", "b"]}, body)
    assert decoded.outputs == {"": [2, 3]}
    assert (decoded.tokens_in, decoded.tokens_out) == (2, None)


def test_the_words_of_an_error_do_not_quote_what_was_asked():
    failed = b'{"error":{"message":"cannot answer my secret words"}}'
    answered = b"HTTP/1.1 500 Oops\r\nContent-Length: %d\r\n\r\n%s" % (len(failed), failed)

    def script(connection):
        read_request(connection)
        connection.sendall(answered)

    with rig(script, sidecar={"errors": {"text": True}}) as running:
        running.exchange(post("/v1/chat/completions", json.dumps(CHAT).encode()), len(answered))
        (row,) = running.wait_for(Kind.LATENCY)
    assert row["error"] == "upstream_5xx: cannot answer [redacted]"


def stream_through(body, *headers, **sidecar):
    head = f"HTTP/1.1 200 OK\r\n{SSE}\r\n" + "".join(f"{h}\r\n" for h in headers)
    answered = head.encode() + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)

    def script(connection):
        read_request(connection)
        connection.sendall(answered)

    with rig(script, **sidecar) as running:
        asked = post("/v1/chat/completions", json.dumps(CHAT).encode())
        assert running.exchange(asked, len(answered)) == answered
        (row,) = running.wait_for(Kind.LATENCY)
        predictions = running.broker.rows(Kind.PREDICTION)
        # Nothing waits any more: what was kept has been given back.
        eventually(lambda: running.sidecar.publisher.pending_rows == 0)
        eventually(lambda: "queue_bytes 0" in running.sidecar.counters.prometheus())
        dropped = running.sidecar.counters.total("payloads_dropped_total")
    return row, predictions, dropped


def test_of_a_stream_that_is_too_long_the_two_ends_are_read():
    many = [chunk(content="word " * 50)] * 9000
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 9000}}
    row, _, _ = stream_through(sse(*many, END, usage, "[DONE]"))
    assert row["response_bytes"] > 2**20
    assert (row["error"], row["tokens_out"], row["id"]) == (None, 9000, "c-1")
    assert row["ttft_ms"] is not None


def test_a_packed_stream_is_counted_too():
    body = gzip.compress(sse(chunk(content="Hi"), END, "[DONE]"))
    row, _, _ = stream_through(body, "Content-Encoding: gzip")
    assert (row["error"], row["id"]) == (None, "c-1")


def test_a_stream_in_an_unknown_packing_keeps_its_latency_event():
    row, predictions, dropped = stream_through(b"??", "Content-Encoding: snappy")
    assert (row["model"], row["error"], predictions, dropped) == ("m", None, [], 1)


def test_words_are_told_only_where_a_route_asks_for_them():
    body = sse(chunk(role="assistant"), chunk(content="Hi"), chunk(content=" you"), END, "[DONE]")
    route = {
        "path": "/v1/chat/completions",
        "inputs": "$.messages[-1].content",
        "outputs": "$.choices[0].delta.content",
    }
    asked = json.dumps(CHAT).encode()
    decoded = decode("POST", route["path"], asked, body, SSE, routes=[route])
    assert (decoded.names, decoded.inputs) == (["content"], [["my secret words"]])
    assert decoded.outputs == {"prediction": ["Hi you"]}
    assert (decoded.model, decoded.id, decoded.failure) == ("m", "c-1", None)
    assert decoded.first_token is not None
