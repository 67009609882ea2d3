"""All labels of a replay, by their own time: joined whatever their order in the files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from pipeline.columns import Ints, LabelRows
from pipeline.decode import Chunk
from pipeline.replay.part import Part, joined
from pipeline.windows.watermark import NEVER


class LabelFeed:
    """The labels, to be taken in the order of their times.

    Memory: about 150 bytes a label.

    Attributes:
        ids: every id that a label names.
        rejected: how many labels were rejected, by reason.
    """

    def __init__(self, files: Iterable[Iterable[Part]]) -> None:
        """Read all labels of these files."""
        self.rejected: Counter[str] = Counter()
        chunks: list[Chunk] = []
        offsets: list[Ints] = []
        first = 0
        for parts in files:
            after = first
            for part in parts:
                self.rejected.update(part.rejected)
                for chunk in part.chunks:
                    chunks.append(chunk)
                    offsets.append(chunk.offset + first)
                    after = max(after, int(offsets[-1].max(initial=first)) + 1)
            first = after
        rows = [chunk.rows for chunk in chunks if isinstance(chunk.rows, LabelRows)]
        times = joined([one.ts for one in rows])
        order = np.lexsort((joined(offsets), times))
        self._ts = times[order]
        self._offset = joined(offsets)[order]
        self._record_ts = joined([chunk.record_ts for chunk in chunks])[order]
        numbers = np.concatenate([one.numbers for one in rows]) if rows else np.empty(0)
        self._numbers = numbers[order]
        ids = [identity for one in rows for identity in one.ids]
        texts = [text for one in rows for text in one.texts]
        self._ids = [ids[n] for n in order.tolist()]
        self._texts = [texts[n] for n in order.tolist()]
        self.ids = frozenset(ids)
        self._next = 0

    def __len__(self) -> int:
        """How many labels there are."""
        return len(self._ids)

    @property
    def last(self) -> int:
        """The latest time of all labels; NEVER without one."""
        return int(self._ts[-1]) if len(self._ts) else NEVER

    @property
    def next(self) -> int | None:
        """The time of the next label; None after the last."""
        return int(self._ts[self._next]) if self._next < len(self._ts) else None

    def take(self, until: int) -> Chunk | None:
        """The labels up to and at this time that were not taken before; None without any."""
        start, stop = self._next, int(np.searchsorted(self._ts, until, "right"))
        if stop <= start:
            return None
        self._next = stop
        rows = slice(start, stop)
        return Chunk(
            rows=LabelRows(
                size=stop - start,
                ts=self._ts[rows],
                ids=tuple(self._ids[rows]),
                texts=tuple(self._texts[rows]),
                numbers=self._numbers[rows],
            ),
            partition=0,
            offset=self._offset[rows],
            row=np.zeros(stop - start, np.int32),
            record_ts=self._record_ts[rows],
            origin=None,
            sparse=False,
        )
