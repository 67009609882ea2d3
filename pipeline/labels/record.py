"""What is remembered of a label: its value, and the prediction rows it was counted for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class LabelRecord:
    """The latest label of one id.

    Attributes:
        ts, offset: a later label (ts, then offset) corrects an earlier one.
        text, number: the label as class and as value (NaN where it is no number).
        joined: identities of the prediction rows that it was counted for.
        open: whether more rows of the id may still come.
    """

    ts: int
    offset: int
    text: str
    number: float
    joined: list[str]
    open: bool = True

    def snapshot(self) -> list[Any]:
        """Plain values, for storage."""
        return [self.ts, self.offset, self.text, self.number, self.joined, self.open]

    @classmethod
    def restore(cls, plain: list[Any]) -> LabelRecord:
        """What `snapshot` gave."""
        return cls(*plain)
