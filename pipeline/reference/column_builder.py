"""One column of the reference, gathered from a table of any size."""

from __future__ import annotations

import math

import numpy as np

from inferwatch.events.canonical import number_text
from inferwatch.events.reference import CategoricalReference, ColumnReference, NumericReference
from pipeline.columns import Column
from pipeline.reference.atoms import condense
from pipeline.reference.quantile_cells import psi_ranks, quantile_cells
from pipeline.reference.sorted_values import SortedValues
from pipeline.stats import Kind
from pipeline.stats.categories import OTHER, CategoryCounter
from pipeline.stats.log_histogram import percentile_rank

MAX_CATEGORIES = 10_000
"""Categories that a profile names; what is beyond goes to `__other__`, the lowest hashes stay."""

_PERCENTILES = (50, 500, 950)


class ColumnBuilder:
    """Gathers a column: its numbers in full (on disk beyond a run), its categories by count.

    Guarantee: cells, PSI edges and percentiles are exact at any size. The kind is what the config
    says, else numeric if there is a finite number, else categorical; a column without a value
    becomes one that says nothing.

    >>> builder = ColumnBuilder(None)
    >>> builder.update(Column(4, numbers=np.array([1.0, 2.0, 3.0, np.nan])))
    >>> reference = builder.finish()
    >>> reference.type, reference.rows, reference.missing, reference.mean, reference.psi_edges
    ('numeric', 4, 0, 2.0, (1.5, 2.5))
    """

    def __init__(self, kind: Kind | None, max_categories: int = MAX_CATEGORIES) -> None:
        """Nothing gathered yet."""
        self._kind = kind
        self._rows = 0
        self._missing = 0
        self._numbers = SortedValues()
        self._categories = CategoryCounter(frozenset(), max_categories)

    def update(self, column: Column) -> None:
        """Take in the rows of one part of the table."""
        self._rows += column.size
        self._missing += int(np.count_nonzero(column.missing()))
        if column.codes is not None:
            self._categories.update(column.codes, column.texts)
        if column.numbers is not None:
            numbers = column.numbers
            if column.is_number is not None:
                numbers = numbers[column.is_number]
            self._numbers.update(numbers[np.isfinite(numbers)])

    def lack(self, rows: int) -> None:
        """Count rows of a part of the table that does not have this column."""
        self._rows += rows
        self._missing += rows

    @property
    def rows(self) -> int:
        """Rows taken in."""
        return self._rows

    def finish(self, kind: Kind | None = None) -> ColumnReference:
        """The column of the profile; `kind` decides where the config did not."""
        count = self._numbers.count
        kind = self._kind or kind or ("numeric" if count else "categorical")
        reference = self._numeric(count) if kind == "numeric" else self._categorical()
        self._numbers.close()
        return reference

    def _numeric(self, count: int) -> NumericReference:
        if not count:
            return NumericReference(
                rows=self._rows,
                missing=self._missing,
                min=None,
                max=None,
                mean=None,
                std=None,
                psi_edges=(),
                psi_shares=(),
            )
        ranks = [percentile_rank(count, per_mille) for per_mille in _PERCENTILES]
        atoms = condense(self._numbers.distinct(), count, [*psi_ranks(count), *ranks])
        cells = quantile_cells(atoms)
        moments = self._numbers.moments
        mean = moments.mean()
        return NumericReference(
            rows=self._rows,
            missing=self._missing,
            min=moments.min,
            max=moments.max,
            mean=mean,
            std=moments.std if math.isfinite(moments.std) else None,
            psi_edges=tuple(cells.psi_edges),
            psi_shares=tuple(cells.psi_shares),
            p05=atoms.value_at(ranks[0]),
            p50=atoms.value_at(ranks[1]),
            p95=atoms.value_at(ranks[2]),
            cell_edges=tuple(cells.edges),
            cell_counts=tuple(cells.counts),
            spikes=tuple(cells.spikes),
        )

    def _categorical(self) -> CategoricalReference:
        for values, counts in self._numbers.distinct():
            texts = map(number_text, values.tolist())
            self._categories.add(dict(zip(texts, counts.tolist(), strict=True)))
        counted = dict(sorted(self._categories.counts().items()))
        if self._categories.over_limit:
            counted[OTHER] = counted.get(OTHER, 0) + self._categories.over_limit
        total = sum(counted.values())
        return CategoricalReference(
            rows=self._rows,
            missing=self._missing,
            shares={text: count / total for text, count in counted.items()},
            counts=counted,
        )
