"""The events of the middleware are those that the sidecar makes of the same exchange."""

import json

import pytest
from exchanges import CAPTURES, SIDECAR, body_of
from sdk_rig import play_asgi, play_wsgi, told, without_chance
from sidecar_rig import KeepingBroker

from inferwatch.events.kinds import Kind
from producers.sdk.asgi import AsgiMiddleware
from producers.sdk.wsgi import WsgiMiddleware
from producers.sidecar.tap import Tap, TapRules

KINDS = (Kind.LATENCY, Kind.PREDICTION, Kind.LABEL)


def read(path):
    return json.loads(path.read_text())


PATHS = sorted(CAPTURES.glob("*/*.json"))
# What a server without HTTP/2 can hear.
CASES = [(path, read(path)) for path in PATHS if read(path)["request"]["http_version"] != "2"]


def pieces_of(half):
    body, sizes = body_of(half), half.get("chunks") or []
    pieces, at = [], 0
    for size in sizes:
        pieces.append(body[at : at + size])
        at += size
    return [*pieces, body[at:]] if body[at:] or not pieces else pieces


def head(first_line, half, body):
    lines = [f"{k}: {v}" for k, v in half["headers"] if k.lower() not in FRAMING]
    length = f"content-length: {len(body)}"
    return "\r\n".join([first_line, *lines, length]).encode("latin-1") + b"\r\n\r\n"


FRAMING = ("content-length", "transfer-encoding")


class BySidecar:
    """The tap, fed with the bytes of the wire."""

    def __init__(self, monitor):
        self.tap = Tap(TapRules(monitor.outlet().copies))

    async def run(self, capture):
        request, response = capture["request"], capture["response"]
        asked, answered = body_of(request), body_of(response)
        line = f"{request['method']} {request['path']} HTTP/1.1"
        self.tap.request(head(line, request, asked) + asked, 1.0)
        self.tap.response(head(f"HTTP/1.1 {response['status']} OK", response, answered), 1.1)
        self.tap.response(answered, 1.2)


class ByAsgi:
    def __init__(self, monitor):
        self.app = AsgiMiddleware(self.answer, monitor)

    async def run(self, capture):
        self.response = capture["response"]
        request = capture["request"]
        sent = await play_asgi(
            self.app, request["method"], request["path"], request["headers"], *pieces_of(request)
        )
        assert b"".join(m.get("body", b"") for m in sent[1:]) == body_of(self.response)
        assert sent[0] == self.start

    async def answer(self, _scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in self.response["headers"]]
        status = self.response["status"]
        self.start = {"type": "http.response.start", "status": status, "headers": headers}
        await send(dict(self.start))
        pieces = pieces_of(self.response)
        for place, piece in enumerate(pieces, 1):
            more = place < len(pieces)
            await send({"type": "http.response.body", "body": piece, "more_body": more})


class ByWsgi:
    def __init__(self, monitor):
        self.app = WsgiMiddleware(self.answer, monitor)

    async def run(self, capture):
        self.response = capture["response"]
        request = capture["request"]
        status, headers, pieces = play_wsgi(
            self.app, request["method"], request["path"], request["headers"], body_of(request)
        )
        assert (status, headers) == self.start
        assert b"".join(pieces) == body_of(self.response)

    def answer(self, environ, start_response):
        environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        self.start = (f"{self.response['status']} OK", [tuple(h) for h in self.response["headers"]])
        start_response(*self.start)
        pieces = pieces_of(self.response)
        return iter(pieces) if len(pieces) > 1 else pieces


async def events(way):
    """What each capture makes, in their order: some teach the names of columns to later ones."""
    found = []
    with told(KeepingBroker(partitions=1), **SIDECAR) as subject:
        player = way(subject.monitor)
        seen = dict.fromkeys(KINDS, 0)
        for _, capture in CASES:
            await player.run(capture)
            made = {}
            for kind in KINDS:
                rows = subject.rows(kind)
                made[kind] = without_chance(rows[seen[kind] :])
                seen[kind] = len(rows)
            found.append(made)
        assert "tap_errors_total" not in subject.monitor.metrics()
    return found


@pytest.mark.parametrize("way", [ByAsgi, ByWsgi])
async def test_every_recorded_exchange_makes_the_same_events(way):
    expected = await events(BySidecar)
    assert sum(len(made[Kind.PREDICTION]) for made in expected) > 50
    for (path, _), made, wanted in zip(CASES, await events(way), expected, strict=True):
        assert made == wanted, f"{path.parent.name}/{path.name}"
