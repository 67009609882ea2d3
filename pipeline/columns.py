"""Rows as columns: what decoding yields and folding consumes.

A row's value of a feature is one of: missing; a number (maybe not finite); a text (a boolean is
the text `true` or `false`); or something that is neither (an array), which never fits any type.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64] | NDArray[np.float32]
Codes = NDArray[np.int32]
Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Column:
    """n values of one feature, prediction or score.

    Attributes:
        size: n.
        numbers: shape (n,), float64 or float32; None when no row holds a number. NaN and
            infinities are *values* here (non-finite), never "missing".
        is_number: shape (n,); which rows hold a number; None: all of them do, if `numbers` is set.
        codes: shape (n,) int32; index into `texts`, -1 where the row holds no text; None when no
            row holds a text.
        texts: the distinct texts that `codes` points into.
        odd: shape (n,); rows that hold an array or the like; None when there are none.
        named: shape (n,); rows whose event names the column, be it with null; None: all of them.
            A table names its columns in all rows.

    A row that is no number, no text and not odd is missing.
    """

    size: int
    numbers: Floats | None = None
    is_number: Mask | None = None
    codes: Codes | None = None
    texts: tuple[str, ...] = ()
    odd: Mask | None = None
    named: Mask | None = None

    def take(self, rows: Ints) -> Column:
        """The rows at these positions, as a column of their own (texts are shared)."""
        return Column(
            size=len(rows),
            numbers=None if self.numbers is None else self.numbers[rows],
            is_number=None if self.is_number is None else self.is_number[rows],
            codes=None if self.codes is None else self.codes[rows],
            texts=self.texts,
            odd=None if self.odd is None else self.odd[rows],
            named=None if self.named is None else self.named[rows],
        )

    def doubles(self) -> NDArray[np.float64]:
        """Shape (n,): the numbers as doubles, NaN in rows that hold none."""
        if self.numbers is None:
            return np.full(self.size, np.nan)
        numbers = self.numbers.astype(np.float64)
        return numbers if self.is_number is None else np.where(self.is_number, numbers, np.nan)

    @property
    def is_named(self) -> bool:
        """Whether any row names the column: else it is there for the rest of its batch only."""
        return self.named is None or bool(self.named.any())

    def missing(self) -> Mask:
        """Shape (n,): the rows that hold nothing.

        >>> Column(2, codes=np.array([0, -1], np.int32), texts=("a",)).missing().tolist()
        [False, True]
        """
        here = np.zeros(self.size, np.bool_)
        if self.numbers is not None:
            here |= True if self.is_number is None else self.is_number
        if self.codes is not None:
            here |= self.codes >= 0
        if self.odd is not None:
            here |= self.odd
        return ~here


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """n rows of one batch, all checked.

    Attributes:
        size: n.
        ts: milliseconds since the epoch.
        seq: the sender's row numbers; None for a sender that does not number.
    """

    size: int
    ts: Ints
    seq: Ints | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRows(Rows):
    """Rows about models: `model` and `version` are codes into `models` and `versions`."""

    model: Codes
    models: tuple[str, ...]
    version: Codes
    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionRows(EventRows):
    """What models answered.

    Attributes:
        segments: by key, a text column.
        ids: text or None a row; None when no row has an id.
    """

    prediction: Column
    features: dict[str, Column] = field(default_factory=dict)
    scores: dict[str, Column] = field(default_factory=dict)
    segments: dict[str, Column] = field(default_factory=dict)
    ids: tuple[str | None, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRows(EventRows):
    """Requests; NaN where an optional number is absent."""

    latency_ms: NDArray[np.float64]
    failed: Mask
    ttft_ms: NDArray[np.float64]
    tokens_out: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRows(EventRows):
    """Resource samples; `metrics` by name, NaN where absent."""

    metrics: dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRows(Rows):
    """Labels; each is its canonical text (classes) and its number where it is one (NaN else)."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    numbers: NDArray[np.float64]
