"""The rows of all files in one order of arrival: a file's own order, several merged by time.

Merging takes again and again, of the rows that stand first in their files, the one with the
smallest time; so rows that are late in their file stay late. It costs a sort a batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from inferwatch.events.kinds import Kind
from pipeline.columns import Ints
from pipeline.decode import Chunk
from pipeline.decode.cut import between
from pipeline.replay.part import Part
from pipeline.windows.watermark import NEVER


@dataclass(slots=True)
class Arrived:
    """Rows that arrived one after the other.

    Attributes:
        first, size: the places of the rows, counted over all files: `first` <= offset of each
            chunk's rows < `first` + `size`, each place once.
        chunks: with their kinds; each chunk's offsets rise.
        rejected: by kind, how many were rejected for which reason.
    """

    first: int
    size: int
    chunks: list[tuple[Kind, Chunk]]
    rejected: dict[Kind, Counter[str]] = field(default_factory=dict)


class _Stream:
    """One file, a part at a time."""

    def __init__(self, kind: Kind, parts: Iterable[Part]) -> None:
        self.kind = kind
        self._parts = iter(parts)
        self._highest = NEVER
        self.chunks: list[Chunk] = []
        self.keys: Ints = np.empty(0, np.int64)
        self.rejected: Counter[str] = Counter()
        self.ended = False

    def fill(self) -> None:
        """Read on until there is a row, or the end."""
        while not len(self.keys) and not self.ended:
            part = next(self._parts, None)
            if part is None:
                self.ended = True
                return
            self.rejected.update(part.rejected)
            self.chunks += _numbered(part)
            times = np.minimum(part.times(), part.records())[np.argsort(part.offsets())]
            if len(times):
                # In a merge a row waits behind the one before it, however early its own time is.
                self.keys = np.maximum.accumulate(np.maximum(times, self._highest))
                self._highest = int(self.keys[-1])

    def cut(self, rows: int) -> list[Chunk]:
        """Take the first rows out; their offsets count from 0."""
        if rows == len(self.keys):
            taken, self.chunks = self.chunks, []
        else:
            taken = [c for chunk in self.chunks if (c := between(chunk, 0, rows)) is not None]
            size = len(self.keys)
            rest = [c for chunk in self.chunks if (c := between(chunk, rows, size)) is not None]
            self.chunks = [
                replace(
                    chunk, offset=chunk.offset - rows, rejected_offset=chunk.rejected_offset - rows
                )
                for chunk in rest
            ]
        self.keys = self.keys[rows:]
        return taken


def in_order(files: Iterable[tuple[Kind, Iterable[Part]]]) -> Iterator[Arrived]:
    """The rows of all files as they arrived.

    Args:
        files: their kinds and parts; of rows with the same time those of the first file come
            first.
    """
    streams = [_Stream(kind, parts) for kind, parts in files]
    first = 0
    while True:
        for stream in streams:
            stream.fill()
        full = [stream for stream in streams if len(stream.keys)]
        rejected = _rejected(streams)
        if not full:
            rest = [(stream.kind, chunk) for stream in streams for chunk in stream.cut(0)]
            if rejected or rest:
                yield Arrived(first, 0, rest, rejected)
            return
        arrived = _merged(full, first)
        arrived.rejected = rejected
        first += arrived.size
        yield arrived


def _merged(streams: list[_Stream], first: int) -> Arrived:
    # What comes next in the file that ends first may be as early as its last row here.
    limit, bound = min((int(stream.keys[-1]), n) for n, stream in enumerate(streams))
    counts = [
        int(np.searchsorted(stream.keys, limit, "right" if n <= bound else "left"))
        for n, stream in enumerate(streams)
    ]
    keys = np.concatenate([s.keys[:count] for s, count in zip(streams, counts, strict=True)])
    place = np.empty(len(keys), np.int64)
    place[np.argsort(keys, kind="stable")] = np.arange(first, first + len(keys))
    chunks = []
    start = 0
    for stream, count in zip(streams, counts, strict=True):
        mine = place[start : start + count]
        start += count
        chunks += [
            (
                stream.kind,
                replace(
                    chunk,
                    offset=mine[chunk.offset],
                    rejected_offset=mine[chunk.rejected_offset],
                ),
            )
            for chunk in stream.cut(count)
        ]
    return Arrived(first, len(keys), chunks)


def _numbered(part: Part) -> list[Chunk]:
    """The chunks with offsets that count the part's good rows from 0.

    A rejected number goes with the good row that follows it, or with the last one.
    """
    known = np.sort(part.offsets())
    last = max(len(known) - 1, 0)
    return [
        replace(
            chunk,
            offset=np.searchsorted(known, chunk.offset),
            rejected_offset=np.minimum(np.searchsorted(known, chunk.rejected_offset), last),
        )
        for chunk in part.chunks
    ]


def _rejected(streams: list[_Stream]) -> dict[Kind, Counter[str]]:
    found: dict[Kind, Counter[str]] = {}
    for stream in streams:
        if stream.rejected:
            found.setdefault(stream.kind, Counter()).update(stream.rejected)
            stream.rejected = Counter()
    return found
