"""The bound on labels that have found no prediction: what goes, and when no more is taken in.

Labels for predictions that were never sent, or are not kept, would else fill a partition's state.
"""

from __future__ import annotations

from pipeline.partition import PartitionState

MOST_UNRESOLVED = 250_000
"""Of one partition; each takes about 600 bytes of the worker and 100 of Redis."""

BEYOND = 10
"""A tenth more than must goes at once, so that it is not looked for at every step."""


class UnresolvedLabels:
    """Bounds the labels of one partition that have no row.

    Those go first to which no row can come any more, then those that the predictions have passed,
    the oldest first. A label ahead of the predictions (in a backlog the small topic of labels runs
    hours ahead) is never given up: nothing more is read until they have come closer.
    """

    def __init__(self, most: int | None = None) -> None:
        """Allow so many; None: the usual bound."""
        self._most = MOST_UNRESOLVED if most is None else most
        self._state: PartitionState | None = None
        self._room = 0

    def add(self, state: PartitionState, ids: int) -> None:
        """At most so many labels came without a row."""
        if self._state is state:
            self._room -= ids

    def is_full(self, state: PartitionState) -> bool:
        """Whether no more labels may be taken in."""
        return self._state is state and self._room < 0

    def give_up(self, state: PartitionState, counted: int) -> list[str]:
        """The ids that are over the bound and may go.

        Args:
            state: of the partition.
            counted: event time up to which predictions are counted, milliseconds.
        """
        if self._state is state and self._room >= 0:
            return []
        unresolved = [
            (record.open, record.ts, identity)
            for identity, record in state.labels.items()
            if not record.joined
        ]
        self._state, self._room = state, self._most - len(unresolved)
        if self._room >= 0:
            return []
        passed = sorted(one for one in unresolved if not one[0] or one[1] < counted)
        gone = [identity for *_, identity in passed[: self._most // BEYOND - self._room]]
        self._room += len(gone)
        return gone
