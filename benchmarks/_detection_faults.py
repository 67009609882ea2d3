"""The faults of the table: what each changes, and what on-call ought to be told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks._detection_stream import Stream, answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of fault.

    Attributes:
        inject: changes the stream from its onset on.
        kinds: of the alert, any of which is right; empty: no alert at all is right.
        causes: the first cause, any of which is right.
        features: one of these the alert has to name; empty where none is to blame.
        minutes: how long it lasts.
        segments: what the model is cut by.
    """

    name: str
    inject: Callable[[Stream], None]
    kinds: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    minutes: int = 20
    segments: tuple[str, ...] = ()


def _moved(
    feature: str, change: Callable[[Stream, np.ndarray], np.ndarray]
) -> Callable[[Stream], None]:
    def inject(stream: Stream) -> None:
        values, bad = stream.features[feature], stream.bad
        stream.features[feature] = np.where(bad, change(stream, values), values)

    return inject


def _share(stream: Stream, share: float) -> np.ndarray:
    return stream.bad & (stream.rng.random(len(stream.ts)) < share)


def _set(feature: str, share: float, value: object) -> Callable[[Stream], None]:
    def inject(stream: Stream) -> None:
        stream.features[feature] = stream.features[feature].copy()
        stream.features[feature][_share(stream, share)] = value

    return inject


def _gone(stream: Stream) -> None:
    values = stream.features["distance"].astype(object)
    values[stream.bad] = None
    stream.features["distance"] = values


def _as_text(stream: Stream) -> None:
    values = stream.features["age"].astype(object)
    bad = stream.bad
    values[bad] = np.array([f"{v:.0f} years" for v in values[bad]], object)
    stream.features["age"] = values


def _renamed(stream: Stream) -> None:
    values = stream.features["age"].astype(object)
    renamed = np.full(len(values), None, object)
    renamed[stream.bad] = values[stream.bad]
    values[stream.bad] = None
    stream.features |= {"age": values, "customer_age": renamed}


def _swapped(stream: Stream) -> None:
    one, other, bad = stream.features["distance"], stream.features["age"], stream.bad
    stream.features["distance"] = np.where(bad, other, one)
    stream.features["age"] = np.where(bad, one, other)


def _population(stream: Stream) -> None:
    bad = stream.bad
    for name, by in (("amount", 1.5), ("distance", 1.35)):
        stream.features[name] = np.where(bad, stream.features[name] * by, stream.features[name])
    younger = np.maximum(18.0, stream.features["age"] - 6)
    stream.features["age"] = np.where(bad, younger, stream.features["age"])


def _ramp(stream: Stream) -> None:
    by = 0.5 * 8 * np.minimum(1.0, stream.minutes() / 20)
    stream.features["temp"] = np.round(stream.features["temp"] + by, 1)


def _accuracy(
    level: Callable[[Stream], float | np.ndarray], where: str = ""
) -> Callable[[Stream], None]:
    def inject(stream: Stream) -> None:
        bad = stream.bad
        if where:
            bad = bad & (stream.features["carrier"] == where)
        worse = answers(stream.rng, stream.actual, level(stream))
        stream.prediction = np.where(bad, worse, stream.prediction)

    return inject


def _always(accuracy: float) -> Callable[[Stream], float]:
    return lambda stream: accuracy


def _slow_decay(stream: Stream) -> np.ndarray:
    return 0.9 - 0.04 * np.minimum(1.0, stream.minutes() / 40)


def _collapse(stream: Stream) -> None:
    stream.prediction = np.where(stream.bad, "ok", stream.prediction)


def _labels_of_one_class(stream: Stream) -> None:
    stream.label = np.where(stream.bad, "ok", stream.label)


def _labels_shuffled(stream: Stream) -> None:
    shuffled = stream.rng.permutation(stream.label)
    stream.label = np.where(stream.bad, shuffled, stream.label)


def _new_version(stream: Stream) -> None:
    stream.version = np.where(stream.bad, "2", stream.version)
    _accuracy(_always(0.75))(stream)


def _canary(stream: Stream, accuracy: float) -> None:
    mine = _share(stream, 0.5)
    worse = answers(stream.rng, stream.actual, accuracy)
    stream.prediction = np.where(mine, worse, stream.prediction)
    stream.version = np.where(mine, "2", stream.version)


def _more_requests(stream: Stream) -> None:
    bad = stream.bad
    first = int(np.argmax(bad))
    more = np.sort(np.concatenate((np.arange(first), np.repeat(np.arange(first, len(bad)), 3))))
    for name in ("ts", "actual", "prediction", "label", "label_delay", "version", "sent", "served",
                 "latency", "status", "request_bytes"):  # fmt: skip
        setattr(stream, name, getattr(stream, name)[more])
    stream.features = {name: values[more] for name, values in stream.features.items()}
    stream.seq = np.arange(len(more))


def _load(stream: Stream) -> None:
    _more_requests(stream)
    stream.latency = np.where(stream.bad, stream.latency * 3, stream.latency)
    busy = np.minimum(99.0, stream.resources["cpu_percent"] + 55)
    stream.resources["cpu_percent"] = np.where(
        stream.bad_samples, busy, stream.resources["cpu_percent"]
    )


def _leak(stream: Stream) -> None:
    stream.resources["rss_bytes"] = stream.resources["rss_bytes"] + 40e6 * stream.sample_minutes()


def _leak_and_slow(stream: Stream) -> None:
    _leak(stream)
    stream.latency = stream.latency * (1 + 0.15 * stream.minutes())


def _network(stream: Stream) -> None:
    bad, samples = stream.bad, stream.bad_samples
    stream.latency = np.where(bad, stream.latency * 3, stream.latency)
    stream.request_bytes = np.where(bad, stream.request_bytes * 8, stream.request_bytes)
    received = stream.resources["net_rx_bytes"]
    stream.resources["net_rx_bytes"] = np.where(samples, received * 8, received)


def _slow(stream: Stream) -> None:
    stream.latency = np.where(stream.bad, stream.latency * 2.2, stream.latency)


def _slowly_slower(stream: Stream) -> None:
    stream.latency = stream.latency * (1 + 0.7 * np.minimum(1.0, stream.minutes() / 40))


def _errors(stream: Stream) -> None:
    failed = _share(stream, 0.2)
    stream.status = np.where(failed, 503, stream.status)
    stream.sent = stream.sent & ~failed
    stream.seq = np.cumsum(stream.sent) - 1


def _silence(stream: Stream) -> None:
    stream.sent, stream.served = stream.sent & ~stream.bad, stream.served & ~stream.bad


def _unreported(stream: Stream) -> None:
    stream.sent = stream.sent & ~stream.bad


def _fewer(stream: Stream) -> None:
    left = ~_share(stream, 0.6)
    stream.sent, stream.served = stream.sent & left, stream.served & left
    stream.seq = np.cumsum(stream.sent) - 1


def _lost(stream: Stream) -> None:
    stream.sent = stream.sent & ~_share(stream, 0.2)


def _nothing(stream: Stream) -> None:
    pass


def _takes_over(stream: Stream) -> None:
    _canary(stream, 0.9)


DRIFT = ("input_drift",)
BAD = ("data_quality",)
LOW = ("quality",)
FAULTS = (
    Fault(name="amount x1000", inject=_moved("amount", lambda s, v: v * 1000),
          kinds=("input_drift", "data_quality"), causes=("unit_change",), features=("amount",)),
    Fault(name="temp in Fahrenheit", inject=_moved("temp", lambda s, v: 1.8 * v + 32),
          kinds=DRIFT, causes=("unit_change",), features=("temp",)),
    Fault(name="10 % missing", inject=_set("distance", 0.1, np.nan), kinds=BAD,
          causes=("missing_values",), features=("distance",)),
    Fault(name="2 % missing", inject=_set("distance", 0.02, np.nan), kinds=BAD,
          causes=("missing_values",), features=("distance",)),
    Fault(name="15 % at a default value", inject=_set("amount", 0.15, -1.0),
          kinds=("input_drift", "data_quality"), causes=("default_value",), features=("amount",)),
    Fault(name="temp stuck", inject=_moved("temp", lambda s, v: np.full(len(v), 14.2)),
          kinds=DRIFT, causes=("stuck_value",), features=("temp",)),
    Fault(name="new category in 4 %", inject=_set("country", 0.04, "XX"), kinds=BAD,
          causes=("new_category",), features=("country",)),
    Fault(name="column gone", inject=_gone, kinds=BAD, causes=("schema_change",),
          features=("distance",)),
    Fault(name="number became text", inject=_as_text, kinds=BAD, causes=("schema_change",),
          features=("age",)),
    Fault(name="column renamed", inject=_renamed, kinds=BAD, causes=("schema_change",),
          features=("age",)),
    Fault(name="8 % out of range", inject=_moved(
        "distance", lambda s, v: np.where(s.rng.random(len(v)) < 0.08, 9_000 + v, v)),
          kinds=("data_quality", "input_drift"), causes=("out_of_range",), features=("distance",)),
    Fault(name="columns swapped", inject=_swapped, kinds=("input_drift", "data_quality"),
          causes=("swapped_columns",), features=("age",)),
    Fault(name="population shift", inject=_population, kinds=DRIFT,
          causes=("population_shift",), features=("amount", "distance", "age")),
    Fault(name="0.25 sigma", inject=_moved("temp", lambda s, v: np.round(v + 2, 1)), kinds=DRIFT,
          causes=("population_shift",), features=("temp",)),
    Fault(name="0.1 sigma", inject=_moved("temp", lambda s, v: np.round(v + 0.8, 1)), kinds=DRIFT,
          causes=("population_shift",), features=("temp",), minutes=30),
    Fault(name="ramp to 0.5 sigma", inject=_ramp, kinds=DRIFT, causes=("population_shift",),
          features=("temp",), minutes=30),
    Fault(name="outputs at 45 % late", inject=lambda s: setattr(
        s, "prediction", np.where(_share(s, 0.22), "late", s.prediction)),
          kinds=("output_drift", "quality"),
          causes=("population_shift", "concept_change", "unknown")),
    Fault(name="prediction collapse", inject=_collapse, kinds=("collapse",),
          causes=("prediction_collapse",)),
    Fault(name="changed world", inject=_accuracy(_always(0.75)), kinds=LOW,
          causes=("concept_change",)),
    Fault(name="slow decay of 4 points", inject=_accuracy(_slow_decay), kinds=LOW,
          causes=("concept_change",), minutes=90),
    Fault(name="labels all one class", inject=_labels_of_one_class, kinds=LOW,
          causes=("label_problem",)),
    Fault(name="labels of other rows", inject=_labels_shuffled, kinds=LOW,
          causes=("label_problem", "concept_change")),
    Fault(name="bad for one carrier", inject=_accuracy(_always(0.35), "UA"), kinds=LOW,
          causes=("one_segment",), segments=("carrier",)),
    Fault(name="bad new version", inject=_new_version, kinds=LOW, causes=("new_version",)),
    Fault(name="canary 4 points worse", inject=lambda s: _canary(s, 0.86), kinds=LOW,
          causes=("new_version",), minutes=40),
    Fault(name="load", inject=_load, kinds=("latency", "volume", "resource"), causes=("load",)),
    Fault(name="memory leak, slower", inject=_leak_and_slow, kinds=("latency", "resource"),
          causes=("memory",), minutes=30),
    Fault(name="memory leak alone", inject=_leak, kinds=("resource",), causes=("memory",),
          minutes=30),
    Fault(name="network", inject=_network, kinds=("latency", "resource"), causes=("network",)),
    Fault(name="latency x2.2", inject=_slow, kinds=("latency",), causes=("unknown",)),
    Fault(name="latency creeps to x1.7", inject=_slowly_slower, kinds=("latency",),
          causes=("unknown",), minutes=90),
    Fault(name="20 % errors", inject=_errors, kinds=("errors",), causes=("errors_upstream",)),
    Fault(name="stream dead", inject=_silence, kinds=("volume",), causes=("dead_stream",)),
    Fault(name="predictions unreported", inject=_unreported, kinds=("volume",),
          causes=("dead_stream",)),
    Fault(name="60 % fewer rows", inject=_fewer, kinds=("volume",),
          causes=("dead_stream", "unknown")),
    Fault(name="20 % lost", inject=_lost, kinds=("blind",), causes=("blind",)),
    Fault(name="nothing", inject=_nothing, minutes=60),
    Fault(name="good canary takes half", inject=_takes_over, minutes=40),
)  # fmt: skip
"""What is expected of each. Some of these have two readings, and both are listed."""
