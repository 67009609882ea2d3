"""The four kinds of event: which fields each has, and what makes a row of it count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

from inferwatch.events.json_event import Event
from inferwatch.events.kinds import Kind
from inferwatch.events.label import Label
from inferwatch.events.latency import Latency
from inferwatch.events.prediction import Prediction
from inferwatch.events.resource import RESOURCE_METRICS, Resource
from producers.bridge import fields as check
from producers.bridge.fields import Column, Faults
from producers.bridge.log_slices import LogSlice
from producers.bridge.mapping import FieldMap
from producers.bridge.parsing import Rejected, exact_event, parse_slice
from producers.bridge.table import Holds, Table

_LATENCY_NUMBERS = (
    "status",
    "rows",
    "request_bytes",
    "response_bytes",
    "ttft_ms",
    "tokens_in",
    "tokens_out",
)
_RECORDS = {
    Kind.PREDICTION: Prediction,
    Kind.LATENCY: Latency,
    Kind.RESOURCE: Resource,
    Kind.LABEL: Label,
}


@dataclass(slots=True)
class _Batch:
    """Parsed events of one partition, and what was found wrong with them."""

    records: LogSlice
    events: Sequence[Event]
    mapped: FieldMap
    future: int
    faults: Faults

    def column(self, key: str) -> Column:
        return self.mapped.column(key, self.events)

    def times(self) -> Column:
        return check.times(self.column("ts"), self.records.timestamps, self.future, self.faults)

    def exact_id(self, row: int) -> object:
        value = self.records.values[row]
        assert value is not None, "it was parsed"
        event = exact_event(value, self.records.headers.get(row, ()))
        return self.mapped.one("id", event)


Columns = dict[str, tuple[Holds, Column]]


class Shaper:
    """Turns records of one foreign topic into rows and rejections.

    Guarantee: each record is one row or is rejected, by the same rules that a worker applies to
    single events. Deterministic.

    >>> shaper = Shaper(Kind.LABEL, {"id": "$.i", "ts": "$.t", "label": "$.y"},
    ...     event_bytes=1000, future=0)
    >>> records = LogSlice([7, 8], [5, 5], [b'{"i": 1, "t": 5, "y": true}', b'{"i": 1}'])
    >>> table, rejected = shaper.shape(records)
    >>> table.seq, table.columns["label"][1], rejected[0].offset, rejected[0].error.reason
    ([7], ['true'], 8, 'no_ts')
    """

    def __init__(
        self, kind: Kind, sources: Mapping[str, str], *, event_bytes: int, future: int
    ) -> None:
        """One for each foreign topic.

        Args:
            kind: what its events are.
            sources: its `map`; empty where its events have our own names.
            event_bytes: `limits.event_bytes`.
            future: `limits.future` in milliseconds.
        """
        self._columns = _COLUMNS[kind]
        self._event_bytes = event_bytes
        self._future = future
        self._mapped = (
            FieldMap.compile(sources)
            if sources
            else FieldMap.same(field.name for field in fields(_RECORDS[kind]))
        )

    def shape(self, records: LogSlice) -> tuple[Table, list[Rejected]]:
        """The rows, and the records that are none; both rising by offset."""
        records, events, rejected = parse_slice(records, self._event_bytes)
        table = Table(records.offsets, records.values)
        if not events:
            return table, rejected
        batch = _Batch(records, events, self._mapped, self._future, Faults())
        table.columns.update(self._columns(batch))
        faults = batch.faults.by_row
        if not faults:
            return table, rejected
        rejected += [
            Rejected(records.offsets[row], records.values[row], error)
            for row, error in faults.items()
        ]
        rejected.sort(key=lambda one: one.offset)
        return table.take([row for row in range(table.size) if row not in faults]), rejected


def _named(batch: _Batch) -> Columns:
    return {
        "model": (Holds.NAMES, check.models(batch.column("model"), batch.faults)),
        "version": (Holds.NAMES, check.versions(batch.column("version"), batch.faults)),
        "ts": (Holds.WHOLE, batch.times()),
    }


def _predictions(batch: _Batch) -> Columns:
    faults, column = batch.faults, batch.column
    return {
        **_named(batch),
        "id": (Holds.TEXTS, check.ids(column("id"), batch.exact_id, faults)),
        "prediction": (Holds.ANYTHING, check.answers(column("prediction"), faults)),
        "features": (Holds.OBJECTS, check.objects("features", column("features"), faults)),
        "scores": (Holds.OBJECTS, check.scores(column("scores"), faults)),
        "segment": (Holds.OBJECTS, check.objects("segment", column("segment"), faults)),
    }


def _latencies(batch: _Batch) -> Columns:
    # In the order of a worker's checks: of several mistakes both name the same one.
    named = _named(batch)
    latency = check.measures("latency_ms", batch.column("latency_ms"), batch.faults)
    return {
        **named,
        "latency_ms": (Holds.NUMBERS, latency),
        **{
            name: (Holds.NUMBERS, check.optional_measures(batch.column(name)))
            for name in _LATENCY_NUMBERS
        },
        "error": (Holds.TEXTS, check.error_texts(batch.column("error"))),
    }


def _resources(batch: _Batch) -> Columns:
    return {
        **_named(batch),
        **{
            name: (Holds.NUMBERS, check.optional_measures(batch.column(name)))
            for name in RESOURCE_METRICS
        },
    }


def _labels(batch: _Batch) -> Columns:
    faults, column = batch.faults, batch.column
    return {
        "ts": (Holds.WHOLE, batch.times()),
        "id": (Holds.TEXTS, check.required_ids(column("id"), batch.exact_id, faults)),
        "label": (Holds.TEXTS, check.label_texts(column("label"), faults)),
    }


_COLUMNS: Mapping[Kind, Callable[[_Batch], Columns]] = {
    Kind.PREDICTION: _predictions,
    Kind.LATENCY: _latencies,
    Kind.RESOURCE: _resources,
    Kind.LABEL: _labels,
}
