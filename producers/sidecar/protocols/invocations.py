"""Bodies of `POST /invocations`, which MLflow and SageMaker share: JSON forms, CSV, JSON lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from producers.sidecar.protocols.json_body import read_json
from producers.sidecar.protocols.protocol import UndecodableError, Value
from producers.sidecar.protocols.rows import Rows, outputs_of, rows_of_columns, rows_of_instances
from producers.sidecar.protocols.tables import CSV, JSON_LINES, csv_answers, csv_rows, json_lines
from producers.sidecar.streams import media_type

_TEXT_ANSWERS = (*CSV, "text/plain")


def read_request(body: bytes | None, content_type: str | None, *, header: bool | None) -> Rows:
    """The rows that were asked for; `header`: whether a CSV's first line names its columns.

    Raises:
        UndecodableError: none of the known forms.
    """
    media = media_type(content_type)
    if media in CSV:
        return csv_rows(body, header=header)
    if media in JSON_LINES:
        return rows_of_instances(json_lines(body))
    return rows_of_json(read_json(body))


def rows_of_json(value: Any) -> Rows:
    """The rows of one of the JSON forms, or of a bare list of rows.

    >>> rows_of_json({"dataframe_split": {"columns": ["a"], "data": [[1], [2]]}})
    (['a'], [[1], [2]])
    >>> rows_of_json({"inputs": {"a": [1, 2]}})
    (['a'], [[1], [2]])
    >>> rows_of_json({"inputs": "a text"})
    (None, [['a text']])
    """
    if isinstance(value, list):
        return rows_of_instances(value)
    if not isinstance(value, dict):
        raise UndecodableError("no_object")
    if isinstance(value.get("dataframe_split"), dict):
        return _rows_of_split(value["dataframe_split"])
    for key in ("dataframe_records", "instances", "inputs"):
        found = value.get(key)
        if isinstance(found, list):
            return rows_of_instances(found)
        if isinstance(found, dict) and found:
            return rows_of_columns(found)
        if isinstance(found, (str, int, float)):
            return None, [[found]]
    raise UndecodableError("no_instances")


def read_answer(
    body: bytes | None, content_type: str | None, rows: int
) -> dict[str, Sequence[Value]]:
    """Named outputs, one item a row.

    >>> read_answer(b'{"predictions": [0, 2]}', "application/json", 2)
    {'': [0, 2]}
    """
    media = media_type(content_type)
    if media in _TEXT_ANSWERS:
        return csv_answers(body, rows)
    if media in JSON_LINES:
        return outputs_of(json_lines(body))
    value = read_json(body)
    if isinstance(value, dict) and isinstance(value.get("predictions"), (str, int, float)):
        return {"": [value["predictions"]]}
    return outputs_of(value)


def _rows_of_split(split: dict[str, Any]) -> Rows:
    data, columns = split.get("data"), split.get("columns")
    if not isinstance(data, list) or not all(isinstance(row, list) for row in data):
        raise UndecodableError("no_rows")
    if not isinstance(columns, list):
        return None, data
    # Columns with several levels are lists of names.
    return [".".join(map(str, c)) if isinstance(c, list) else str(c) for c in columns], data
