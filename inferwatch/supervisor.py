"""Child processes as one thing: started in stages, watched, started again, ended together.

Guarantees: `stop` returns within 5 s with every child and all that a child left in its process
group gone, also one that ignores SIGTERM; when this process itself is killed with SIGKILL, the
kernel ends the children (Linux). Children see no Ctrl-C of the terminal: the supervisor ends them,
the last stage first, so that a worker can still write to the Redis of an earlier stage.

>>> import sys
>>> with Supervisor() as group:
...     group.start(Program("idler", (sys.executable, "-c", "import signal; signal.pause()")))
...     len(group.children)
1
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Self

from inferwatch.child import Child, ChildDiedError, Death, Program
from inferwatch.errors import ServiceUnreachableError

__all__ = ["Child", "ChildDiedError", "Death", "Program", "Supervisor", "interruptible"]

_KILL_S = 0.5  # kept of the stopping time for SIGKILL and what follows
_STAGE_S = 0.7  # kept of it for each stage below
_LOOK_S = 0.05
_LONGEST_DELAY_S = 30.0
_HEALTHY_S = 60.0  # who lived that long is started again after the first delay


@dataclass(slots=True)
class _Place:
    """A child's place: it stays when the child is another one."""

    program: Program
    child: Child | None
    born: float
    delay_s: float
    due: float | None = None


class Supervisor:
    """Starts, watches and ends child processes; used as a context manager.

    Use it from one thread that lives as long as the children may, best the main one.
    """

    def __init__(self, *, stop_s: float = 5.0, delay_s: float = 1.0) -> None:
        """Nothing is started yet; `stop_s` bounds `stop`, `delay_s` is the first back-off."""
        self._stop_s = stop_s
        self._delay_s = delay_s
        self._stages: list[list[_Place]] = []

    @property
    def children(self) -> list[Child]:
        """Those that live, or whose death was not noticed yet."""
        return [p.child for p in self._places() if p.child is not None]

    def start(self, *programs: Program) -> None:
        """Start programs as one stage; `stop` ends the stages in reverse order.

        Raises:
            FileNotFoundError: there is no such program.
        """
        stage: list[_Place] = []
        self._stages.append(stage)
        for program in programs:
            stage.append(_Place(program, Child(program), time.monotonic(), self._delay_s))

    def wait_ready(
        self, check: Callable[[], bool], timeout_s: float = 30.0, *, what: str = "the children"
    ) -> None:
        """Return when `check` says True.

        Raises:
            ChildDiedError: a child ended first.
            ServiceUnreachableError: it took longer than `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while not check():
            for death in self.tend():
                raise ChildDiedError(death)
            if time.monotonic() >= deadline:
                raise ServiceUnreachableError(f"{what}: not ready within {timeout_s:g} s")
            time.sleep(_LOOK_S)

    def complete(self, program: Program, timeout_s: float = 60.0) -> None:
        """Run a program to its end, as a stage of its own.

        Raises:
            ChildDiedError: its exit code is not 0.
            ServiceUnreachableError: it took longer than `timeout_s`; it was ended.
        """
        with Supervisor(stop_s=self._stop_s) as alone:
            alone.start(program)
            deaths: list[Death] = []
            deadline = time.monotonic() + timeout_s
            while not deaths:
                deaths = alone.tend()
                if time.monotonic() >= deadline:
                    text = f"{program.name}: not done within {timeout_s:g} s"
                    raise ServiceUnreachableError(text)
                time.sleep(_LOOK_S)
        if deaths[0].code != 0:
            raise ChildDiedError(deaths[0])

    def tend(self) -> list[Death]:
        """Who died since the last call; starts those again that are to be and whose time has come.

        Call it every fraction of a second. The delay doubles up to 30 s with each death of
        the same program, and is the first one again after a life of a minute.
        """
        now = time.monotonic()
        deaths = []
        for place in self._places():
            if place.child is not None and not place.child.running():
                deaths.append(self._note_death(place, now))
            if place.due is not None and now >= place.due:
                place.child, place.born, place.due = Child(place.program), now, None
        return deaths

    def run(self, on_death: Callable[[Death], None]) -> None:
        """Tend until an exception ends it: one of `on_death`'s, or a KeyboardInterrupt."""
        while True:
            for death in self.tend():
                on_death(death)
            time.sleep(_LOOK_S)

    def stop(self) -> None:
        """End all children, the last stage first: SIGTERM, and SIGKILL when time runs out."""
        with _undisturbed():
            deadline = time.monotonic() + self._stop_s - _KILL_S
            while self._stages:
                below = len(self._stages) - 1
                children = [p.child for p in self._stages[-1] if p.child is not None]
                _end(children, deadline - below * _STAGE_S)
                self._stages.pop()

    def __enter__(self) -> Self:
        """Nothing to do."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def _places(self) -> list[_Place]:
        return [place for stage in self._stages for place in stage]

    def _note_death(self, place: _Place, now: float) -> Death:
        assert place.child is not None
        if now - place.born >= _HEALTHY_S:
            place.delay_s = self._delay_s
        delay = place.delay_s if place.program.restart else None
        death = place.child.death(delay)
        place.child = None
        if delay is not None:
            place.due = now + delay
            place.delay_s = min(delay * 2, _LONGEST_DELAY_S)
        return death


def _end(children: list[Child], deadline: float) -> None:
    for child in children:
        child.terminate()
    for child in children:
        child.wait(deadline - time.monotonic())
    for child in children:
        child.bury()


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does: with a KeyboardInterrupt.

    Of the main thread only, as all handling of signals is.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled(interrupt, (signal.SIGTERM, signal.SIGHUP)):
        yield


@contextmanager
def _undisturbed() -> Iterator[None]:
    """An impatient second Ctrl-C must not leave children behind; the end is near anyway."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _handled(signal.SIG_IGN, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)):
        yield


@contextmanager
def _handled(
    handler: Callable[[int, FrameType | None], None] | signal.Handlers,
    signals: tuple[signal.Signals, ...],
) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
