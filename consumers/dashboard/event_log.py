"""What is sent to browsers as it happens: the last events, and who listens.

An event's id is `<instance>-<number>`. A browser that comes back with its last one gets what it
missed, or `reset` (fetch everything again) when that is too long ago or of another process; one
that has none gets `hello`, so that it has one from then on.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import orjson

KEPT = 2_000
"""Events that a browser may have missed."""

WAITING = 500
"""Events that wait for one slow browser; above it gets `reset` instead."""


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event; `data` is JSON on one line."""

    id: str
    name: str
    data: bytes

    def encode(self) -> bytes:
        r"""As it goes over the wire.

        >>> Event("a-1", "reset", b"{}").encode()
        b'id: a-1\nevent: reset\ndata: {}\n\n'
        """
        return f"id: {self.id}\nevent: {self.name}\ndata: ".encode() + self.data + b"\n\n"


class EventLog:
    """The events of this process; use it on one event loop."""

    def __init__(self, *, kept: int = KEPT, waiting: int = WAITING) -> None:
        """Begin empty, under an instance name of its own."""
        self._instance = secrets.token_hex(4)
        self._events: deque[tuple[int, Event]] = deque(maxlen=kept)
        self._number = 0
        self._waiting = waiting
        self._listeners: set[asyncio.Queue[Event]] = set()

    @property
    def listeners(self) -> int:
        """How many browsers listen."""
        return len(self._listeners)

    def publish(self, name: str, data: object) -> None:
        """Send an event to all who listen."""
        self._number += 1
        event = Event(f"{self._instance}-{self._number}", name, orjson.dumps(data))
        self._events.append((self._number, event))
        for queue in self._listeners:
            if queue.full():
                _empty(queue)
                queue.put_nowait(Event(event.id, "reset", b"{}"))
            else:
                queue.put_nowait(event)

    @contextmanager
    def listen(self, last_id: str | None) -> Iterator[asyncio.Queue[Event]]:
        """A queue of what happens, which begins with what the browser missed."""
        queue: asyncio.Queue[Event] = asyncio.Queue(self._waiting)
        for event in self._missed(last_id):
            queue.put_nowait(event)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)

    def _missed(self, last_id: str | None) -> list[Event]:
        now = f"{self._instance}-{self._number}"
        if last_id is None:
            return [Event(now, "hello", b"{}")]
        instance, _, number = last_id.rpartition("-")
        oldest = self._events[0][0] if self._events else self._number + 1
        if instance == self._instance and number.isdecimal():
            last = int(number)
            missed = [event for n, event in self._events if n > last]
            if oldest - 1 <= last <= self._number and len(missed) <= self._waiting:
                return missed
        return [Event(now, "reset", b"{}")]


def _empty(queue: asyncio.Queue[Event]) -> None:
    while not queue.empty():
        queue.get_nowait()
