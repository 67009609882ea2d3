"""One child process: started with a tether, its output taken line by line, ended with its group."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TextIO

from inferwatch import tether
from inferwatch.errors import InferwatchError

_LAST_LINES = 20
_DRAIN_S = 0.5  # how long the rest of an ended child's output is waited for


@dataclass(frozen=True, slots=True)
class Program:
    """What a child runs.

    Attributes:
        name: who it is in messages.
        argv: the program and its arguments.
        env: what its environment has beside, or instead of, ours.
        log: the file that its output is appended to; None: our standard error.
        restart: start it again when it ends by itself.
        named: its name stands before each of its lines on our standard error.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None
    restart: bool = False
    named: bool = True


@dataclass(frozen=True, slots=True)
class Death:
    """A child that ended by itself.

    Attributes:
        code: its exit code; minus the signal when one killed it.
        lines: the last of its output.
        again_in_s: seconds until it is started again; None: it is not.

    >>> str(Death("worker", 1)), str(Death("worker", -9, again_in_s=2.0))
    ('worker ended with exit code 1', 'worker was killed by SIGKILL; started again in 2 s')
    """

    name: str
    code: int
    lines: tuple[str, ...] = ()
    again_in_s: float | None = None

    def __str__(self) -> str:
        """What happened, for a person."""
        if self.code < 0:
            how = f"was killed by {signal.Signals(-self.code).name}"
        else:
            how = f"ended with exit code {self.code}"
        again = "" if self.again_in_s is None else f"; started again in {self.again_in_s:g} s"
        return f"{self.name} {how}{again}"


class ChildDiedError(InferwatchError):
    """A child ended while something was waited for; holds the end of its output."""

    def __init__(self, death: Death) -> None:
        """Take over the exit code: what ended the child ends us, in the same way."""
        said = "".join(f"\n  {line}" for line in death.lines)
        super().__init__(f"{death}{':' if said else ''}{said}")
        self.death = death
        self.exit_code = death.code if death.code > 0 else 1


class Child:
    """A running program; made and restarted by the thread that outlives it (see `tether`)."""

    def __init__(self, program: Program) -> None:
        """Start it."""
        self.program = program
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        env = {**os.environ, "PYTHONUNBUFFERED": "1", **program.env}
        self._process = tether.start(program.argv, env=env, output=subprocess.PIPE)
        self._pump = threading.Thread(target=self._take_output, name=program.name, daemon=True)
        self._pump.start()

    @property
    def pid(self) -> int:
        """The process id; of its process group as well."""
        return self._process.pid

    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def terminate(self) -> None:
        """SIGTERM to it alone: it ends what it has started itself."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; False when the time was not enough."""
        try:
            self._process.wait(max(timeout_s, 0.0))
        except subprocess.TimeoutExpired:
            return False
        return True

    def bury(self) -> int:
        """SIGKILL to whatever is left of its group; the exit code. Safe to call again."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self._process.wait()
        self._pump.join(_DRAIN_S)
        return code

    def death(self, again_in_s: float | None = None) -> Death:
        """Bury it and tell how it ended."""
        return Death(self.program.name, self.bury(), tuple(self._lines), again_in_s)

    def _take_output(self) -> None:
        assert self._process.stdout is not None
        log = self.program.log
        with self._process.stdout as output:
            if log is None:
                name = self.program.name
                self._copy(output, sys.stderr, f"{name} | " if self.program.named else "")
            else:
                with log.open("a") as sink:
                    self._copy(output, sink, "")

    def _copy(self, output: IO[bytes], sink: TextIO, prefix: str) -> None:
        for raw in output:
            line = raw.decode(errors="replace").rstrip("\r\n")
            self._lines.append(line)
            # A full disk or a closed terminal must not block the child.
            with suppress(OSError, ValueError):
                sink.write(f"{prefix}{line}\n")  # one write a line: children's lines do not mix
                sink.flush()
