"""Checked rows in columns, and how they become one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from inferwatch.events.arrow_columns import any_column, float_column, int_column, text_column
from inferwatch.events.arrow_writer import Columns, add_objects, add_text, write_stream


class Holds(Enum):
    """What the values of a column are."""

    WHOLE = "whole numbers"
    NUMBERS = "numbers, or None"
    TEXTS = "texts, or None"
    NAMES = "texts that are most often all the same"
    ANYTHING = "numbers, texts or booleans"
    OBJECTS = "values by name"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one source partition, rising by offset.

    Attributes:
        seq: shape (n,): the offset of each row in the source, which is its number.
        columns: by our field's name: what they hold, and shape (n,) values.
        values: shape (n,): the record's bytes, for the dead letter of a row that is too large.
    """

    seq: list[int]
    values: list[bytes | None]
    columns: dict[str, tuple[Holds, Sequence[Any]]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many rows."""
        return len(self.seq)

    def take(self, rows: Sequence[int]) -> Table:
        """Some of the rows, in this order.

        >>> table = Table([7, 8], [b"", b""], {"id": (Holds.TEXTS, ["a", "b"])})
        >>> table.take([1]).columns
        {'id': (<Holds.TEXTS: 'texts, or None'>, ['b'])}
        """
        return Table(
            [self.seq[i] for i in rows],
            [self.values[i] for i in rows],
            {name: (holds, [of[i] for i in rows]) for name, (holds, of) in self.columns.items()},
        )

    def slice(self, first: int, after: int) -> Table:
        """The rows from `first` until before `after`."""
        return replace(
            self,
            seq=self.seq[first:after],
            values=self.values[first:after],
            columns={name: (holds, of[first:after]) for name, (holds, of) in self.columns.items()},
        )

    def write(self) -> bytes:
        """The rows as an Arrow stream with their numbers.

        About 1.5 µs a prediction of 20 features at 1,024 rows.

        Raises:
            RejectedEventError: a row's nested names are too long.
        """
        columns: Columns = {}
        metadata: dict[str, str] = {}
        for name, (holds, values) in self.columns.items():
            match holds:
                case Holds.WHOLE:
                    columns[name] = int_column(values, nullable=False)
                case Holds.NUMBERS:
                    columns[name] = float_column(values, nullable=None in values)
                case Holds.TEXTS:
                    columns[name] = text_column(values, nullable=None in values)
                case Holds.NAMES:
                    add_text(columns, metadata, name, values)
                case Holds.ANYTHING:
                    columns[name] = any_column(values)
                case Holds.OBJECTS:
                    add_objects(columns, name, values)
        columns["seq"] = int_column(self.seq, nullable=False)
        return write_stream(columns, self.size, metadata)
