"""By kind of event: how one JSON event is checked, and how rows become columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inferwatch.events.json_event import Event
from inferwatch.events.kinds import Kind
from pipeline.columns import Ints
from pipeline.decode import (
    arrow_labels,
    arrow_latencies,
    arrow_predictions,
    arrow_resources,
    json_labels,
    json_latencies,
    json_predictions,
    json_resources,
)
from pipeline.decode.arrow_fields import Fields
from pipeline.decode.decoded import Rows
from pipeline.decode.faults import Faults


@dataclass(frozen=True, slots=True)
class KindReader:
    """The three steps of one kind.

    Attributes:
        check: one JSON event, and the latest time that is not in the future; the checked event.
        columns: many checked events to columns.
        batch: a columnar batch to columns.
    """

    check: Callable[[Event, int], Any]
    columns: Callable[[Sequence[Any]], Rows]
    batch: Callable[[Fields, Ints, Faults], Rows]


READERS: Mapping[Kind, KindReader] = {
    Kind.PREDICTION: KindReader(
        json_predictions.read_prediction,
        json_predictions.prediction_rows,
        arrow_predictions.prediction_rows,
    ),
    Kind.LATENCY: KindReader(
        json_latencies.read_latency, json_latencies.latency_rows, arrow_latencies.latency_rows
    ),
    Kind.RESOURCE: KindReader(
        json_resources.read_resource, json_resources.resource_rows, arrow_resources.resource_rows
    ),
    Kind.LABEL: KindReader(json_labels.read_label, json_labels.label_rows, arrow_labels.label_rows),
}
