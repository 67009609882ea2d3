"""`inferwatch sidecar` in a process of its own, which a test may kill."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eventually import eventually

_LISTENING = re.compile(r"listening on \S+:(\d+), in front of .*; admin listening on \S+:(\d+)")
_SAMPLE = re.compile(r"^inferwatch_sidecar_(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


class SidecarProcess:
    """A sidecar that runs: `connect`, `metric`, then `kill` or `stop`."""

    def __init__(self, config: dict[str, Any], folder: Path, name: str) -> None:
        """Start it; what it logs goes to a file in the folder."""
        path = folder / f"{name}.yaml"
        path.write_text(json.dumps(config))
        self._log = folder / f"{name}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "inferwatch", "sidecar", "-c", str(path)],
                stderr=log,
                env={k: v for k, v in os.environ.items() if not k.startswith("INFERWATCH_")},
            )
        found = eventually(lambda: _LISTENING.search(self.log()), 20)
        self._port, self._admin = int(found[1]), int(found[2])

    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text()

    def connect(self) -> socket.socket:
        """A client's connection through it."""
        return socket.create_connection(("127.0.0.1", self._port), timeout=10)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over the series that have these labels."""
        admin = http.client.HTTPConnection("127.0.0.1", self._admin, timeout=10)
        with contextlib.closing(admin):
            admin.request("GET", "/metrics")
            text = admin.getresponse().read().decode()
        wanted = {f'{key}="{value}"' for key, value in labels.items()}
        return sum(
            float(value)
            for found, has, value in _SAMPLE.findall(text)
            if found == name and wanted <= set(has.split(","))
        )

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        """SIGTERM; it must end cleanly."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(25) == 0, self.log()


@contextlib.contextmanager
def sidecars(folder: Path) -> Iterator[Any]:
    """`start(config, name)` starts one; none outlives the block."""
    running: list[SidecarProcess] = []

    def start(config: dict[str, Any], name: str) -> SidecarProcess:
        running.append(SidecarProcess(config, folder, name))
        return running[-1]

    try:
        yield start
    finally:
        for one in running:
            if one.process.poll() is None:
                one.kill()
