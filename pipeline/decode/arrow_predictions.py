"""A columnar batch of predictions to columns."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from inferwatch.events.fields.answers import prediction_value
from inferwatch.events.fields.names import model_name, version_name
from inferwatch.events.fields.objects import POSITIVE, named_values, scores_by_class
from pipeline.columns import Column, Ints, PredictionRows
from pipeline.decode.arrow_column import to_column
from pipeline.decode.arrow_fields import Fields
from pipeline.decode.arrow_plain import NUMBER_TYPES, python_value
from pipeline.decode.arrow_scalars import ids, names, numbers_of_rows, python_values, times
from pipeline.decode.column_values import as_texts, column_of
from pipeline.decode.faults import Faults


def prediction_rows(fields: Fields, latest: Ints, faults: Faults) -> PredictionRows:
    """The columns of all rows, bad ones too; these are noted in `faults`.

    Args:
        fields: of the batch.
        latest: shape (n,); the latest time that is not in the future.
        faults: the checks run in the order of the JSON path, so that both name the same fault.
    """
    plain, constants, size = fields.plain, fields.constants, fields.size
    model, models = names(plain.get("model"), constants.get("model"), size, model_name, faults)
    version, versions = names(
        plain.get("version"), constants.get("version"), size, version_name, faults
    )
    ts = times(plain.get("ts"), latest, faults)
    event_ids = ids(plain.get("id"), faults)
    prediction = _prediction(plain.get("prediction"), size, faults)
    _check_object("features", plain.get("features"), faults)
    scores = {name: to_column(array) for name, array in fields.scores.items()}
    bare = plain.get("scores")
    if bare is not None and bare.type.id != pa.lib.Type_NA:
        scores[POSITIVE] = _bare_scores(bare, faults)
    _check_object("segment", plain.get("segment"), faults)
    return PredictionRows(
        size=size,
        ts=ts,
        model=model,
        models=models,
        version=version,
        versions=versions,
        prediction=prediction,
        features={name: to_column(array) for name, array in fields.features.items()},
        scores=scores,
        segments={name: as_texts(to_column(array)) for name, array in fields.segment.items()},
        ids=event_ids,
        seq=numbers_of_rows(plain.get("seq")),
    )


def _prediction(array: pa.Array | None, size: int, faults: Faults) -> Column:
    column = Column(size) if array is None else to_column(array)
    suspects = column.missing()
    if column.odd is not None:
        suspects |= column.odd
    for row in np.flatnonzero(suspects).tolist():
        value = None if array is None else python_value(array, row)
        faults.check_row(row, value, prediction_value)
    return column


def _bare_scores(array: pa.Array, faults: Faults) -> Column:
    if array.type.id in NUMBER_TYPES:
        return to_column(array)
    values = python_values(array, len(array))
    nothing: Mapping[str, object] = {}
    checked = faults.check(values, scores_by_class, nothing)
    return column_of([scores.get(POSITIVE) for scores in checked])


def _check_object(where: str, array: pa.Array | None, faults: Faults) -> None:
    """A column of that very name holds objects that no column flattens: only nulls may stand."""
    if array is not None and array.type.id != pa.lib.Type_NA:
        for row, value in enumerate(python_values(array, len(array))):
            if value is not None:
                faults.check_row(row, value, lambda value: named_values(where, value))
