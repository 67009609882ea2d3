"""CSV files as columns: what a cell is, is told by its text alone."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from inferwatch.errors import UsageError
from pipeline.columns import Column
from pipeline.decode.arrow_column import to_column

BLOCK_BYTES = 16 * 1024 * 1024
AS_WRITTEN = frozenset({"model", "version", "id", "split"})
"""Columns whose cells are text also where they look like numbers."""

_NUMBER = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE | re.ASCII
)
_HEADER_BYTES = 1024 * 1024


def read_csv(path: Path, progress: Callable[[int], None]) -> Iterator[dict[str, Column]]:
    """The rows of a CSV file in parts of 16 MB, as columns."""
    for batch in csv_batches(path, progress):
        yield {
            name: to_column(array) if name in AS_WRITTEN else cells_of(array)
            for name, array in zip(batch.schema.names, batch.columns, strict=True)
        }


def csv_batches(
    path: Path,
    progress: Callable[[int], None],
    refuse: Callable[[Any], str] = lambda row: "error",
) -> Iterator[Any]:
    """The rows of a CSV file in parts of 16 MB, every cell a text; an empty cell is null.

    The first line names the columns; a byte order mark belongs to no name; cells may be quoted
    and then hold commas, quotes and line breaks.

    Args:
        path: the file; `.gz` and `.zst` are unpacked.
        progress: told the bytes read so far.
        refuse: called for a row that has too few or too many cells; answers `error` or `skip`.
    """
    names = _header(path)
    with pa.input_stream(str(path), compression="detect") as source:
        reader = pyarrow.csv.open_csv(
            source,
            read_options=pyarrow.csv.ReadOptions(
                block_size=BLOCK_BYTES, column_names=names, skip_rows=1, use_threads=False
            ),
            parse_options=pyarrow.csv.ParseOptions(
                newlines_in_values=True, invalid_row_handler=refuse
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
        read = 0
        for batch in reader:
            yield batch
            read += batch.nbytes
            progress(min(read, path.stat().st_size))


def _header(path: Path) -> list[str]:
    with pa.input_stream(str(path), compression="detect") as source:
        start = source.read(_HEADER_BYTES).decode("utf-8-sig", errors="replace")
    names = next(csv.reader(io.StringIO(start, newline="")), [])
    if not names:
        raise UsageError(f"{path}: the file is empty; its first line must name the columns")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{path}: the columns {', '.join(twice)} stand in the first line twice")
    return names


def cells_of(array: Any) -> Column:
    """The column of a string array: texts that read as numbers are numbers.

    >>> column = cells_of(pa.array(["1.5", "n/a", None, "nan"]))
    >>> column.is_number.tolist(), column.texts
    ([True, False, False, True], ('n/a',))
    """
    return to_column(cells_array(array))


def cells_array(array: Any) -> Any:
    """The same as an Arrow array: of doubles, of texts, or a union of both.

    An empty cell is missing, `nan` and `inf` are numbers that are not finite.
    """
    try:
        return pc.cast(array, pa.float64())
    except pa.ArrowInvalid:
        pass  # some cell is no number, or one that only Python reads
    encoded = array.dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    numeric = np.array([*(_NUMBER.fullmatch(text) is not None for text in distinct), False])
    indices = encoded.indices.fill_null(-1).to_numpy()
    is_number = numeric[indices]
    if not is_number.any():
        return encoded
    values = np.array(
        [float(text) if here else 0.0 for text, here in zip(distinct, numeric, strict=False)]
    )
    rank = np.where(is_number, np.cumsum(is_number), np.cumsum(~is_number)) - 1
    return pa.UnionArray.from_dense(
        pa.array(np.where(is_number, 0, 1), pa.int8()),
        pa.array(rank, pa.int32()),
        [
            pa.array(values[indices[is_number]]),
            encoded.filter(pa.array(~is_number)).cast(pa.string()),
        ],
    )
