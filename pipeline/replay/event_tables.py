"""Events from tables: record batches of Parquet, Arrow and CSV files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inferwatch.events.kinds import Kind
from pipeline.columns import Ints
from pipeline.decode.arrow_column import to_column
from pipeline.decode.arrow_fields import fields_of
from pipeline.decode.arrow_plain import TEXT_TYPES
from pipeline.decode.batch_rows import Place, chunks_of
from pipeline.decode.decoder import Limits
from pipeline.decode.faults import Faults
from pipeline.decode.kind_readers import READERS
from pipeline.reference.csv_table import cells_array, csv_batches
from pipeline.reference.record_batches import arrow_batches, parquet_batches
from pipeline.reference.roles import PANDAS_INDEX
from pipeline.replay.part import Part

Progress = Callable[[int], None]

KNOWN = frozenset(
    {"id", "model", "version", "ts", "prediction", "origin", "seq", "received", "label", "split"}
)
"""Columns of predictions that are no features; `label` and `split` are a reference's."""
_OBJECTS = frozenset({"features", "scores", "segment"})
_CONSTANTS = ("model", "version", "origin")
_AS_WRITTEN = frozenset({"id", "model", "version", "origin"})
_WHOLE = frozenset({"ts", "seq", "received"})


class TableDecoder:
    """Decodes the parts of one table, in their order."""

    def __init__(self, kind: Kind, limits: Limits, now_ms: int, *, with_ids: bool) -> None:
        """Decode events of a kind; ids that nothing will ask for need not be read."""
        self._kind = kind
        self._reader = READERS[kind]
        self._future = limits.future
        self._now_ms = now_ms
        self._with_ids = with_ids
        self._rows = 0

    def part(self, batch: Any) -> Part:
        """The rows of a record batch."""
        size = batch.num_rows
        metadata = batch.schema.metadata or {}
        constants = {
            name: metadata[name.encode()].decode("utf-8", "backslashreplace")
            for name in _CONSTANTS
            if name.encode() in metadata
        }
        if self._kind is Kind.PREDICTION:
            batch = self._named(batch)
        fields = fields_of(batch, constants)
        faults = Faults()
        place = Place(
            partition=0,
            offset=np.arange(self._rows, self._rows + size),
            row=np.zeros(size, np.int32),
            record_ts=self._received(fields.plain.get("received"), size),
            origin=constants.get("origin"),
        )
        self._rows += size
        chunks = chunks_of(self._reader, fields, place, self._future, faults)
        return Part(chunks, Counter(error.reason for error in faults.by_row.values()))

    def _named(self, batch: Any) -> Any:
        """A column with no known name is a feature, with or without the prefix."""
        names = set(batch.schema.names)
        columns = []
        for name, array in zip(batch.schema.names, batch.columns, strict=True):
            if name == "id" and not self._with_ids and _is_plain_id(array):
                continue
            if name.startswith(PANDAS_INDEX):
                continue
            if name not in KNOWN and name.partition(".")[0] not in _OBJECTS:
                name = f"features.{name}"
                if name in names:
                    continue
            columns.append((name, array))
        return pa.RecordBatch.from_arrays([a for _, a in columns], [n for n, _ in columns])

    def _received(self, array: Any, size: int) -> Ints:
        received = np.full(size, self._now_ms, np.int64)
        numbers = None if array is None else to_column(array)
        if numbers is not None and numbers.numbers is not None:
            known = np.abs(numbers.numbers) < 2**53
            if numbers.is_number is not None:
                known &= numbers.is_number
            received[known] = numbers.numbers[known].astype(np.int64)
        return received


def _is_plain_id(array: Any) -> bool:
    """Whether no value of the column can be refused."""
    return array.type.id in TEXT_TYPES or pa.types.is_integer(array.type)


def table_batches(
    path: Path,
    suffix: str,
    progress: Progress,
    rejected: Counter[str],
    is_regression: Callable[[str], bool],
) -> Iterator[Any]:
    """The record batches of a file; rows of a CSV file that are no rows count as malformed.

    Args:
        path: the file.
        suffix: of its name, without what tells how it is packed.
        progress: told the bytes read so far.
        rejected: where bad rows are counted.
        is_regression: whether a model's predictions are values: of a CSV file's cells only the
            model tells.
    """
    if suffix == ".parquet":
        return parquet_batches(path, progress)
    if suffix == ".csv":
        return _csv_batches(path, progress, rejected, is_regression)
    return arrow_batches(path, progress)


def sorted_by_time(batches: Iterator[Any]) -> Iterator[Any]:
    """All rows by `ts`, those of one time as they stood; rows without a time come last."""
    parts = list(batches)
    if not parts or "ts" not in parts[0].schema.names:
        yield from parts
        return
    times = np.concatenate([_times(part.column("ts")) for part in parts])
    table = pa.Table.from_batches(parts).take(pa.array(np.argsort(times, kind="stable")))
    yield from table.combine_chunks().to_batches(max_chunksize=65_536)


def _times(array: Any) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.timestamp("ms"), safe=False).cast(pa.int64())
    column = to_column(array)
    times = np.full(column.size, np.inf)
    if column.numbers is not None:
        known = np.isfinite(column.numbers)
        if column.is_number is not None:
            known &= column.is_number
        times[known] = column.numbers[known]
    return times


def _csv_batches(
    path: Path, progress: Progress, rejected: Counter[str], is_regression: Callable[[str], bool]
) -> Iterator[Any]:
    def refuse(row: Any) -> str:
        rejected["malformed"] += 1
        return "skip"

    for batch in csv_batches(path, progress, refuse):
        cells = dict(zip(batch.schema.names, batch.columns, strict=True))
        arrays = [_cells(name, array) for name, array in cells.items()]
        if "prediction" in cells and "model" in cells:
            models = cells["model"].unique().to_pylist()
            if not any(is_regression(model) for model in models if model is not None):
                arrays[list(cells).index("prediction")] = class_texts(cells["prediction"])
        yield pa.RecordBatch.from_arrays(arrays, batch.schema.names)


def _cells(name: str, array: Any) -> Any:
    if name == "label":
        return class_texts(array)
    if name in _AS_WRITTEN:
        return array
    if name in _WHOLE:
        try:
            return pc.cast(array, pa.int64())
        except pa.ArrowInvalid:
            pass  # 1764000000123.0 is whole too, and the rest is for the decoder to judge
    return cells_array(array)


def class_texts(array: Any) -> Any:
    """Classes as they are written; but 1.0 is 1, as everywhere.

    Tools that know no missing whole number write them so as soon as one cell is empty.

    >>> class_texts(pa.array(["1.0", "1", "1.10", "007", None])).to_pylist()
    ['1', '1', '1.10', '007', None]
    """
    return pc.replace_substring_regex(array, r"^(-?(?:0|[1-9][0-9]*))\.0+$", r"\1")
