"""Parquet and Arrow files of any size as record batches, a part at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 65_536
"""The most rows of a part."""


def parquet_batches(path: Path, progress: Callable[[int], None]) -> Iterator[Any]:
    """The rows of a Parquet file; texts come as dictionaries where the file holds them so."""
    with pq.ParquetFile(path) as file:
        texts = [field.name for field in file.schema_arrow if pa.types.is_string(field.type)]
    with pq.ParquetFile(path, read_dictionary=texts) as file:
        total, rows = path.stat().st_size, 0
        for batch in file.iter_batches(batch_size=ROWS):
            yield batch
            rows += batch.num_rows
            progress(total * rows // max(file.metadata.num_rows, 1))


def arrow_batches(path: Path, progress: Callable[[int], None]) -> Iterator[Any]:
    """The rows of an Arrow file: of the file format, or of a stream as a record holds it."""
    with pa.memory_map(str(path)) as source:
        try:
            reader = pa.ipc.open_file(source)
            batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
        except pa.ArrowInvalid:
            source.seek(0)
            batches = iter(pa.ipc.open_stream(source))
        for batch in batches:
            # A damaged file must not be computed with: its offsets point anywhere.
            batch.validate(full=True)
            for start in range(0, batch.num_rows, ROWS):
                yield batch.slice(start, ROWS)
            progress(source.tell())
