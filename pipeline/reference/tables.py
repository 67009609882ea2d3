"""Tables of any size and format, a part at a time: Parquet, CSV, JSON lines, Arrow files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from inferwatch.errors import UsageError
from pipeline.columns import Column
from pipeline.decode.arrow_column import to_column
from pipeline.reference.csv_table import read_csv
from pipeline.reference.json_lines import read_json_lines
from pipeline.reference.record_batches import arrow_batches, parquet_batches

Progress = Callable[[int], None]
"""Told how many bytes of a file have been read so far."""

_READERS: dict[str, Callable[[Path, Progress], Iterator[dict[str, Column]]]] = {}


def read_tables(
    paths: Iterable[Path], progress: Progress = lambda read: None
) -> Iterator[Mapping[str, Column]]:
    """The rows of several files, part by part, each part as columns by name.

    Memory: one part, at most 65,536 rows or 16 MB of text.

    Args:
        paths: files; the extension tells the format: `.parquet`, `.csv`, `.jsonl` (also `.gz`
            and `.zst`), `.arrow`.
        progress: told the bytes read, over all files.

    Raises:
        UsageError: a file is absent or unreadable, or has another extension.
    """
    done = 0
    for path in paths:
        reader = _reader_of(path)
        before = done
        try:
            size = path.stat().st_size
            yield from reader(path, partial(_told_from, progress, before))
        except FileNotFoundError:
            raise UsageError(f"{path}: there is no such file") from None
        except (OSError, pa.ArrowException, EOFError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())
            raise UsageError(f"{path}: it cannot be read: {reason}") from error
        done += size
        progress(done)


def _told_from(progress: Progress, before: int, read: int) -> None:
    progress(before + read)


def _reader_of(path: Path) -> Callable[[Path, Progress], Iterator[dict[str, Column]]]:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in (".gz", ".zst"):
        suffixes.pop()
    reader = _READERS.get(suffixes[-1] if suffixes else "")
    if reader is None:
        raise UsageError(
            f"{path}: the extension names no format; allowed are {', '.join(sorted(_READERS))}, "
            "and .gz or .zst behind .jsonl and .csv"
        )
    return reader


def _read_parquet(path: Path, progress: Progress) -> Iterator[dict[str, Column]]:
    return map(columns_of, parquet_batches(path, progress))


def _read_arrow(path: Path, progress: Progress) -> Iterator[dict[str, Column]]:
    return map(columns_of, arrow_batches(path, progress))


def columns_of(batch: Any) -> dict[str, Column]:
    """The columns of an Arrow batch, structs flattened with dots.

    >>> list(columns_of(pa.record_batch({"a": pa.array([{"b": 1, "c": 2}]), "d": pa.array([3])})))
    ['a.b', 'a.c', 'd']
    """
    columns: dict[str, Column] = {}
    todo = list(zip(batch.schema.names, batch.columns, strict=True))
    while todo:
        name, array = todo.pop(0)
        if pa.types.is_struct(array.type):
            names = [f"{name}.{field.name}" for field in array.type]
            todo = [*zip(names, array.flatten(), strict=True), *todo]
        else:
            columns.setdefault(name, to_column(array))
    return columns


_READERS.update(
    {
        ".parquet": _read_parquet,
        ".arrow": _read_arrow,
        ".feather": _read_arrow,
        ".csv": read_csv,
        ".jsonl": read_json_lines,
        ".ndjson": read_json_lines,
    }
)
