"""The parts that send, in whichever process asks for them.

A server forks its workers after the model is loaded (gunicorn's preload, multiprocessing): threads
and connections do not survive that, and the numbers of one origin must come from one process. So
nothing is started before a process first has something to tell, and a child begins anew: with an
origin, a queue, threads and counters of its own. What waited in the parent is the parent's to send.
"""

from __future__ import annotations

import atexit
import logging
import multiprocessing
import os
from multiprocessing.util import Finalize
from threading import Lock
from weakref import WeakSet

from inferwatch.settings import Settings
from producers.counters import SDK, Counters
from producers.sidecar.outlet import Connect, Outlet

log = logging.getLogger("inferwatch.sdk")

DRAIN_READER_S = 2.0
DRAIN_EVENTS_S = 5.0

_all: WeakSet[PerProcess] = WeakSet()
# What has something to send is kept until it is closed, whoever forgets his monitor before.
_running: set[PerProcess] = set()
# Parents' parts, in a child: never collected, for they would close what is not theirs.
_inherited: list[Outlet] = []


class PerProcess:
    """One outlet a process, made when it is first asked for; from any thread."""

    def __init__(self, settings: Settings, connect: Connect | None) -> None:
        """Start nothing yet."""
        self._settings = settings
        self._connect = connect
        self._outlet: Outlet | None = None
        self._lock = Lock()
        self._is_closed = False
        self.counters = Counters(SDK)
        _all.add(self)

    @property
    def running(self) -> Outlet | None:
        """This process's outlet, None where nothing was told yet or all is over."""
        return self._outlet

    def outlet(self) -> Outlet | None:
        """This process's outlet, started where it is not; None once it is closed."""
        return self._outlet or self._start()

    def close(self, timeout_s: float) -> None:
        """Send what was taken, for so long, and take nothing more in this process."""
        with self._lock:
            outlet, self._outlet, self._is_closed = self._outlet, None, True
            _running.discard(self)
        if outlet is not None:
            outlet.reader.close(min(DRAIN_READER_S, timeout_s))
            outlet.publisher.close(timeout_s)

    def _start(self) -> Outlet | None:
        with self._lock:
            if self._outlet is None and not self._is_closed:
                _quiet_the_client()
                outlet = Outlet(
                    self._settings,
                    self.counters,
                    part="sdk",
                    connect=self._connect,
                    is_guest=True,
                )
                outlet.start()
                _end_with_multiprocessing()
                self._outlet = outlet
                _running.add(self)
            return self._outlet

    def forked(self) -> None:
        """Begin anew: this process is a child."""
        if self._outlet is not None:
            self._outlet.publisher.abandon()
            _inherited.append(self._outlet)
        # Another thread of the parent may have held the lock.
        self._outlet, self._lock, self.counters = None, Lock(), Counters(SDK)


def _quiet_the_client() -> None:
    """kafka-python tells every one of its retries; the publisher tells what matters, once."""
    client = logging.getLogger("kafka")
    if client.level == logging.NOTSET:
        client.setLevel(logging.CRITICAL)


def _end_with_multiprocessing() -> None:
    """Send what waits at the end of a child of `multiprocessing`, which runs no exit handlers."""
    if multiprocessing.parent_process() is not None:
        Finalize(None, _at_exit, exitpriority=0)


def _forked() -> None:
    for parts in list(_all):
        parts.forked()
    _running.clear()


def _at_exit() -> None:
    for parts in list(_running):
        try:
            parts.close(DRAIN_EVENTS_S)
        except Exception:
            log.exception("events of the last moments may be missing")


if hasattr(os, "register_at_fork"):  # where processes can fork
    os.register_at_fork(after_in_child=_forked)
atexit.register(_at_exit)
