"""Some rows of many, whatever their kind."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from pipeline.columns import Column, Ints, LatencyRows, PredictionRows, ResourceRows
from pipeline.decode.decoded import Rows

T = TypeVar("T")


def take(rows: Rows, at: Ints) -> Rows:
    """The rows at these positions, in this order.

    >>> from pipeline.columns import LabelRows
    >>> labels = LabelRows(size=2, ts=np.array([5, 6]), ids=("a", "b"), texts=("x", "y"),
    ...                    numbers=np.array([np.nan, np.nan]))
    >>> take(labels, np.array([1])).ids
    ('b',)
    """
    if isinstance(rows, PredictionRows):
        return replace(
            rows,
            size=len(at),
            ts=rows.ts[at],
            model=rows.model[at],
            version=rows.version[at],
            prediction=rows.prediction.take(at),
            features=_columns(rows.features, at),
            scores=_columns(rows.scores, at),
            segments=_columns(rows.segments, at),
            ids=None if rows.ids is None else _tuple(rows.ids, at),
            seq=_seq(rows, at),
        )
    if isinstance(rows, LatencyRows):
        return replace(
            rows,
            size=len(at),
            ts=rows.ts[at],
            model=rows.model[at],
            version=rows.version[at],
            latency_ms=rows.latency_ms[at],
            failed=rows.failed[at],
            ttft_ms=rows.ttft_ms[at],
            tokens_out=rows.tokens_out[at],
            seq=_seq(rows, at),
        )
    if isinstance(rows, ResourceRows):
        return replace(
            rows,
            size=len(at),
            ts=rows.ts[at],
            model=rows.model[at],
            version=rows.version[at],
            metrics={name: values[at] for name, values in rows.metrics.items()},
            seq=_seq(rows, at),
        )
    return replace(
        rows,
        size=len(at),
        ts=rows.ts[at],
        ids=_tuple(rows.ids, at),
        texts=_tuple(rows.texts, at),
        numbers=rows.numbers[at],
        seq=_seq(rows, at),
    )


def by_model(rows: PredictionRows) -> list[tuple[PredictionRows, Ints]]:
    """The rows of each model by itself, with their positions.

    Arrow cannot tell a feature that a row names without a value from one that only the rows of
    another model have; so a column without any value among a model's rows is not its own. In a
    batch of one model every column is.
    """
    used = np.unique(rows.model)
    if len(used) < 2:
        return [(rows, np.arange(rows.size))]
    parts = []
    for code in used.tolist():
        at = np.flatnonzero(rows.model == code)
        part = take(rows, at)
        assert isinstance(part, PredictionRows)
        own = replace(
            part,
            features=_with_values(part.features, rows.features),
            scores=_with_values(part.scores, rows.scores),
            segments=_with_values(part.segments, rows.segments),
        )
        parts.append((own, at))
    return parts


def _with_values(part: dict[str, Column], whole: dict[str, Column]) -> dict[str, Column]:
    return {
        name: column
        for name, column in part.items()
        if not column.missing().all() or whole[name].missing().all()
    }


def _columns(columns: dict[str, Column], at: Ints) -> dict[str, Column]:
    return {name: column.take(at) for name, column in columns.items()}


def _tuple(values: tuple[T, ...], at: Ints) -> tuple[T, ...]:
    return tuple([values[i] for i in at.tolist()])


def _seq(rows: Rows, at: Ints) -> Ints | None:
    return None if rows.seq is None else rows.seq[at]
