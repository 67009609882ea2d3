"""The bound on senders of a partition, of each of which the numbers that were seen are known.

Whom it forgets, and when, comes from the log alone, however it was cut into batches: so a log that
is read again counts the same rows twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.decode.cut import between
from pipeline.decode.decoded import Chunk
from pipeline.partition import PartitionState

MOST_SENDERS = 4_096
"""Of one partition; their numbers are written with every step, some 60 bytes each."""

LEFT = 0.75
"""The share of them that is left: the next that are forgotten are many, not one a record."""

_END = 2**63 - 1


def within_senders(state: PartitionState, chunks: Sequence[Chunk]) -> Iterator[Sequence[Chunk]]:
    """Consecutive parts of chunks, each to be folded before the next is asked for.

    After the record that brings one sender too many, those that are silent the longest are
    forgotten, with the numbers seen of them: what one of them sends again counts again.
    """
    while (full_at := _full_at(state, chunks)) is not None:
        yield _between(chunks, 0, full_at + 1)
        _forget(state)
        chunks = _between(chunks, full_at + 1, _END)
    yield chunks


def _full_at(state: PartitionState, chunks: Sequence[Chunk]) -> int | None:
    """The record that brings one sender too many; None where none does."""
    new: dict[str, int] = {}
    for chunk in chunks:
        if chunk.origin is not None and chunk.origin not in state.origins:
            first = _first_numbered(chunk)
            new[chunk.origin] = min(first, new.get(chunk.origin, _END))
    firsts = sorted(first for first in new.values() if first < _END)
    room = max(0, MOST_SENDERS - len(state.origins))
    return firsts[room] if len(firsts) > room else None


def _first_numbered(chunk: Chunk) -> int:
    """The first record with a number: a sender without numbers is not remembered."""
    offsets = chunk.rejected_offset
    if chunk.rows.seq is not None:
        offsets = np.concatenate([offsets, chunk.offset[chunk.rows.seq >= 0]])
    return int(offsets.min(initial=_END))


def _between(chunks: Sequence[Chunk], first: int, after: int) -> list[Chunk]:
    parts = (between(chunk, first, after) for chunk in chunks)
    return [part for part in parts if part is not None]


def _forget(state: PartitionState) -> None:
    by_silence = sorted(state.origins, key=lambda origin: (state.origins[origin].last_ts, origin))
    gone = by_silence[: len(by_silence) - int(MOST_SENDERS * LEFT)]
    for origin in gone:
        del state.origins[origin]
    state.totals.senders_forgotten += len(gone)
