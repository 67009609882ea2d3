"""The rows of a batch by pane, and by how far the log had come before each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.columns import Ints
from pipeline.decode import Chunk
from pipeline.models import ModelPlan
from pipeline.partition import PartitionState
from pipeline.windows.pane import PaneKey
from pipeline.windows.watermark import NEVER


@dataclass(slots=True)
class RowGroup:
    """Rows of one batch that share a pane: positions into the chunk."""

    key: PaneKey
    closed_until: int
    rows: Ints


def highs_before(state: PartitionState, chunks: Sequence[Chunk]) -> list[Ints]:
    """For each row, the highest event time of all rows before it in the log; moves the state's.

    A time is never above its record's own Kafka timestamp: one fast clock must not make the
    rest too late.
    """
    if not chunks:
        return []
    offsets = np.concatenate([chunk.offset for chunk in chunks])
    places = np.concatenate([chunk.row for chunk in chunks])
    times = np.concatenate([np.minimum(c.rows.ts, c.record_ts) for c in chunks])
    order = np.lexsort((places, offsets))
    running = np.maximum.accumulate(np.concatenate(([state.high_ts], times[order])))
    state.high_ts = int(running[-1])
    before = np.empty_like(times)
    before[order] = running[:-1]
    return np.split(before, np.cumsum([chunk.rows.size for chunk in chunks])[:-1])


def row_groups(plan: ModelPlan, version: str, ts: Ints, mine: Ints, closed: Ints) -> list[RowGroup]:
    """Split rows by pane, and by the windows that are closed to them."""
    if not len(mine):
        return []
    grid = plan.grid
    times = ts[mine]
    slices = times // grid.pane
    # Most rows: no window that holds them is closed.
    is_closed = grid.first_end(times) <= closed
    if not is_closed.any():
        return [
            RowGroup(PaneKey(plan.name, version, "", start * grid.pane), NEVER, mine[rows])
            for start, rows in _by_value(slices)
        ]
    until = np.where(is_closed, closed // grid.pane * grid.pane, NEVER)
    return [
        RowGroup(PaneKey(plan.name, version, "", start * grid.pane), end, mine[rows[at]])
        for end, rows in _by_value(until)
        for start, at in _by_value(slices[rows])
    ]


def _by_value(values: Ints) -> list[tuple[int, Ints]]:
    """The distinct values and the positions of each; fast where values rarely fall."""
    if (values[1:] < values[:-1]).any():
        order = np.argsort(values, kind="stable")
        values = values[order]
    else:
        order = np.arange(len(values))
    cuts = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
    return [(int(values[a]), order[a:b]) for a, b in pairwise(cuts)]
