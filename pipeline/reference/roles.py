"""What each column of a table of reference data is: a feature, a score, the label, the time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.columns import Column, Mask

FEATURE = "features."
SCORE = "scores."
BARE_SCORE = "scores"
_ROLES = ("model", "prediction", "label", "ts", "split")
_UNUSED = frozenset({"version", "id", "origin", "seq", "received"})
_SEGMENT = "segment."
_LISTED = 20
PANDAS_INDEX = "__index_level_"
"""Begins the names of columns that pandas adds to a Parquet file for itself."""


@dataclass(frozen=True, slots=True)
class Roles:
    """The columns of one part of a table.

    Attributes:
        size: its rows.
        features: by name, without the prefix `features.`.
        scores: by class; the key "" is a bare score, the positive class's.
        others: `model`, `prediction`, `label`, `ts` and `split`, those that there are.
    """

    size: int
    features: Mapping[str, Column]
    scores: Mapping[str, Column]
    others: Mapping[str, Column]

    def take(self, rows: Mask) -> Roles:
        """The rows of a mask."""
        if rows.all():
            return self
        places = np.flatnonzero(rows)
        return Roles(
            len(places),
            {name: column.take(places) for name, column in self.features.items()},
            {name: column.take(places) for name, column in self.scores.items()},
            {name: column.take(places) for name, column in self.others.items()},
        )


def roles_of(columns: Mapping[str, Column]) -> Roles:
    """Tell the columns apart by name; a name that is not known is a feature's.

    >>> roles = roles_of({"ts": Column(1), "amount": Column(1), "features.country": Column(1),
    ...                   "scores.fraud": Column(1), "segment.region": Column(1)})
    >>> list(roles.features), list(roles.scores), list(roles.others)
    (['amount', 'country'], ['fraud'], ['ts'])
    """
    features: dict[str, Column] = {}
    scores: dict[str, Column] = {}
    others: dict[str, Column] = {}
    for name, column in columns.items():
        if name in _ROLES:
            others[name] = column
        elif name == BARE_SCORE or name.startswith(SCORE):
            scores[name[len(SCORE) :]] = column
        elif name.startswith(FEATURE):
            features[name[len(FEATURE) :]] = column
        elif name not in _UNUSED and not name.startswith((_SEGMENT, PANDAS_INDEX)):
            features.setdefault(name, column)
    size = next((column.size for column in columns.values()), 0)
    return Roles(size, features, scores, others)


def describe_columns(names: Collection[str], watches: Callable[[str], bool]) -> str:
    """One sentence: which columns were taken as what, and which were left out, and why.

    >>> describe_columns(["ts", "amount", "id", "scores.fraud"], lambda name: True)
    "features: amount; scores: fraud; as named: ts; left out: id (an event's own; as a feature: \
features.id)"
    """
    roles = roles_of({name: Column(0) for name in names})
    features = [name for name in roles.features if watches(name)]
    own = [n for n in names if n in _UNUSED or n.startswith((_SEGMENT, PANDAS_INDEX))]
    parts = [f"features: {_listed(features) or 'none'}"]
    if roles.scores:
        parts.append(f"scores: {_listed([name or BARE_SCORE for name in roles.scores])}")
    if roles.others:
        parts.append(f"as named: {_listed(list(roles.others))}")
    left = []
    if own:
        left.append(f"{_listed(own)} (an event's own; as a feature: {FEATURE}{own[0]})")
    unwatched = [name for name in roles.features if not watches(name)]
    if unwatched:
        left.append(f"{_listed(unwatched)} (by the config)")
    return "; ".join([*parts, *(["left out: " + ", ".join(left)] if left else [])])


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_LISTED])
    return shown if len(names) <= _LISTED else f"{shown} and {len(names) - _LISTED:,} more"


def rows_that_say(column: Column, text: str) -> Mask:
    """The rows of a text column that hold this text."""
    if column.codes is None or text not in column.texts:
        return np.zeros(column.size, np.bool_)
    mask: Mask = column.codes == column.texts.index(text)
    return mask
