"""JSON forms that several servers share: instances to rows, predictions to named outputs.

A row is a list, or an object whose leaves are named with dots. An object that only wraps one list
(`{"features": [5.1, 3.5]}`, `{"data": {"features": {"values": […]}}}`) is that list; a list of one
item stands for the item, as TensorFlow writes a scalar. `{"b64": …}` marks binary data, which is
no value to watch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inferwatch.events.flatten import flatten
from producers.sidecar.protocols.protocol import UndecodableError, Value

Rows = tuple[list[str] | None, list[list[Value]]]
"""The columns' names, None where the wire names none, and the values."""

_PREDICTION_KEYS = ("predictions", "outputs")


def rows_of_instances(instances: Sequence[Any]) -> Rows:
    """One row an instance.

    >>> rows_of_instances([[1, 2], [3, 4]])
    (None, [[1, 2], [3, 4]])
    >>> rows_of_instances([{"a": 1, "b": {"c": [2]}}, {"a": 3}])
    (['a', 'b.c'], [[1, 2], [3, None]])
    >>> rows_of_instances([{"features": [1, 2]}])
    (None, [[1, 2]])
    """
    if not any(isinstance(row, dict) for row in instances):
        return None, [flat(row) if isinstance(row, list) else [row] for row in instances]
    wrapped = [_wrapped_list(row) for row in instances]
    if any(row is not None and len(row) != 1 for row in wrapped):
        return None, [[] if row is None else flat(row) for row in wrapped]
    leaves = [_leaves(row) if isinstance(row, dict) else {} for row in instances]
    names = list(dict.fromkeys(name for row in leaves for name in row))
    return names, [[row.get(name) for name in names] for row in leaves]


def rows_of_columns(columns: Mapping[str, Any]) -> Rows:
    """Rows of named columns; a column of lists becomes several, `x.0`, `x.1`.

    One matrix alone has no names for its columns.

    >>> rows_of_columns({"a": [1, 2], "b": ["x", "y"]})
    (['a', 'b'], [[1, 'x'], [2, 'y']])
    """
    listed = {name: c if isinstance(c, list) else [c] for name, c in columns.items()}
    count = max((len(column) for column in listed.values()), default=0)
    if any(len(column) != count for column in listed.values()):
        raise UndecodableError("rows_differ")
    rows: list[list[Value]] = [[] for _ in range(count)]
    names: list[str] = []
    for name, column in listed.items():
        parts = [flat(item) if isinstance(item, list) else [item] for item in column]
        width = max(map(len, parts), default=0)
        names.extend([name] if width == 1 else [f"{name}.{i}" for i in range(width)])
        for row, part in zip(rows, parts, strict=True):
            row.extend(part + [None] * (width - len(part)))
    is_matrix = len(listed) == 1 and any(
        isinstance(item, list) for c in listed.values() for item in c
    )
    return (None if is_matrix else names), rows


def outputs_of(answer: Any) -> dict[str, Sequence[Value]]:
    """Named outputs, one item a row, of `{"predictions": …}` or what stands under that key.

    >>> outputs_of({"predictions": [[0.1, 0.9]]})
    {'': [[0.1, 0.9]]}
    >>> outputs_of([{"label": "a", "p": [1]}, {"label": "b", "p": [2]}])
    {'label': ['a', 'b'], 'p': [1, 2]}
    """
    found = answer
    if isinstance(answer, dict):
        found = next((answer[key] for key in _PREDICTION_KEYS if key in answer), answer)
    if isinstance(found, dict):
        return {
            name: [item(row) for row in rows] if isinstance(rows, list) else [rows]
            for name, rows in found.items()
        }
    if not isinstance(found, list):
        raise UndecodableError("no_predictions")
    if not found or not all(isinstance(row, dict) for row in found):
        return {"": [item(row) for row in found]}
    if all(_is_labelled(row) for row in found):
        # As pipelines of Hugging Face answer: the score is the label's own.
        return {
            "label": [row["label"] for row in found],
            "scores": [{row["label"]: row["score"]} for row in found],
        }
    names = dict.fromkeys(name for row in found for name in row)
    return {name: [item(row.get(name)) for row in found] for name in names}


def item(row: Any) -> Value:
    """What stands for one row of an output: a value, a list of them, or scores by class.

    >>> item([[7]]), item([[1, 2]]), item([["setosa", 0.9], ["virginica", 0.1]])
    (7, [1, 2], {'setosa': 0.9, 'virginica': 0.1})
    """
    if not isinstance(row, list):
        return row
    if row and all(_is_labelled(part) for part in row):
        return {part["label"]: part["score"] for part in row}
    if row and all(_is_pair(part) for part in row):
        return dict(row)
    values = flat(row)
    return values[0] if len(values) == 1 else values


def flat(row: list[Any]) -> list[Value]:
    """Nested lists as one."""
    values: list[Value] = []
    for part in row:
        values.extend(flat(part)) if isinstance(part, list) else values.append(part)
    return values


def _is_labelled(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and row.keys() == {"label", "score"}
        and isinstance(row["label"], str)
        and isinstance(row["score"], (int, float))
    )


def _is_pair(part: Any) -> bool:
    return (
        isinstance(part, list)
        and len(part) == 2
        and isinstance(part[0], str)
        and isinstance(part[1], (int, float))
    )


def _wrapped_list(row: Any) -> list[Any] | None:
    while isinstance(row, dict) and len(row) == 1:
        row = next(iter(row.values()))
    return row if isinstance(row, list) else None


def _leaves(row: Mapping[str, Any]) -> dict[str, Value]:
    return {
        name: value[0] if isinstance(value, list) and len(value) == 1 else value
        for name, value in flatten(row).items()
        if name != "b64" and not name.endswith(".b64")
    }
