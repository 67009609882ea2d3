"""How an embedded part that runs as a process of its own says where it is, and when it ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_LOOK_S = 0.5  # how soon a dead server ends its process


def publish_address(file: Path, address: str) -> None:
    """Write the address in one step: a reader finds no file, or all of it.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "broker"
    >>> publish_address(file, "127.0.0.1:9092")
    >>> file.read_text()
    '127.0.0.1:9092'
    """
    draft = file.with_name(file.name + ".draft")
    draft.write_text(address)
    draft.replace(file)


@contextmanager
def wait_for_signal(alive: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Run the block, then wait for SIGTERM or SIGINT; neither ends the process by itself.

    One that comes while the block runs counts at its end. When `alive` says no, the process ends
    with exit code 1.
    """
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    yield
    while not ended.wait(_LOOK_S):
        if not alive():
            raise SystemExit("the server ended by itself")
