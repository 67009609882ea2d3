"""A monitor before a broker that keeps what it is given, and servers played without sockets."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from typing import Any

from sidecar_rig import KeepingBroker

from inferwatch.events.kinds import Kind
from producers import publisher
from producers.sdk.monitor import Monitor
from producers.sidecar import reader

# What differs from process to process and from moment to moment.
CHANCE = ("origin", "seq", "partition", "ts", "latency_ms", "ttft_ms")


class Told:
    """A monitor and its broker."""

    def __init__(self, broker: KeepingBroker, options: dict[str, Any]) -> None:
        self.broker = broker
        self.monitor = Monitor(connect=broker.connect, **{"model": "m", **options})

    def rows(self, kind: Kind) -> list[dict[str, Any]]:
        """All rows of a kind that were told so far."""
        assert self.monitor.flush(10)
        return self.broker.rows(kind)

    @property
    def predictions(self) -> list[dict[str, Any]]:
        return self.rows(Kind.PREDICTION)

    @property
    def latencies(self) -> list[dict[str, Any]]:
        return self.rows(Kind.LATENCY)

    @property
    def labels(self) -> list[dict[str, Any]]:
        return self.rows(Kind.LABEL)

    def dropped(self, topic: str, reason: str) -> int:
        name = f'rows_dropped_total{{reason="{reason}",topic="inference.{topic}"}}'
        for line in self.monitor.metrics().splitlines():
            if line.startswith(f"inferwatch_sdk_{name} "):
                return int(line.rpartition(" ")[2])
        return 0


@contextlib.contextmanager
def told(broker: KeepingBroker | None = None, **options: Any) -> Iterator[Told]:
    """A monitor of the model `m` that sends at once."""
    reader.GATHER_S, publisher._CLOSING_TICK_S = 0.001, 0.001
    subject = Told(broker or KeepingBroker(), {"batch": {"every": "5ms"}, **options})
    try:
        yield subject
    finally:
        subject.monitor.close(1.0)


def without_chance(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows without what differs each time; a NaN becomes equal to itself."""
    return [
        {
            **{k: "NaN" if v != v else v for k, v in row.items() if k not in CHANCE},
            **({"streams": row["ttft_ms"] is not None} if "ttft_ms" in row else {}),
        }
        for row in rows
    ]


async def play_asgi(
    app: Any, method: str, target: str, headers: Any, *pieces: bytes, gone_after: int | None = None
) -> list[dict[str, Any]]:
    """Play a server to an ASGI application; what it sent.

    `gone_after`: the client goes away after so many pieces.
    """
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers],
    }
    sent: list[dict[str, Any]] = []
    incoming = [
        {"type": "http.request", "body": piece, "more_body": place < len(pieces)}
        for place, piece in enumerate(pieces or (b"",), 1)
    ]
    if gone_after is not None:
        incoming = incoming[:gone_after]

    async def receive() -> dict[str, Any]:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


async def end_asgi(app: Any) -> None:
    """Play the beginning and the end of a server to an ASGI application."""
    incoming = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> dict[str, Any]:
        return incoming.pop(0)

    async def send(_message: dict[str, Any]) -> None:
        pass

    await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)


def play_wsgi(
    app: Any, method: str, target: str, headers: Any, body: bytes = b"", *, stop_after: int = 10**9
) -> tuple[str, list[tuple[str, str]], list[bytes]]:
    """Play a server to a WSGI application: status, headers, pieces (at most `stop_after`)."""
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
    }
    for name, value in headers:
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_LENGTH", "TRANSFER_ENCODING"):
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    begun: list[Any] = []

    def start_response(status: str, names: list[tuple[str, str]], *_error: Any) -> Any:
        begun[:] = [status, names]
        return pieces.append

    pieces: list[bytes] = []
    answer = app(environ, start_response)
    try:
        for place, piece in enumerate(answer, 1):
            pieces.append(piece)
            if place == stop_after:
                break
    finally:
        if hasattr(answer, "close"):
            answer.close()
    return begun[0], begun[1], pieces
