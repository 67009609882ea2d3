"""Measured calls: how long a block or a function took, whether it failed, what it predicted."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from types import TracebackType
from typing import Any

from inferwatch.errors import UsageError
from inferwatch.events.kinds import Kind
from producers.sdk.told import Row

Record = Callable[..., Mapping[str, Any] | Iterable[Mapping[str, Any]] | None]
"""From a function's result and its arguments to what is logged of them."""

Tell = Callable[[list[Row], float, int, str | None, str | None], None]
"""Takes rows, milliseconds, status, the error's class and its words."""

Fail = Callable[[Kind, Exception], None]
"""Counts what could not be told."""


class Measure:
    """One measured block; as a decorator, the maker of one a call."""

    def __init__(self, tell: Tell, record: Record | None, fail: Fail) -> None:
        """`tell` and `fail` are the monitor's."""
        self._tell, self._record, self._fail = tell, record, fail
        self._rows: list[Row] = []
        self._started = 0.0
        self._ended: float | None = None

    def log(
        self,
        *,
        features: Any = None,
        prediction: Any = None,
        scores: Any = None,
        id: Any = None,
        segment: Any = None,
    ) -> None:
        """Tell of one prediction of this block, as `Monitor.log` does; once a row."""
        try:
            self._rows.append(Row.of(features, prediction, scores, id, segment))
        except Exception as error:
            self._fail(Kind.PREDICTION, error)

    def __enter__(self) -> Measure:
        """Begin."""
        self._rows, self._ended = [], None
        self._started = time.perf_counter()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """End; what was raised passes on."""
        ended = time.perf_counter() if self._ended is None else self._ended
        latency_ms = (ended - self._started) * 1000
        try:
            status, what = _outcome(error)
            words = None if what is None else f"{type(error).__name__}: {error}"
            self._tell(self._rows, latency_ms, status, what, words)
        except Exception as failure:
            self._fail(Kind.LATENCY, failure)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a function or a coroutine function.

        Raises:
            UsageError: it is something else, or a generator, which has not ended when it returns.
        """
        if (
            not callable(function)
            or inspect.isgeneratorfunction(function)
            or (inspect.isasyncgenfunction(function))
        ):
            raise UsageError(
                f"measure: {function!r} is no function that returns a result; "
                "allowed are functions and coroutine functions; inside of a generator write "
                "`with monitor.measure() as call:`"
            )
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def measured(*args: Any, **kwargs: Any) -> Any:
                with self._anew() as call:
                    result = await function(*args, **kwargs)
                    call.take(result, args, kwargs)
                return result
        else:

            @wraps(function)
            def measured(*args: Any, **kwargs: Any) -> Any:
                with self._anew() as call:
                    result = function(*args, **kwargs)
                    call.take(result, args, kwargs)
                return result

        return measured

    def take(self, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Log what `record` makes of a function's result and arguments; its time does not count."""
        self._ended = time.perf_counter()
        if self._record is None:
            return
        try:
            told = self._record(result, *args, **kwargs)
            for row in [told] if isinstance(told, Mapping) else told or ():
                self.log(**row)
        except Exception as error:
            self._fail(Kind.PREDICTION, error)

    def _anew(self) -> Measure:
        return Measure(self._tell, self._record, self._fail)


def _outcome(error: BaseException | None) -> tuple[int, str | None]:
    """The status that a server would have answered, and a short class of the failure.

    >>> _outcome(None), _outcome(ValueError("x")), _outcome(TimeoutError())
    ((200, None), (500, 'exception'), (504, 'timeout'))
    """
    if error is None:
        return 200, None
    if isinstance(error, TimeoutError):
        return 504, "timeout"
    if isinstance(error, (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)):
        return 499, "client_closed"  # whoever asked does not wait any more
    return 500, "exception"
