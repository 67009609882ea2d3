"""A label event: the truth about an earlier prediction."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """The true class or value of the prediction with this id.

    A later label for the same id corrects the earlier one (`ts`, then offset).
    """

    id: str
    ts: int
    label: float | int | str | bool
