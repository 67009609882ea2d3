"""JSON lines as columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from inferwatch.errors import RejectedEventError, UsageError
from inferwatch.events.flatten import flatten, pivot
from inferwatch.events.json_parse import parse_json
from pipeline.columns import Column
from pipeline.decode.column_values import column_of

ROWS = 8_192
_BUFFER_BYTES = 1024 * 1024


def read_json_lines(path: Path, progress: Callable[[int], None]) -> Iterator[dict[str, Column]]:
    """The rows of a file with one JSON object a line, 8,192 at a time; `.gz`, `.zst` unpacked.

    Nested objects are flattened with dots, so the lines may be tables or prediction events.
    """
    with path.open("rb") as raw, unpacked_lines(raw, path) as source:
        number = 0
        while lines := list(islice(source, ROWS)):
            rows = []
            for line in lines:
                number += 1
                if line.strip():
                    rows.append(_row(line, path, number))
            if rows:
                yield {name: column_of(values) for name, values in pivot(rows).items()}
            progress(raw.tell())


def unpacked_lines(raw: Any, path: Path) -> AbstractContextManager[Iterator[bytes]]:
    """The lines of an open file without their ends, unpacked as its name's end says."""
    kind = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix.lower())
    source = pa.PythonFile(raw, mode="r")
    if kind is not None:
        source = pa.CompressedInputStream(source, kind)
    return _Lines(source)


class _Lines:
    """Lines of an Arrow stream; its own reader goes line by line through Python far slower."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def __enter__(self) -> Iterator[bytes]:
        return self._lines()

    def __exit__(self, *error: object) -> None:
        self._source.close()

    def _lines(self) -> Iterator[bytes]:
        rest = b""
        while block := self._source.read(_BUFFER_BYTES):
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            yield from lines
        if rest:
            yield rest


def _row(line: bytes, path: Path, number: int) -> dict[str, object]:
    try:
        value = parse_json(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
        if not isinstance(value, dict):
            raise UsageError(f"{path}:{number}: a JSON object is wanted in each line")
        return flatten(value)
    except RejectedEventError as error:
        raise UsageError(f"{path}:{number}: {error}") from error
