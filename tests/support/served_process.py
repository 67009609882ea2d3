"""A real ASGI or WSGI server in a process of its own, with a model of `served_models`."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eventually import eventually
from sidecar_rig import free_port

SUPPORT = Path(__file__).parent
PREDICT = "/v1/models/m:predict"

COMMANDS = {
    "uvicorn": ("uvicorn", "served_models:asgi", "--port", "{port}", "--log-level", "error"),
    # Loads the application, and so makes the monitor, before it forks its workers.
    "gunicorn": (
        *("gunicorn", "served_models:wsgi", "--bind", "127.0.0.1:{port}"),
        *("--preload", "--workers", "2", "--log-level", "error"),
    ),
    "waitress": (
        "waitress",
        "--listen",
        "127.0.0.1:{port}",
        "--threads",
        "8",
        "served_models:wsgi",
    ),
}
# Waitress knows no SIGTERM: the process would end on the spot, as without any monitor.
SIGNALS = {"waitress": signal.SIGINT}


@dataclass
class Served:
    """A running server."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path
    times: list[float] = field(default_factory=list)

    def post(self, path: str, body: Any, connection: Any = None) -> tuple[int, bytes]:
        """Status and body of an answer; how long it took goes to `times`."""
        client = connection or self.connect()
        started = time.perf_counter()
        client.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = client.getresponse()
        found = answer.status, answer.read()
        self.times.append(time.perf_counter() - started)
        if connection is None:
            client.close()
        return found

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def post_at_a_time(self, threads: int, each: int) -> list[tuple[int, bytes]]:
        """Answers to `threads` x `each` requests of two rows, from so many clients at a time."""
        found: list[tuple[int, bytes]] = []

        def ask(who: int) -> None:
            client = self.connect()
            for n in range(each):
                found.append(self.post(PREDICT, {"instances": [[who, n], [n]]}, client))
            client.close()

        clients = [threading.Thread(target=ask, args=(who,)) for who in range(threads)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        return found

    def abort_a_stream(self) -> None:
        """Read the beginning of a long answer, and go away."""
        body = b'{"model":"llm","stream":true,"messages":[]}'
        head = (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: m\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as client:
            client.sendall(head + body)
            received = b""
            while b"word 1" not in received:
                received += client.recv(65_536)

    def metrics(self) -> str:
        """The counters of one of its processes."""
        client = self.connect()
        client.request("GET", "/metrics")
        found = client.getresponse().read().decode()
        client.close()
        return found

    def stop(self) -> float:
        """End it as its operator does; seconds until it had ended."""
        started = time.monotonic()
        self.process.send_signal(SIGNALS.get(self.name, signal.SIGTERM))
        self.process.wait(30)
        return time.monotonic() - started


@contextlib.contextmanager
def served(name: str, folder: Path, options: dict[str, Any] | None) -> Iterator[Served]:
    """A server that answers; without options nobody watches it."""
    port = free_port()
    command = [part.format(port=port) for part in COMMANDS[name]]
    environ = {**os.environ, "PYTHONPATH": str(SUPPORT)}
    environ.pop("MONITOR_OPTIONS", None)
    if options is not None:
        environ["MONITOR_OPTIONS"] = json.dumps(options)
    log = folder / f"{name}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], stderr=file, stdout=file, env=environ
        )
    running = Served(name, port, process, log)
    try:
        eventually(lambda: answers(running), 60)
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)


def answers(running: Served) -> bool:
    assert running.process.poll() is None, running.log.read_text()
    with contextlib.suppress(ConnectionError):
        client = running.connect()
        client.request("GET", "/nowhere")
        status = client.getresponse().status
        client.close()
        return status == 404
    return False
