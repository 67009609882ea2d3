"""Rows of a fast clock: far ahead of all that follow them.

A file does not always tell when a record was written; then the rows themselves tell. A row far
ahead of each of the next 1,000 was written by a clock that is wrong, and if it counted, the rest
would be too late.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from pipeline.columns import Ints, Mask
from pipeline.decode.cut import rows_of
from pipeline.replay.part import Part, joined

NEXT_ROWS = 1_000


def without_fast_clocks(parts: Iterable[Part], future: int, now_ms: int) -> Iterator[Part]:
    """The parts without such rows, which are rejected as `future`.

    Args:
        parts: of one file.
        future: `limits.future`, milliseconds.
        now_ms: the timestamp of the rows that tell none; only these are looked at.
    """
    held: deque[Part] = deque()
    following = 0
    for part in parts:
        held.append(part)
        following += _size(part)
        while held and following - _size(held[0]) >= NEXT_ROWS:
            following -= _size(held[0])
            yield _checked(held.popleft(), held, future, now_ms)
    while held:
        yield _checked(held.popleft(), held, future, now_ms)


def _size(part: Part) -> int:
    return sum(chunk.rows.size for chunk in part.chunks)


def _checked(part: Part, after: Iterable[Part], future: int, now_ms: int) -> Part:
    offsets, times = part.offsets(), part.times()
    if not len(times):
        return part
    order = np.argsort(offsets, kind="stable")
    following: list[Ints] = []
    for later in after:
        following.append(later.times()[np.argsort(later.offsets(), kind="stable")])
        if sum(map(len, following)) >= NEXT_ROWS:
            break
    ahead = is_ahead(times[order], joined(following), future)
    ahead &= part.records()[order] == now_ms
    if not ahead.any():
        return part
    bad = offsets[order[ahead]]
    chunks = []
    for chunk in part.chunks:
        is_bad = np.isin(chunk.offset, bad)
        seq = np.full(chunk.rows.size, -1) if chunk.rows.seq is None else chunk.rows.seq
        burned = is_bad & (seq >= 0)
        chunks.append(
            replace(
                rows_of(chunk, np.flatnonzero(~is_bad)),
                rejected_seq=np.concatenate((chunk.rejected_seq, seq[burned])),
                rejected_offset=np.concatenate((chunk.rejected_offset, chunk.offset[burned])),
            )
        )
    return Part(chunks, part.rejected + Counter(future=len(bad)))


def is_ahead(times: Ints, following: Ints, future: int) -> Mask:
    """Shape (n,): which of n times lie more than `future` beyond each of the next 1,000.

    >>> is_ahead(np.array([5, 900, 6]), np.array([7]), 100).tolist()
    [False, True, False]
    """
    size = len(times)
    rows = np.concatenate((times, following[:NEXT_ROWS]))
    ahead = np.zeros(size, np.bool_)
    # Most files rise: a row that is not ahead of the next one needs no closer look.
    suspects = np.flatnonzero(rows[:-1][:size] - rows[1:][:size] > future)
    if not len(suspects):
        return ahead
    highest = _highest_of_next(rows)
    ahead[suspects] = rows[suspects] - highest[suspects] > future
    return ahead


def _highest_of_next(rows: Ints) -> Ints:
    """For each row but the last, the highest of the next 1,000 (fewer near the end)."""
    # Stretches of doubling length; two of 512 that overlap make 1,000.
    stretch, reach = rows[1:].copy(), 1
    while reach * 2 <= NEXT_ROWS:
        stretch[:-reach] = np.maximum(stretch[:-reach], stretch[reach:])
        reach *= 2
    rest = NEXT_ROWS - reach
    highest = stretch.copy()
    if 0 < rest < len(stretch):
        highest[:-rest] = np.maximum(stretch[:-rest], stretch[rest:])
    return highest
