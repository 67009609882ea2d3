"""What the admin port answers.

| path                   | what                                                              |
|------------------------|-------------------------------------------------------------------|
| `GET /healthz`         | 200 while the process lives                                       |
| `GET /readyz`          | 200 while it takes traffic; a dead Kafka does not change that     |
| `GET /metrics`         | its counters, as Prometheus text                                  |
| `POST /v1/labels`      | label events                                                      |
| `POST /v1/predictions` | prediction events                                                 |
| `POST`, any other      | CloudEvents of KServe's agent and of Seldon's request logger      |

With a token, all but the first two want `Authorization: Bearer TOKEN`; or Basic with the token as
password, because a logger can be told no header, but `http://x:TOKEN@HOST:PORT`.
"""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from inferwatch.events.kinds import Kind
from producers.counters import Counters
from producers.sidecar.admin.intake import IntakeError, read_labels, read_predictions
from producers.sidecar.admin.server import Handler, Request, Response
from producers.sidecar.collector.cloud_event import is_cloud_event
from producers.sink import Event

_OPEN = ("/healthz", "/readyz")
_JSON = ("application/json", "application/x-ndjson", "application/jsonl")
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class Intake(Protocol):
    """Takes posted events, or refuses them while there is no room."""

    def offer(self, kind: Kind, rows: Sequence[Event]) -> bool:
        """Take all rows, or none."""


class Routes:
    """The handler of all requests."""

    def __init__(
        self,
        counters: Counters,
        intake: Intake,
        events: Handler,
        *,
        token: str | None,
        is_ready: Callable[[], bool],
    ) -> None:
        """`events` takes CloudEvents; `token` is None where none is asked for."""
        self._counters = counters
        self._intake = intake
        self._events = events
        self._token = None if token is None else token.encode()
        self._is_ready = is_ready
        self._table: dict[str, tuple[str, Callable[[Request], Response]]] = {
            "/healthz": ("GET", lambda _: Response.json(200, {"status": "ok"})),
            "/readyz": ("GET", self._ready),
            "/metrics": ("GET", self._metrics),
            "/v1/labels": ("POST", self._labels),
            "/v1/predictions": ("POST", self._predictions),
        }

    def __call__(self, request: Request) -> Response:
        """Answer one request."""
        method, handler = self._table.get(request.path, ("", None))
        if not self._may(request):
            return Response.json(
                401, {"error": "a token is wanted"}, ("WWW-Authenticate", "Bearer")
            )
        if handler is None and request.method == "POST" and is_cloud_event(request.headers):
            return self._events(request)
        if handler is None:
            return Response.json(404, {"error": f"there is {', '.join(self._table)}"})
        asked = "GET" if request.method == "HEAD" else request.method
        if asked != method:
            return Response.json(405, {"error": f"{method} is wanted"}, ("Allow", method))
        return handler(request)

    def _may(self, request: Request) -> bool:
        if self._token is None or request.path in _OPEN:
            return True
        given = _token(request.header(b"authorization") or "")
        return given is not None and hmac.compare_digest(given, self._token)

    def _ready(self, _request: Request) -> Response:
        ready = self._is_ready()
        return Response.json(200 if ready else 503, {"status": "ready" if ready else "closing"})

    def _metrics(self, _request: Request) -> Response:
        return Response(200, self._counters.prometheus().encode(), _PROMETHEUS)

    def _labels(self, request: Request) -> Response:
        now = int(time.time() * 1000)
        return self._take(request, Kind.LABEL, lambda body: read_labels(body, now))

    def _predictions(self, request: Request) -> Response:
        return self._take(request, Kind.PREDICTION, read_predictions)

    def _take(
        self, request: Request, kind: Kind, read: Callable[[bytes], Sequence[Event]]
    ) -> Response:
        media = (request.header(b"content-type") or "").partition(";")[0].strip().lower()
        if media not in _JSON:
            # It also keeps other sites' forms away from a browser on this machine.
            return Response.json(415, {"error": f"content-type {' or '.join(_JSON)} is wanted"})
        try:
            events = read(request.body)
        except IntakeError as error:
            return Response.json(400, {"error": "nothing was taken", "mistakes": error.mistakes})
        if not self._intake.offer(kind, events):
            return Response.json(
                503, {"error": "the queue is full; nothing was taken"}, ("Retry-After", "5")
            )
        return Response.json(202, {"accepted": len(events)})


def _token(authorization: str) -> bytes | None:
    """The token of a header; None where it holds none.

    >>> _token("Bearer s3cret"), _token("Basic eDpzM2NyZXQ="), _token("Basic x")
    (b's3cret', b's3cret', None)
    """
    scheme, _, given = authorization.partition(" ")
    text = given.strip().encode("latin-1", "replace")
    if scheme.lower() == "bearer":
        return text
    try:
        _, colon, password = base64.b64decode(text, validate=True).partition(b":")
    except ValueError:
        return None
    return password if colon and scheme.lower() == "basic" else None
