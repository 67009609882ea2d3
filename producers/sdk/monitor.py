"""`Monitor`: predictions, labels, latency and errors, told by the model's own code.

Guarantees, once it is constructed: no method raises into its caller, none waits for Kafka (`flush`
and `close` do, within their time), what waits is bounded in bytes (`queue`), and what is lost is
counted by reason and leaves a hole in the numbers. A call of `log` takes some 10 µs in the caller's
thread (benchmarks/sdk_log.py). Threads may share a monitor, and forked children may use their
parent's: each process sends under an origin of its own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from inferwatch.events.kinds import Kind
from producers.publisher import RESERVED
from producers.sdk.measure import Measure, Record
from producers.sdk.options import settings_of
from producers.sdk.processes import DRAIN_EVENTS_S, PerProcess
from producers.sdk.told import Row, ToldLabel, ToldRows, told_exchange
from producers.sdk.values import UntellableError, moment_of, plain, text_of
from producers.sidecar.exchange import Exchange
from producers.sidecar.ids import new_id
from producers.sidecar.outlet import Connect, Outlet
from producers.sidecar.reader import EXCHANGE_OVERHEAD

log = logging.getLogger("inferwatch.sdk")

_POLL_S = 0.005
_LABEL_BYTES = 500
_MOST_WARNINGS = 32
_TOPIC = {Kind.PREDICTION: "predictions", Kind.LATENCY: "latencies", Kind.LABEL: "labels"}

F = TypeVar("F", bound=Callable[..., Any])


class Monitor:
    """Tells inferwatch what a model was asked and what it answered.

    >>> monitor = Monitor(model="fraud", version="7", broker="localhost:9092")
    >>> monitor.dropped
    0
    """

    def __init__(
        self, config: str | None = None, *, connect: Connect | None = None, **options: Any
    ) -> None:
        """Check the arguments; nothing is started or sent before the first call.

        Args:
            config: a config file; without one the defaults hold.
            connect: another broker than Kafka, made for an origin.
            options: keys of the config's section `sidecar` (`model`, `version`, `redact`,
                `features`, `segments`, `sample`, `batch`, `queue`, `mint_ids`, …), and the
                sections `broker` (or only its address, `"HOST:PORT"`), `topics`, `limits`,
                `defaults` and `models`. They win over the file's.

        Raises:
            ConfigError: an argument is wrong; each line names it and what is allowed.
            UsageError: the broker is an embedded one.
        """
        self.settings = settings_of(config, options)
        assert self.settings.sidecar is not None
        self._sidecar = self.settings.sidecar
        self._reserve = self._sidecar.queue // RESERVED
        self._processes = PerProcess(self.settings, connect)
        self._warned: set[str] = set()

    # ---- telling

    def log(
        self,
        *,
        features: Any = None,
        prediction: Any = None,
        scores: Any = None,
        id: Any = None,
        segment: Any = None,
        ts: Any = None,
        latency_ms: float | None = None,
        model: str | None = None,
        version: str | None = None,
    ) -> str | None:
        """Tell of one prediction; the id under which it can be labelled is returned.

        Args:
            features: values by name (nested ones get dots), or a list of them.
            prediction: the class or the number; may be absent where there are scores.
            scores: by class, a list in the order of the classes, or one number (positive class).
            id: joins the label; with `mint_ids` one is made where there is none.
            segment: what to look at by itself, `{"region": "eu"}`.
            ts: milliseconds since 1970 (UTC) or an aware datetime; now where absent.
            latency_ms: how long it took; with it there is a latency event too.
            model: of this prediction, where it is not the monitor's.
            version: the same.
        """
        try:
            if id is None and self._sidecar.mint_ids:
                id = new_id()
            row = Row.of(features, prediction, scores, id, segment)
            self._deliver(
                (row,),
                ended_at=moment_of(ts, time.time_ns() // 1_000_000),
                latency_ms=_duration(latency_ms),
                model=model,
                version=version,
            )
            return row.id
        except Exception as error:
            self._failed(Kind.PREDICTION, error)
            return None

    def label(self, id: Any, label: Any, *, ts: Any = None) -> None:
        """Tell what the prediction with this id should have been; a later label corrects it."""
        try:
            row_id, truth = text_of(id), plain(label)
            if row_id is None:
                raise UntellableError("id: nothing was told; wanted is the id of the prediction")
            if truth is None or truth == []:
                raise UntellableError("label: nothing was told; wanted is a class or a number")
            moment = moment_of(ts, time.time_ns() // 1_000_000)
            told = ToldLabel(row_id, truth)
            self._put(told_exchange(told, ended_at=moment, size=_LABEL_BYTES), Kind.LABEL, 1)
        except Exception as error:
            self._failed(Kind.LABEL, error)

    def measure(self, function: F | None = None, /, *, record: Record | None = None) -> Any:
        """Measure latency and errors: `@monitor.measure`, or `with monitor.measure() as call`.

        Each call of the function, or each block, makes one latency event; what it raises passes
        on, and makes that event one with status 500. Inside of the block `call.log(...)` tells of
        its predictions, which a failure takes back.

        Args:
            function: what is decorated, a function or a coroutine function.
            record: called with the function's result and its arguments; returns what to log of
                them, `{"features": …, "prediction": …}`, a list of such, or None.

        Raises:
            UsageError: what is decorated is no such function.
        """
        measure = Measure(self._measured, record, self._failed)
        return measure if function is None else measure(function)

    # ---- ending

    def flush(self, timeout_s: float = DRAIN_EVENTS_S) -> bool:
        """Send what was told so far; False where some still waits when the time is over."""
        try:
            outlet = self._processes.running
            until = time.monotonic() + timeout_s
            while outlet is not None:
                outlet.reader.hurry()
                outlet.publisher.hurry()
                if outlet.reader.is_idle and outlet.publisher.pending_rows == 0:
                    break
                if time.monotonic() >= until:
                    return False
                time.sleep(_POLL_S)
            return True
        except Exception as error:
            self._failed(Kind.PREDICTION, error, rows=0)
            return False

    def close(self, timeout_s: float = DRAIN_EVENTS_S) -> None:
        """Send what was told, for so long, and end; the end of the process does it too.

        A broker that was never reached gets one second. What is told later is dropped and counted.
        """
        try:
            self._processes.close(timeout_s)
        except Exception as error:
            self._failed(Kind.PREDICTION, error, rows=0)

    # ---- looking

    @property
    def origin(self) -> str | None:
        """Who this process is to the workers; None before its first event."""
        outlet = self._processes.running
        return None if outlet is None else outlet.origin

    @property
    def published(self) -> int:
        """Rows of this process that the broker has."""
        return self._processes.counters.total("rows_published_total")

    @property
    def dropped(self) -> int:
        """Rows of this process that will never come; `metrics` tells them by reason."""
        return self._processes.counters.total("rows_dropped_total")

    def metrics(self) -> str:
        """The counters of this process, as Prometheus text."""
        return self._processes.counters.prometheus()

    # ---- for the middleware

    def outlet(self) -> Outlet | None:
        """What sends in this process; None once it is closed, or where it cannot be started."""
        try:
            return self._processes.outlet()
        except Exception as error:
            self._failed(Kind.LATENCY, error, rows=0)
            return None

    def count_trouble(self, where: str) -> None:
        """Count a defect of ours that the caller must not notice."""
        self._processes.counters.add("tap_errors_total", where=where)

    # ---- parts

    def _measured(
        self, rows: list[Row], latency_ms: float, status: int, error: str | None, words: str | None
    ) -> None:
        """Take what one measured call did; called by `Measure`, may raise."""
        now = time.time_ns() // 1_000_000
        if error is None and self._sidecar.mint_ids:
            for row in rows:
                row.id = row.id or new_id()
        self._deliver(
            rows, ended_at=now, latency_ms=latency_ms, status=status, error=error, words=words
        )

    def _deliver(
        self,
        rows: Sequence[Row],
        *,
        ended_at: int,
        latency_ms: float | None,
        model: str | None = None,
        version: str | None = None,
        status: int = 200,
        error: str | None = None,
        words: str | None = None,
    ) -> None:
        if (model or self._sidecar.model) is None:
            raise UntellableError(
                "model: nobody names it; give Monitor(model=...) or log(model=...) a name"
            )
        told = ToldRows(rows, model, version, latency_ms is not None, words)
        exchange = told_exchange(
            told,
            ended_at=ended_at,
            latency_ms=latency_ms or 0.0,
            status=status,
            error=error,
            size=sum([row.size for row in rows]),
        )
        if not rows:
            self._put(exchange, Kind.LATENCY, 1)
        elif not self._put(exchange, Kind.PREDICTION, len(rows)) and told.is_inference:
            # The small latency event may still fit.
            told.rows, exchange.request.kept = (), 0
            self._put(exchange, Kind.LATENCY, 1)

    def _put(self, exchange: Exchange, kind: Kind, rows: int) -> bool:
        outlet = self._processes.outlet()
        if outlet is None:
            self._count(kind, rows, "closed")
            return False
        reserve = self._reserve if kind is Kind.PREDICTION else 0
        if outlet.budget.take(exchange.held + EXCHANGE_OVERHEAD, reserve=reserve):
            outlet.reader.accept(exchange)
            return True
        outlet.publisher.drop(kind, rows, "queue_full")
        return False

    def _failed(self, kind: Kind, error: Exception, rows: int = 1) -> None:
        """Count what could not be told, and say once why."""
        try:
            is_ours = isinstance(error, UntellableError)
            reason = "malformed" if is_ours else "sdk_error"
            outlet = self._processes.running
            if not rows:
                self._processes.counters.add("tap_errors_total", where="sdk")
            elif outlet is None:
                self._count(kind, rows, reason)
            else:
                outlet.publisher.drop(kind, rows, reason)
            # What others say may quote a value that is nobody's business.
            what = str(error) if is_ours else type(error).__name__
            about = what.partition(":")[0]
            if about not in self._warned and len(self._warned) < _MOST_WARNINGS:
                self._warned.add(about)
                log.warning("not told to inferwatch (said once, all are counted): %s", what)
        except Exception:  # nothing is left to tell it to
            return

    def _count(self, kind: Kind, rows: int, reason: str) -> None:
        topic = f"inference.{_TOPIC[kind]}"
        self._processes.counters.add("rows_dropped_total", rows, topic=topic, reason=reason)


def _duration(given: Any) -> float | None:
    if given is None:
        return None
    found = plain(given)
    if isinstance(found, (int, float)) and 0 <= found < float("inf"):
        return float(found)
    raise UntellableError(
        f"latency_ms: {given!r:.100} is no duration; allowed are 0 and more, finite"
    )
