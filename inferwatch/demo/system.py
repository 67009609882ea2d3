"""The demo's processes: the same commands as a user would start, and where they listen."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from inferwatch.supervisor import Program, Supervisor

START_S = 60.0
_LISTENS = re.compile(r"listening on (127\.0\.0\.1:\d+)")
_ADMIN = re.compile(r"admin\D{1,20}(127\.0\.0\.1:\d+)")


class System:
    """Starts processes under one supervisor; their output goes to `logs/NAME.log`."""

    def __init__(self, supervisor: Supervisor, out: Path) -> None:
        """Logs go under `out`."""
        self._supervisor = supervisor
        self._logs = out / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, *argv: str, restart: bool = False) -> None:
        """Start `python -m ...` under this name; with `restart` again whenever it dies."""
        self._supervisor.start(self._program(name, argv, restart=restart))

    def complete(self, name: str, *argv: str) -> None:
        """Run `python -m ...` to its end."""
        self._supervisor.complete(self._program(name, argv))

    def address_file(self, path: Path) -> str:
        """The address that an embedded part writes once it is ready."""
        self._supervisor.wait_ready(path.exists, START_S, what=path.name)
        return path.read_text()

    def listens(self, name: str) -> str:
        """Where a process says that it listens."""
        return self._said(name, _LISTENS)

    def admin_of(self, name: str) -> str:
        """Where a process says that its admin port is."""
        return self._said(name, _ADMIN)

    def says(self, name: str, word: str) -> None:
        """Wait until a process has said this."""
        self._said(name, re.compile(f"({re.escape(word)})"))

    def _said(self, name: str, pattern: re.Pattern[str]) -> str:
        log = self._logs / f"{name}.log"

        def said() -> re.Match[str] | None:
            return pattern.search(log.read_text(errors="replace")) if log.exists() else None

        self._supervisor.wait_ready(lambda: said() is not None, START_S, what=name)
        match = said()
        assert match is not None
        return match[1]

    def _program(self, name: str, argv: Sequence[str], *, restart: bool = False) -> Program:
        # One thread a process is plenty for a demo, and leaves the machine to its user.
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        log = self._logs / f"{name}.log"
        return Program(name, (sys.executable, "-m", *argv), env=threads, log=log, restart=restart)


@contextmanager
def reserved_port(wanted: int) -> Iterator[int]:
    """`wanted` if nobody has it, else one that the system chooses, reserved for the block.

    The reservation is a locked file: two demos that start together do not choose the same port.
    """
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "inferwatch"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"demo-port-{wanted}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.create_server(("127.0.0.1", wanted)):
                port = wanted
        except OSError:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                port = int(probe.getsockname()[1])
        yield port
