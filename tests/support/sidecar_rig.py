"""A whole sidecar between a raw client and a scripted model server, all on real sockets.

The model server is a function that gets each accepted socket in a thread of its own; the broker is
a small real one that keeps what it is given. The sidecar runs on its own loop in its own thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import uvloop
from eventually import eventually

from inferwatch.events.kinds import Kind
from inferwatch.settings import load
from inferwatch.settings.sidecar import SidecarSettings
from producers import publisher
from producers.batching import Batch
from producers.sidecar import proxy, reader
from producers.sidecar.app import Sidecar

Script = Callable[[socket.socket], None]
TIMEOUT_S = 10.0


class KeepingBroker:
    """A broker that takes every batch and keeps it; `is_down` refuses, `is_lost` never connects."""

    def __init__(self, partitions: int = 4) -> None:
        self.count = partitions
        self.batches: list[Batch] = []
        self.is_down = False
        self.is_lost = False

    def connect(self, _origin: str) -> KeepingBroker:
        if self.is_lost:
            raise ConnectionError("nobody is there")
        return self

    def partitions(self, kind: Kind) -> int:
        return self.count

    def send(self, batch: Batch, done: Callable[[Batch, BaseException | None], None]) -> None:
        if self.is_down:
            done(batch, ConnectionError("it is down"))
        else:
            self.batches.append(batch)
            done(batch, None)

    def close(self, timeout_s: float) -> None:
        pass

    def abandon(self) -> None:
        pass

    def rows(self, kind: Kind) -> list[dict[str, Any]]:
        """All rows of a kind, with the columns' names, and `seq` and `partition` beside them."""
        found = []
        for batch in sorted(self.batches, key=lambda b: b.serial):
            if batch.kind is kind:
                found += read_rows(batch.payload, batch.seq, batch.partition)
        return found


def read_rows(payload: bytes, seq: int = 0, partition: int = 0) -> list[dict[str, Any]]:
    """The rows of one columnar batch; what its schema's metadata says holds for each."""
    with pa.ipc.open_stream(payload) as stream:
        table = stream.read_all()
    constant = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    return [
        {**constant, **row, "seq": seq + place, "partition": partition}
        for place, row in enumerate(table.to_pylist())
    ]


class ScriptedServer:
    """Accepts on a free port (or refuses), runs `script` for each connection; by TLS with `tls`."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.failures: list[BaseException] = []
        self.connections = 0
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.settimeout(TIMEOUT_S)
            self._sockets.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                    self._sockets.append(connection)
                with connection:
                    self._script(connection)
        except OSError:
            pass  # the peer went away, as tests make it
        except BaseException as error:  # told to the test at the end
            self.failures.append(error)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._sockets:
            connection.close()
        for thread in [self._accepting, *self._threads]:
            thread.join(TIMEOUT_S)
        assert not self.failures, self.failures


@dataclass
class Rig:
    """What a test talks to."""

    sidecar: Sidecar
    broker: KeepingBroker
    upstream: ScriptedServer | None
    loop: asyncio.AbstractEventLoop
    _done: list[int] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.sidecar.listening.split(":")
        return host, int(port)

    @property
    def admin(self) -> tuple[str, int]:
        host, port = self.sidecar.admin_listening.split(":")
        return host, int(port)

    def connect(self) -> socket.socket:
        client = socket.create_connection(self.address, timeout=TIMEOUT_S)
        client.settimeout(TIMEOUT_S)
        return client

    def exchange(self, request: bytes, expected: int) -> bytes:
        """Send, and read that many bytes of the answer."""
        with self.connect() as client:
            client.sendall(request)
            return read_exactly(client, expected)

    def wait_for(self, kind: Kind, count: int = 1) -> list[dict[str, Any]]:
        """The rows of a kind, once there are at least that many."""
        eventually(lambda: len(self.broker.rows(kind)) >= count, TIMEOUT_S, every_s=0.005)
        return self.broker.rows(kind)

    def counter(self, name: str, **labels: str) -> int:
        return self.sidecar.counters.get(name, **labels)


@contextlib.contextmanager
def rig(
    script: Script | None,
    *,
    sidecar: dict[str, Any] | None = None,
    text: str = "",
    broker: KeepingBroker | None = None,
    is_real: bool = False,
    is_collector: bool = False,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
    traffic_s: float = 0.5,
) -> Iterator[Rig]:
    """A running sidecar; `script` None: nobody listens upstream; `is_real`: `text`'s Kafka.

    `is_collector`: one without an upstream.
    """
    upstream = ScriptedServer(script) if script is not None else None
    port = upstream.port if upstream else free_port()
    tapped = {"upstream": f"http://127.0.0.1:{port}", "listen": "127.0.0.1:0"}
    own = SidecarSettings.model_validate(
        {
            **({} if is_collector else tapped),
            "admin": "127.0.0.1:0",
            "batch": {"every": "10ms"},
            **(sidecar or {}),
        }
    )
    settings = load(None, text=text or "{}").model_copy(update={"sidecar": own})
    # Tests wait for what the reader gathers, so it gathers for a moment only.
    reader.GATHER_S, publisher._CLOSING_TICK_S, proxy._POLL_S = 0.001, 0.001, 0.001
    broker = broker or KeepingBroker()
    subject = Sidecar(settings, connect=None if is_real else broker.connect)
    loop = loop_factory()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(subject.start(), loop).result(TIMEOUT_S)
        yield Rig(subject, broker, upstream, loop)
    finally:
        closing = subject.close(traffic_s=traffic_s, events_s=2.0)
        asyncio.run_coroutine_threadsafe(closing, loop).result(TIMEOUT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(TIMEOUT_S)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        if upstream is not None:
            upstream.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def read_exactly(connection: socket.socket, size: int) -> bytes:
    """That many bytes; fewer only where the peer ended."""
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(min(65_536, size - len(data)))
        if not piece:
            break
        data += piece
    return bytes(data)


def read_to_end(connection: socket.socket) -> bytes:
    data = bytearray()
    while piece := connection.recv(65_536):
        data += piece
    return bytes(data)


def read_request(connection: socket.socket, held: bytearray | None = None) -> bytes:
    """One request with a Content-Length (or without a body); what follows it stays in `held`."""
    held = bytearray() if held is None else held
    while b"\r\n\r\n" not in held:
        piece = connection.recv(65_536)
        if not piece:
            return bytes(held)
        held += piece
    head = bytes(held).partition(b"\r\n\r\n")[0]
    size = len(head) + 4
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            size += int(value)
    held += read_exactly(connection, size - len(held))
    request = bytes(held[:size])
    del held[:size]
    return request


def answering(*answers: bytes) -> Script:
    """A server that answers each request of a connection with the next of these."""

    def script(connection: socket.socket) -> None:
        held = bytearray()
        for answer in answers:
            if not read_request(connection, held):
                return
            connection.sendall(answer)
        read_to_end(connection)

    return script


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: m", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
