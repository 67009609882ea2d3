"""Resource samples, one JSON object each, to columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inferwatch.events.fields.measures import optional_measure
from inferwatch.events.fields.names import model_name, version_name
from inferwatch.events.fields.timestamps import event_time
from inferwatch.events.json_event import Event
from inferwatch.events.resource import RESOURCE_METRICS
from pipeline.columns import ResourceRows
from pipeline.decode.column_values import doubles, encode_texts


@dataclass(slots=True)
class JsonResource:
    """One checked sample; `metrics` in the order of `RESOURCE_METRICS`."""

    model: str
    version: str
    ts: int
    metrics: tuple[float, ...]


def read_resource(event: Event, latest: int) -> JsonResource:
    """Check one sample; `latest` is the latest time that is not in the future.

    Raises:
        RejectedEventError: the first thing that is wrong.
    """
    get = event.get
    return JsonResource(
        model_name(get("model")),
        version_name(get("version")),
        event_time(get("ts"), latest),
        tuple([optional_measure(get(name)) for name in RESOURCE_METRICS]),
    )


def resource_rows(rows: Sequence[JsonResource]) -> ResourceRows:
    """The columns of these samples."""
    size = len(rows)
    model, models = encode_texts([row.model for row in rows])
    version, versions = encode_texts([row.version for row in rows])
    return ResourceRows(
        size=size,
        ts=np.fromiter([row.ts for row in rows], np.int64, size),
        model=model,
        models=models,
        version=version,
        versions=versions,
        metrics={
            name: doubles([row.metrics[i] for row in rows])
            for i, name in enumerate(RESOURCE_METRICS)
        },
    )
