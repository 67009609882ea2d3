"""Prediction events, one JSON object each, to columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from inferwatch.events.fields.answers import prediction_value
from inferwatch.events.fields.ids import event_id
from inferwatch.events.fields.names import model_name, version_name
from inferwatch.events.fields.objects import named_values, scores_by_class
from inferwatch.events.fields.timestamps import event_time
from inferwatch.events.flatten import flatten, pivot
from inferwatch.events.json_event import Event
from pipeline.columns import Column, PredictionRows
from pipeline.decode.column_values import column_of, encode_texts, text_column_of


@dataclass(slots=True)
class JsonPrediction:
    """One checked event."""

    model: str
    version: str
    ts: int
    id: str | None
    prediction: object
    features: Mapping[str, object]
    scores: Mapping[str, object]
    segment: Mapping[str, object]


def read_prediction(event: Event, latest: int) -> JsonPrediction:
    """Check one event.

    Args:
        event: as parsed.
        latest: the latest time that is not in the future.

    Raises:
        RejectedEventError: the first thing that is wrong, in the order of the record's fields.
    """
    get = event.get
    return JsonPrediction(
        model_name(get("model")),
        version_name(get("version")),
        event_time(get("ts"), latest),
        event_id(get("id")),
        prediction_value(get("prediction")),
        _flat(named_values("features", get("features"))),
        _flat(scores_by_class(get("scores"))),
        _flat(named_values("segment", get("segment"))),
    )


def prediction_rows(rows: Sequence[JsonPrediction]) -> PredictionRows:
    """The columns of events of one model."""
    size = len(rows)
    model, models = encode_texts([row.model for row in rows])
    version, versions = encode_texts([row.version for row in rows])
    ids = tuple([row.id for row in rows])
    return PredictionRows(
        size=size,
        ts=np.fromiter([row.ts for row in rows], np.int64, size),
        model=model,
        models=models,
        version=version,
        versions=versions,
        prediction=column_of([row.prediction for row in rows]),
        features=_columns([row.features for row in rows]),
        scores=_columns([row.scores for row in rows]),
        segments={
            name: text_column_of(values)
            for name, values in pivot([row.segment for row in rows]).items()
        },
        ids=None if ids.count(None) == size else ids,
    )


def _columns(rows: Sequence[Mapping[str, object]]) -> dict[str, Column]:
    columns = {name: column_of(values) for name, values in pivot(rows).items()}
    if sum(map(len, rows)) == len(columns) * len(rows):
        return columns  # most often: every event names everything
    for name, column in columns.items():
        named = np.fromiter([name in row for row in rows], np.bool_, len(rows))
        if not named.all():
            columns[name] = replace(column, named=named)
    return columns


def _flat(values: Mapping[str, object]) -> Mapping[str, object]:
    return flatten(values) if dict in map(type, values.values()) else values
