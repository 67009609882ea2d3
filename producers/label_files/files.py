"""The rows of a file of labels: CSV, JSON lines or Parquet, told apart by the name's ending.

A row is the values of `id`, `ts` and `label` as the file has them; other columns are passed over.
In CSV an empty cell is missing, ids and labels are text as written (`1.10`, `0017`), a byte order
mark belongs to no name. `.gz` behind `.csv` and `.jsonl` is unpacked on the way.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from inferwatch.errors import RejectedEventError, UsageError
from inferwatch.events.json_parse import parse_exactly, parse_json

COLUMNS = ("id", "ts", "label")

# The standard library's own limit is 128 KiB, less than one event may have.
_LONGEST_CELL = 16 * 1024 * 1024

_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,300}\s*")

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row; `fault` is set, and nothing else, when it is not even a row.

    Attributes:
        place: `line 17` or `row 17`, for messages.
    """

    place: str
    id: object = None
    ts: object = None
    label: object = None
    fault: RejectedEventError | None = None


def read_labels(path: Path, progress: Progress) -> Iterator[FileRow]:
    """The rows of a file, one at a time; `progress` is told how many of its bytes were read.

    Raises:
        UsageError: no such file, an ending that is not known, a column that lacks, or a file
            that is damaged.
    """
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file")
    readers = {".csv": _csv_rows, ".jsonl": _json_rows, ".parquet": _parquet_rows}
    endings = path.suffixes[:-1] if path.suffix == ".gz" else path.suffixes
    read = readers.get(endings[-1].lower()) if endings else None
    if read is None:
        raise UsageError(
            f"{path}: what a file is is told by its ending; .csv, .jsonl, .parquet, .csv.gz and "
            ".jsonl.gz are known"
        )
    return read(path, progress)


def _csv_rows(path: Path, progress: Progress) -> Iterator[FileRow]:
    csv.field_size_limit(_LONGEST_CELL)
    with _opened(path) as (raw, unpacked), _damage_told(path):
        lines = csv.reader(io.TextIOWrapper(unpacked, "utf-8-sig", newline=""), strict=True)
        header = next(lines, [])
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise UsageError(
                f"{path}: the first line names no column {' and no '.join(missing)}; "
                f"{', '.join(COLUMNS)} are needed"
            )
        # Of a column given twice the last counts, as of a key in JSON.
        at = {name: len(header) - 1 - header[::-1].index(name) for name in COLUMNS}
        for cells in lines:
            if cells:
                progress(raw.tell())
                values = {n: cells[i] or None if i < len(cells) else None for n, i in at.items()}
                yield FileRow(
                    f"line {lines.line_num}", values["id"], _time(values["ts"]), values["label"]
                )


def _json_rows(path: Path, progress: Progress) -> Iterator[FileRow]:
    with _opened(path) as (raw, unpacked), _damage_told(path):
        for number, line in enumerate(unpacked, 1):
            if not line.strip():
                continue
            progress(raw.tell())
            place = f"line {number}"
            try:
                event = parse_json(line)
                if isinstance(event, dict) and type(event.get("id")) is float:
                    event = parse_exactly(line)  # an id needs all its digits
                if not isinstance(event, dict):
                    raise RejectedEventError("malformed", "", "an object is wanted")
            except RejectedEventError as fault:
                yield FileRow(place, fault=fault)
            else:
                yield FileRow(place, event.get("id"), event.get("ts"), event.get("label"))


def _parquet_rows(path: Path, progress: Progress) -> Iterator[FileRow]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise UsageError(
            f"{path}: reading Parquet needs the package pyarrow; "
            "install it with: pip install 'inferwatch[pipeline]'"
        ) from None
    size = path.stat().st_size
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            missing = [name for name in COLUMNS if name not in names]
            if missing:
                raise UsageError(f"{path}: there is no column {' and no '.join(missing)}")
            total, row = max(1, file.metadata.num_rows), 0
            for batch in file.iter_batches(batch_size=8_192, columns=list(COLUMNS)):
                ids, times, labels = (batch.column(batch.schema.names.index(n)) for n in COLUMNS)
                if pa.types.is_timestamp(times.type):
                    times = times.cast(pa.timestamp("ms"), safe=False).cast(pa.int64())
                for values in zip(
                    ids.to_pylist(), times.to_pylist(), labels.to_pylist(), strict=True
                ):
                    row += 1
                    yield FileRow(f"row {row}", *values)
                progress(size * row // total)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UsageError(f"{path}: it is damaged, or no Parquet ({error})") from None


def _time(cell: str | None) -> object:
    """A CSV cell as the number that it says; what says none stays text, and is rejected."""
    if cell is None:
        return None
    try:
        return int(cell) if _WHOLE.fullmatch(cell) else float(cell)
    except ValueError:
        return cell


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The file, and what it holds once unpacked."""
    with path.open("rb") as raw:
        if path.suffix == ".gz":
            with gzip.open(raw) as unpacked:
                yield raw, cast(IO[bytes], unpacked)
        else:
            yield raw, raw


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: it is no UTF-8 ({error.reason})") from None
    except csv.Error as error:
        raise UsageError(f"{path}: it is no CSV: {error}") from None
    except (gzip.BadGzipFile, EOFError) as error:
        raise UsageError(f"{path}: it cannot be unpacked: {error}") from None
