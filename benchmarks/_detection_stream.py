"""A simulated month of one model, or some hours of it: events as tables, replayed by the real core.

One row is one request: a prediction, a latency, and later its label. Nothing of it is wrong until
a fault (`_detection_faults.py`) changes the rows from its onset on. All randomness comes from the
caller's generator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from inferwatch.events.alert import Alert
from inferwatch.events.kinds import Kind
from inferwatch.events.reference import ReferenceProfile
from inferwatch.events.window import WindowResult
from inferwatch.settings import Settings, load
from pipeline.columns import Column
from pipeline.decode.arrow_column import to_column
from pipeline.reference.builder import BuildSpec, profile_of
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.replay.arrival import in_order
from pipeline.replay.event_tables import TableDecoder
from pipeline.replay.label_feed import LabelFeed
from pipeline.replay.part import Part
from pipeline.replay.run import Replay

Values = NDArray[Any]

MODEL = "fare"
MINUTE = 60_000
END_OF_TIME = 2**52
START = 1_764_000_000_000 - 1_764_000_000_000 % 3_600_000
ACCURACY = 0.9
SAMPLE_EVERY_MS = 10_000
CARRIERS = ("AA", "DL", "UA")
COUNTRIES = ("DE", "ES", "FR", "IT", "NL", "PL")

CONFIG = """
defaults: {{windows: [1m], lateness: 0s, reference: {{learn: "off"}}}}
alerting: {{budget: {{pages: {pages}, tickets: {tickets}}}}}
models:
  - {{name: fare, task: binary, positive: late, segments: {segments}, labels: {{horizon: 10m}}}}
"""


def settings_of(
    *, pages: float = 1, tickets: float = 2, segments: tuple[str, ...] = ()
) -> Settings:
    """The config of a simulated model: windows of a minute, the built-in detectors."""
    listed = "[" + ", ".join(segments) + "]"
    return load(None, text=CONFIG.format(pages=pages, tickets=tickets, segments=listed))


def inputs(rng: np.random.Generator, size: int) -> dict[str, Values]:
    """Calm inputs: heavy tails, ties, a normal pair of like scale, whole numbers, categories."""
    late = rng.random(size) >= 0.6
    return {
        "amount": np.round(rng.lognormal(4.0, 0.8, size), 2),
        "dep_delay": np.round(
            np.where(late, rng.exponential(45, size) - 3, rng.normal(-4, 4, size))
        ),
        "distance": np.round(rng.gamma(4, 260, size)),
        "temp": np.round(rng.normal(14, 8, size), 1),
        "wind": np.round(rng.gamma(6, 2.5, size), 1),
        "age": np.round(np.clip(rng.normal(41, 13, size), 18, 95)),
        "carrier": rng.choice(np.array(CARRIERS, object), size, p=[0.5, 0.3, 0.2]),
        "country": rng.choice(
            np.array(COUNTRIES, object), size, p=[0.31, 0.21, 0.18, 0.14, 0.1, 0.06]
        ),
    }


def truth(rng: np.random.Generator, size: int, late: float = 0.3) -> Values:
    """What becomes of each row."""
    return np.where(rng.random(size) < late, "late", "ok").astype(object)


def answers(rng: np.random.Generator, actual: Values, accuracy: float | Values) -> Values:
    """Predictions that are right so often."""
    other = np.where(actual == "late", "ok", "late").astype(object)
    return np.where(rng.random(len(actual)) < accuracy, actual, other)


@dataclass
class Stream:
    """The rows of one story; a fault changes them in place.

    Attributes:
        ts: event times, rising; `onset`: when the fault begins.
        label: the truth as it is told; None where it never comes.
        sent: rows whose prediction arrives; `served`: whose latency arrives.
        seq: numbers of the predictions; a hole is a loss.
        at: times of the resource samples.
        other: times of a second model's rows: the rest of the world.
    """

    rng: np.random.Generator
    ts: Values
    onset: int
    features: dict[str, Values]
    actual: Values
    prediction: Values
    label: Values
    label_delay: Values
    version: Values
    sent: Values
    served: Values
    latency: Values
    status: Values
    request_bytes: Values
    at: Values
    resources: dict[str, Values]
    other: Values
    seq: Values = field(init=False)

    def __post_init__(self) -> None:
        self.seq = np.arange(len(self.ts))

    @property
    def bad(self) -> Values:
        """Which rows come after the onset."""
        return self.ts >= self.onset

    @property
    def bad_samples(self) -> Values:
        """Which resource samples come after the onset."""
        return self.at >= self.onset

    def minutes(self) -> Values:
        """How long after the onset each row comes, in minutes; 0 before."""
        return np.maximum(0.0, (self.ts - self.onset) / MINUTE)

    def sample_minutes(self) -> Values:
        """The same of the resource samples."""
        return np.maximum(0.0, (self.at - self.onset) / MINUTE)


def calm_stream(
    rng: np.random.Generator, *, minutes: int, onset: int, rows: int = 600, labelled: float = 1.0
) -> Stream:
    """So many minutes in which nothing is wrong, about `rows` a minute (Poisson).

    Args:
        rng: of all chance.
        minutes: how many.
        onset: the minute at which a fault is to begin.
        rows: a minute.
        labelled: the share of them whose label ever comes.
    """
    each = rng.poisson(rows, minutes)
    size = int(each.sum())
    minute = np.repeat(np.arange(minutes), each)
    ts = np.sort(START + minute * MINUTE + rng.integers(0, MINUTE, size))
    actual = truth(rng, size)
    at = START + np.arange(0, minutes * MINUTE, SAMPLE_EVERY_MS)
    return Stream(
        rng=rng,
        ts=ts,
        onset=START + onset * MINUTE,
        features=inputs(rng, size),
        actual=actual,
        prediction=answers(rng, actual, ACCURACY),
        label=np.where(rng.random(size) < labelled, actual, None),
        label_delay=rng.integers(5_000, 40_000, size),
        version=np.full(size, "1", object),
        sent=np.ones(size, bool),
        served=np.ones(size, bool),
        latency=rng.lognormal(np.log(12), 0.35, size),
        status=np.where(rng.random(size) < 0.001, 503, 200),
        request_bytes=rng.integers(400, 700, size),
        at=at,
        resources={
            "cpu_percent": rng.normal(40, 4, len(at)),
            "rss_bytes": 800e6 + rng.normal(0, 5e6, len(at)),
            "net_rx_bytes": rng.normal(1e6, 5e4, len(at)),
            "net_tx_bytes": rng.normal(4e5, 2e4, len(at)),
        },
        other=START + np.arange(0, minutes * MINUTE, 500),
    )


def reference_of(rng: np.random.Generator, *, rows: int = 20_000) -> ReferenceProfile:
    """What the calm model's validation data looked like."""
    actual = truth(rng, rows)
    table = {
        **{f"features.{name}": values for name, values in inputs(rng, rows).items()},
        "prediction": answers(rng, actual, ACCURACY),
        "label": actual,
    }
    columns: dict[str, Column] = {
        name.removeprefix("features."): to_column(_array(values)) for name, values in table.items()
    }
    spec = BuildSpec(model=MODEL, task="binary", positive="late", classes=("late", "ok"))
    return profile_of(columns, spec)


def play(
    stream: Stream,
    reference: ReferenceProfile | None,
    settings: Settings,
    see: Callable[[WindowResult], None] = lambda result: None,
) -> list[Alert]:
    """Replay the stream; all alert transitions of its model, by time."""
    catalog = ReferenceCatalog()
    if reference is not None:
        catalog.add(reference)
    tables = _tables(stream)
    labels = LabelFeed([_parts(Kind.LABEL, tables[Kind.LABEL], stream.onset, settings)])
    replay = Replay(settings, catalog, see, labels)
    kinds = (Kind.PREDICTION, Kind.LATENCY, Kind.RESOURCE)
    replay.run(
        in_order((kind, _parts(kind, tables[kind], stream.onset, settings)) for kind in kinds)
    )
    return [alert for alert in replay.alerts if alert.model == MODEL]


def _parts(kind: Kind, table: Mapping[str, Any], onset: int, settings: Settings) -> list[Part]:
    """The rows before the onset and after it: a fault may change a column's type."""
    decoder = TableDecoder(kind, settings.limits, END_OF_TIME, with_ids=True)
    parts = []
    for rows in (table["ts"] < onset, table["ts"] >= onset):
        if rows.any():
            arrays = {name: _array(values[rows]) for name, values in table.items()}
            present = {name: array for name, array in arrays.items() if array is not None}
            parts.append(decoder.part(pa.record_batch(present)))
    return parts


def _tables(stream: Stream) -> dict[Kind, dict[str, Any]]:
    sent, served = stream.sent.astype(bool), stream.served.astype(bool)
    size = len(stream.ts)
    ids = np.array([f"r{n}" for n in range(size)], object)
    told = sent & np.array([one is not None for one in stream.label])
    due = stream.ts + stream.label_delay
    order = np.argsort(due[told], kind="stable")
    predictions = {
        "ts": stream.ts[sent],
        "id": ids[sent],
        "model": np.full(int(sent.sum()), MODEL, object),
        "version": stream.version[sent],
        "prediction": stream.prediction[sent],
        "origin": np.full(int(sent.sum()), "pod-1", object),
        "seq": stream.seq[sent],
        **{f"features.{name}": values[sent] for name, values in stream.features.items()},
    }
    here = int(served.sum())
    latencies = {
        "ts": np.concatenate((stream.ts[served], stream.other)),
        "model": np.array([MODEL] * here + ["beside"] * len(stream.other), object),
        "version": np.concatenate(
            (stream.version[served], np.full(len(stream.other), "1", object))
        ),
        "latency_ms": np.concatenate((stream.latency[served], np.full(len(stream.other), 8.0))),
        "status": np.concatenate((stream.status[served], np.full(len(stream.other), 200))),
        "request_bytes": np.concatenate(
            (stream.request_bytes[served], np.full(len(stream.other), 100))
        ),
    }
    order_l = np.argsort(latencies["ts"], kind="stable")
    return {
        Kind.PREDICTION: predictions,
        Kind.LATENCY: {name: values[order_l] for name, values in latencies.items()},
        Kind.RESOURCE: {
            "ts": stream.at,
            "model": np.full(len(stream.at), MODEL, object),
            "version": np.full(len(stream.at), "1", object),
            "origin": np.full(len(stream.at), "pod-1", object),
            **stream.resources,
        },
        Kind.LABEL: {
            "id": ids[told][order],
            "ts": due[told][order],
            "label": stream.label[told][order],
        },
    }


def _array(values: Values) -> Any:
    """A column of a table: NaN and None are missing values; None of a column that is all None."""
    if values.dtype != object:
        return pa.array(values, from_pandas=True)
    if all(one is None for one in values.tolist()):
        return None
    if any(isinstance(one, float) for one in values[:200].tolist()):
        return pa.array(values.astype(float), from_pandas=True)
    return pa.array(values.tolist()).dictionary_encode()
