"""Single keys from a terminal, without Enter."""

from __future__ import annotations

import os
import select
import sys
from types import TracebackType
from typing import Any


class Keys:
    """Keys of standard input while the block runs; the terminal is left as it was found.

    Where standard input is no terminal there are no keys, and `wait` only waits.
    """

    def __init__(self) -> None:
        """Nothing is changed before the block begins."""
        self._fd = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
        self._before: Any = None

    def __enter__(self) -> Keys:
        """Take keys one by one, unseen; Ctrl-C stays what it is."""
        if self._fd is not None:
            import termios
            import tty

            self._before = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the terminal back."""
        if self._fd is not None:
            import termios

            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    def wait(self, timeout_s: float) -> str:
        """The keys pressed, as soon as there is one; "" when the time is over."""
        watched = [] if self._fd is None else [self._fd]
        ready, _, _ = select.select(watched, [], [], timeout_s)
        if not ready:
            return ""
        pressed = os.read(ready[0], 64)
        # The terminal is gone: as if its user had asked to end.
        return pressed.decode("ascii", "replace") if pressed else "q"
