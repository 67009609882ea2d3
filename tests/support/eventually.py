"""Wait for what happens elsewhere: look again and again until a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(check: Callable[[], T], timeout_s: float = 20.0, *, every_s: float = 0.05) -> T:
    """Call `check` until its answer is true, and return that; its last exception or answer fails.

    >>> answers = iter([0, 0, 7])
    >>> eventually(lambda: next(answers), every_s=0.001)
    7
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            answer = check()
            if answer:
                return answer
        except Exception:
            if time.monotonic() >= deadline:
                raise
        else:
            if time.monotonic() >= deadline:
                raise AssertionError(f"not within {timeout_s} s; the last answer was {answer!r}")
        time.sleep(every_s)
