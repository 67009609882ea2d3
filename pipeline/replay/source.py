"""One input file: its rows in the order in which they arrived."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from inferwatch.errors import UsageError
from inferwatch.events.kinds import Kind
from pipeline.decode.decoder import Limits
from pipeline.reference.json_lines import unpacked_lines
from pipeline.replay.event_lines import event_time_of, line_parts
from pipeline.replay.event_tables import TableDecoder, sorted_by_time, table_batches
from pipeline.replay.fast_clocks import without_fast_clocks
from pipeline.replay.part import Part

FORMATS = (".arrow", ".csv", ".feather", ".jsonl", ".ndjson", ".parquet")
_LINES = frozenset({".jsonl", ".ndjson"})
_PACKED = (".gz", ".zst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file of events of one kind.

    Attributes:
        now_ms: the clock at the start of the replay.
        by_time: take the rows by `ts`, not as they stand in the file.
        with_ids: whether anything asks for the ids of predictions.
        is_regression: whether a model's predictions are values.
    """

    kind: Kind
    path: Path
    limits: Limits
    now_ms: int
    by_time: bool = False
    with_ids: bool = True
    is_regression: Callable[[str], bool] = lambda model: False

    def parts(self, progress: Callable[[int], None] = lambda read: None) -> Iterator[Part]:
        """The rows, part by part.

        Raises:
            UsageError: the file is absent or unreadable, or its name names no format.
        """
        suffix = self._suffix()
        try:
            parts = self._lines(progress) if suffix in _LINES else self._table(suffix, progress)
            if self.kind in (Kind.PREDICTION, Kind.LATENCY):
                parts = without_fast_clocks(parts, self.limits.future, self.now_ms)
            yield from parts
        except FileNotFoundError:
            raise UsageError(f"{self.path}: there is no such file") from None
        except (OSError, EOFError, UnicodeDecodeError, pa.ArrowException) as error:
            reason = " ".join(str(error).split())
            raise UsageError(f"{self.path}: it cannot be read: {reason}") from error

    def _suffix(self) -> str:
        suffixes = [suffix.lower() for suffix in self.path.suffixes]
        packed = bool(suffixes) and suffixes[-1] in _PACKED
        suffix = suffixes[-2] if packed and len(suffixes) > 1 else (suffixes or [""])[-1]
        if suffix not in FORMATS or (packed and suffix not in _LINES | {".csv"}):
            raise UsageError(
                f"{self.path}: the extension names no format; allowed are "
                f"{', '.join(FORMATS)}, and .gz or .zst behind .jsonl and .csv"
            )
        return suffix

    def _lines(self, progress: Callable[[int], None]) -> Iterator[Part]:
        with self.path.open("rb") as raw, unpacked_lines(raw, self.path) as lines:
            source = iter(sorted(lines, key=event_time_of)) if self.by_time else lines
            yield from line_parts(
                source, self.kind, self.limits, self.now_ms, lambda: progress(raw.tell())
            )

    def _table(self, suffix: str, progress: Callable[[int], None]) -> Iterator[Part]:
        decoder = TableDecoder(self.kind, self.limits, self.now_ms, with_ids=self.with_ids)
        ragged: Counter[str] = Counter()
        batches = table_batches(self.path, suffix, progress, ragged, self.is_regression)
        for batch in sorted_by_time(batches) if self.by_time else batches:
            yield decoder.part(batch)
        if ragged:
            yield Part([], ragged)


def _told(progress: Callable[[int], None], raw: BinaryIO) -> None:
    progress(raw.tell())
