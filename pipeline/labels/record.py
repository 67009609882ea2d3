"""What is remembered of a label: what was said of its id, and the rows it was counted for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.windows.watermark import NEVER

MAX_SAID = 8
"""Corrections of one id that are remembered; past these the oldest is forgotten."""


class Said(NamedTuple):
    """One label of an id: a later one (`ts`, then offset) corrects an earlier one."""

    ts: int
    offset: int
    text: str
    number: float


@dataclass(slots=True)
class LabelRecord:
    """The labels of one id, and the prediction rows that they were counted for.

    Earlier labels are remembered, because a correction past a row's horizon leaves the row with
    the label that it had, whichever of the three came last.

    Attributes:
        said: labels of the id, latest first.
        joined: identities of the prediction rows that were counted.
        open: whether more rows of the id may still come.
        newest_row: the latest time of the joined rows, NEVER without one.
    """

    said: list[Said]
    joined: list[str] = field(default_factory=list)
    open: bool = True
    newest_row: int = NEVER

    @property
    def ts(self) -> int:
        """The time of the latest label."""
        return self.said[0].ts

    def of(self, row_ts: int, horizon: int) -> Said | None:
        """The label that counts for a row of this time: the latest within its horizon.

        >>> record = LabelRecord([Said(90, 1, "yes", 0.0), Said(30, 0, "no", 0.0)])
        >>> [record.of(row_ts, horizon=50).text for row_ts in (10, 60)]
        ['no', 'yes']
        """
        for said in self.said:
            if abs(said.ts - row_ts) <= horizon:
                return said
        return None

    def with_said(self, said: Said) -> LabelRecord | None:
        """The same with one label more; None where it says nothing new (a label sent twice)."""
        before = next((known for known in self.said if known[:2] <= said[:2]), None)
        if before and (before[:2] == said[:2] or (before.ts, before.text) == (said.ts, said.text)):
            return None
        labels = sorted([*self.said, said], reverse=True, key=lambda one: one[:2])[:MAX_SAID]
        return LabelRecord(labels, list(self.joined), True, self.newest_row)

    def times(self) -> list[int]:
        """The times around which its rows are looked for."""
        return [said.ts for said in self.said]

    def snapshot(self) -> list[Any]:
        """Plain values, for storage."""
        return [self.said, self.joined, self.open, self.newest_row]

    @classmethod
    def restore(cls, plain: list[Any]) -> LabelRecord:
        """What `snapshot` gave."""
        said, joined, is_open, newest_row = plain
        return cls([Said(*one) for one in said], list(joined), is_open, newest_row)
