"""CSV and JSON lines, as model servers take and give them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

from producers.sidecar.protocols.json_body import read_json
from producers.sidecar.protocols.protocol import UndecodableError, Value
from producers.sidecar.protocols.rows import Rows

CSV = ("text/csv", "application/csv")
JSON_LINES = (
    "application/jsonlines",
    "application/x-jsonlines",
    "application/jsonl",
    "application/x-ndjson",
    "application/ndjson",
)

_WHOLE = re.compile(r"[+-]?\d{1,18}")
# What spreadsheets and pandas write, and no name of a column.
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf|infinity)", re.I)


def csv_rows(body: bytes | None, *, header: bool | None) -> Rows:
    r"""The rows of a CSV; `header` None: the first line is one when no cell of it is a number.

    An empty cell is missing; numbers, `nan` and `inf` are numbers, all else is text.

    >>> csv_rows(b"a,b\n1,x\n2.5,\n", header=None)
    (['a', 'b'], [[1, 'x'], [2.5, None]])
    >>> csv_rows(b"1,2\n", header=False)
    (None, [[1, 2]])
    """
    lines = csv_cells(body)
    if not lines:
        raise UndecodableError("no_rows")
    if header is None:
        header = len(lines) > 1 and not any(_NUMBER.fullmatch(c.strip()) for c in lines[0])
    names = lines.pop(0) if header else None
    return names, [[cell_value(cell) for cell in line] for line in lines]


def csv_cells(body: bytes | None) -> list[list[str]]:
    """The cells of a CSV as text; empty lines are none."""
    if body is None:
        raise UndecodableError("no_body")
    try:
        text = body.decode("utf-8-sig")
        return [line for line in csv.reader(io.StringIO(text, newline="")) if line]
    except (UnicodeDecodeError, csv.Error):
        raise UndecodableError("no_csv") from None


def cell_value(cell: str) -> Value:
    """What a cell says.

    >>> cell_value("7"), cell_value(" 1e3"), cell_value(""), cell_value("DE")
    (7, 1000.0, None, 'DE')
    """
    stripped = cell.strip()
    if _WHOLE.fullmatch(stripped):
        return int(stripped)
    if _NUMBER.fullmatch(stripped):
        return float(stripped)
    return cell or None


def csv_answers(body: bytes | None, rows: int | None) -> dict[str, Sequence[Value]]:
    r"""One item a row of a CSV answer: a line each, or all on one line.

    >>> csv_answers(b"0\n2\n", 2), csv_answers(b"0.1,0.9", 2), csv_answers(b"0.1,0.9", 1)
    ({'': [0, 2]}, {'': [0.1, 0.9]}, {'': [[0.1, 0.9]]})
    """
    lines = [[cell_value(cell) for cell in line] for line in csv_cells(body)]
    if len(lines) == 1 and rows is not None and rows == len(lines[0]):
        return {"": lines[0]}
    return {"": [line[0] if len(line) == 1 else line for line in lines]}


def json_lines(body: bytes | None) -> list[Any]:
    r"""The values of JSON lines; empty lines are none.

    >>> json_lines(b'{"a": 1}\n\n{"a": 2}')
    [{'a': 1}, {'a': 2}]
    """
    if body is None:
        raise UndecodableError("no_body")
    return [read_json(line) for line in body.splitlines() if line.strip()]
