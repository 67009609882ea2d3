"""The ASGI middleware: messages pass as they are, failures pass on, copies are bounded."""

import asyncio
import json

import pytest
from sdk_rig import play_asgi, told

from producers.sdk.asgi import AsgiMiddleware
from producers.sidecar.protocols.kserve_v1 import KServeV1

PREDICT = ("POST", "/v1/models/m:predict", [("Content-Type", "application/json")])
BODY = b'{"instances": [[1.5, "x"]]}'
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"Content-Type", b"application/json")],
}
END = {"type": "http.response.body", "body": b'{"predictions": ["a"]}'}


async def read_all(receive):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def predicts(_scope, receive, send):
    assert await read_all(receive) == BODY
    await send(START)
    await send(END)


async def test_the_very_messages_pass():
    with told() as subject:
        sent = await play_asgi(AsgiMiddleware(predicts, subject.monitor), *PREDICT, BODY)
        (row,) = subject.predictions
    assert [id(message) for message in sent] == [id(START), id(END)]
    assert (row["prediction"], row["features.f0"], row["features.f1"]) == ("a", 1.5, "x")


async def test_pieces_pass_as_they_come():
    order = []

    async def app(_scope, receive, send):
        await read_all(receive)
        await send(START)
        for piece in (b'{"predic', b'tions": [', b'"a"]}'):
            order.append("made")
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    async def outermost(scope, receive, send):
        async def note(message):
            order.append("passed")
            await send(message)

        await AsgiMiddleware(app, subject.monitor)(scope, receive, note)

    with told() as subject:
        await play_asgi(outermost, *PREDICT, BODY[:5], BODY[5:])
        assert [row["prediction"] for row in subject.predictions] == ["a"]
    assert order == ["passed", *["made", "passed"] * 3, "passed"]


@pytest.mark.parametrize(
    ("begun", "status", "error"), [(False, 500, "upstream_5xx"), (True, 200, "upstream_truncated")]
)
async def test_a_failure_of_the_application_passes_on(begun, status, error):
    async def app(_scope, receive, send):
        await read_all(receive)
        if begun:
            await send(START)
        raise LookupError("its own")

    with told() as subject:
        with pytest.raises(LookupError, match="its own"):
            await play_asgi(AsgiMiddleware(app, subject.monitor), *PREDICT, BODY)
        (latency,) = subject.latencies
        assert subject.predictions == []
    assert (latency["status"], latency["error"]) == (status, error)


async def test_an_application_that_answers_nothing_has_failed():
    async def app(_scope, receive, send):
        await read_all(receive)

    with told() as subject:
        await play_asgi(AsgiMiddleware(app, subject.monitor), *PREDICT, BODY)
        assert [row["status"] for row in subject.latencies] == [500]


async def disconnects(_scope, receive, send):
    await read_all(receive)
    await send(START)
    assert (await receive())["type"] == "http.disconnect"


async def is_cancelled(_scope, receive, send):
    await read_all(receive)
    raise asyncio.CancelledError


async def cannot_send(_scope, receive, send):
    await read_all(receive)
    await send({**START, "closed": True})


@pytest.mark.parametrize("app", [disconnects, is_cancelled, cannot_send])
async def test_a_client_that_goes_away_is_499(app):
    async def server(scope, receive, send):
        async def sending(message):
            if message.get("closed"):
                raise OSError("the client has gone")
            await send(message)

        try:
            await AsgiMiddleware(app, subject.monitor)(scope, receive, sending)
        except (OSError, asyncio.CancelledError):
            assert app is not disconnects

    with told() as subject:
        await play_asgi(server, *PREDICT, BODY)
        (latency,) = subject.latencies
        assert subject.predictions == []
    assert (latency["status"], latency["error"]) == (499, "client_closed")


async def test_a_disconnect_after_the_answer_changes_nothing():
    async def app(scope, receive, send):
        await predicts(scope, receive, send)
        assert (await receive())["type"] == "http.disconnect"

    with told() as subject:
        await play_asgi(AsgiMiddleware(app, subject.monitor), *PREDICT, BODY)
        assert [row["status"] for row in subject.latencies] == [200]
        assert len(subject.predictions) == 1


async def test_a_disconnect_while_the_last_piece_passes_changes_nothing():
    heard = asyncio.Event()

    async def app(_scope, receive, send):
        await read_all(receive)
        await send(START)

        async def listen():
            assert (await receive())["type"] == "http.disconnect"
            heard.set()

        await asyncio.gather(send(END), listen())

    async def server(scope, receive, send):
        async def slowly(message):
            if message is END:
                await heard.wait()
            await send(message)

        await AsgiMiddleware(app, subject.monitor)(scope, receive, slowly)

    with told() as subject:
        await play_asgi(server, *PREDICT, BODY)
        assert [row["status"] for row in subject.latencies] == [200]
        assert len(subject.predictions) == 1


async def test_a_server_that_cannot_pass_the_answer_has_cut_it():
    async def server(scope, receive, send):
        async def failing(message):
            if message is END:
                raise RuntimeError("the server's own")
            await send(message)

        await AsgiMiddleware(predicts, subject.monitor)(scope, receive, failing)

    with told() as subject:
        with pytest.raises(RuntimeError, match="the server's own"):
            await play_asgi(server, *PREDICT, BODY)
        assert [row["error"] for row in subject.latencies] == ["upstream_truncated"]


async def test_work_after_the_answer_is_not_measured():
    async def app(scope, receive, send):
        await predicts(scope, receive, send)
        await asyncio.sleep(0.2)
        raise RuntimeError("a background task")

    with told() as subject:
        with pytest.raises(RuntimeError):
            await play_asgi(AsgiMiddleware(app, subject.monitor), *PREDICT, BODY)
        (latency,) = subject.latencies
    assert latency["status"] == 200
    assert latency["latency_ms"] < 200


async def test_other_paths_and_sockets_are_not_touched():
    seen = []

    async def app(scope, receive, send):
        seen.append((receive, send))

    with told() as subject:
        middleware = AsgiMiddleware(app, subject.monitor)
        for scope in (
            {"type": "websocket", "path": "/v1/models/m:predict"},
            {"type": "http", "method": "GET", "path": "/docs", "headers": []},
        ):
            await middleware(scope, receive=1, send=2)
        assert subject.latencies == []
    assert seen == [(1, 2), (1, 2)]


async def test_a_body_beyond_the_limit_passes_and_costs_its_prediction():
    large = b'{"instances": [[1]], "x": "' + b"x" * 5_000 + b'"}'

    async def app(_scope, receive, send):
        assert await read_all(receive) == large
        await send(START)
        await send(END)

    with told(limits={"event_bytes": 2_000}) as subject:
        await play_asgi(AsgiMiddleware(app, subject.monitor), *PREDICT, large[:99], large[99:])
        assert [row["request_bytes"] for row in subject.latencies] == [len(large)]
        assert subject.predictions == []
        assert subject.dropped("predictions", "oversized") == 1
        assert subject.monitor.outlet().budget.used == 0


@pytest.mark.parametrize("mint", [True, False])
async def test_an_id_is_minted_only_where_asked_for(mint):
    with told(mint_ids=mint) as subject:
        sent = await play_asgi(AsgiMiddleware(predicts, subject.monitor), *PREDICT, BODY)
        ids = [row["id"] for row in subject.predictions]
    assert len(START["headers"]) == 1, "the application's own message is left alone"
    minted = dict(sent[0]["headers"]).get(b"x-inference-id")
    assert ids == [minted.decode() if mint else None]
    assert (minted is not None) == mint


async def test_a_defect_of_ours_is_not_noticed(monkeypatch):
    def breaks(*_args):
        raise RuntimeError("a defect")

    with told() as subject:
        middleware = AsgiMiddleware(predicts, subject.monitor)
        monkeypatch.setattr(KServeV1, "decode", breaks)
        assert len(await play_asgi(middleware, *PREDICT, BODY)) == 2
        assert [row["status"] for row in subject.latencies] == [200]
        for part in ("keep", "end", "recognise"):
            # Frozen rules of this monitor: broken one after the other.
            object.__setattr__(subject.monitor.outlet(), "copies", Broken(subject, part))
            assert len(await play_asgi(middleware, *PREDICT, BODY)) == 2
        assert 'tap_errors_total{where="middleware"} 3' in subject.monitor.metrics()
        assert subject.monitor.outlet().budget.used == 0


class Broken:
    """The copies' rules with one part that raises."""

    def __init__(self, subject, part):
        self._real, self._part = subject.monitor.outlet().copies, part

    def __getattr__(self, name):
        if name == self._part:
            raise RuntimeError("a defect")
        return getattr(self._real, name)


async def test_the_application_may_speak_nonsense():
    async def app(_scope, receive, send):
        await read_all(receive)
        await send({"type": "http.response.start", "status": "OK", "headers": 5})
        await send({"type": "http.response.body", "body": b"x"})

    with told() as subject:
        sent = await play_asgi(AsgiMiddleware(app, subject.monitor), *PREDICT, BODY)
        assert sent[0]["status"] == "OK"


async def test_the_end_of_the_server_sends_what_waits():
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await predicts(scope, receive, send)
            return
        while messages:
            name = (await receive())["type"]
            await send({"type": f"{name}.complete"})

    async def receive():
        return messages.pop(0)

    with told(batch={"every": "1h"}) as subject:
        middleware = AsgiMiddleware(app, subject.monitor)
        await play_asgi(middleware, *PREDICT, BODY)
        rows_at = []

        async def send(message):
            rows_at.append((message["type"], subject.monitor.published))

        await middleware({"type": "lifespan"}, receive, send)
    assert rows_at == [("lifespan.startup.complete", 0), ("lifespan.shutdown.complete", 2)]


async def test_many_requests_at_a_time_do_not_mix():
    async def app(_scope, receive, send):
        value = json.loads(await read_all(receive))["instances"][0]
        await asyncio.sleep(0.001 * (value % 7))
        await send(START)
        body = json.dumps({"predictions": [value]}).encode()
        await send({"type": "http.response.body", "body": body})

    with told() as subject:
        middleware = AsgiMiddleware(app, subject.monitor)
        bodies = [json.dumps({"instances": [n]}).encode() for n in range(500)]
        await asyncio.gather(*(play_asgi(middleware, *PREDICT, body) for body in bodies))
        rows = subject.predictions
        assert subject.monitor.dropped == 0
    assert sorted(row["prediction"] for row in rows) == list(range(500))
    assert all(row["prediction"] == row["features.f0"] for row in rows)
