"""Which reference counts which rows: all references known, and from when each is in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inferwatch.events.reference import ReferenceProfile
from pipeline.columns import Mask

EVERY_MODEL = "*"
BEFORE_ALL = -(2**62)
"""The time of publication of a reference that holds from the first row on, as in a replay."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Published:
    """A reference and when its record was written, by Kafka's timestamp."""

    profile: ReferenceProfile
    at_ms: int
    order: int

    @property
    def newest_last(self) -> tuple[int, int]:
        return (self.at_ms, self.order)


class ReferenceCatalog:
    """The references of all models.

    Which one serves: one of the row's own version, else the model's newest of any version, else
    one that serves every model (`*`), its version matched likewise. One that was learned serves
    only where none that was given does.

    When: a model's first reference (of those that can serve it, whatever the version) holds for
    every row whose record was written after its own, whatever the row's time. A later one holds
    from the first window that begins after its record was written. No reference counts a row
    whose record is older than its own: so what is known when a record is read for the first time
    is all that decides, and a rebuild from the log decides the same.

    >>> catalog = ReferenceCatalog()
    >>> catalog.in_force("fraud", "7", 0) is None
    True
    """

    def __init__(self) -> None:
        """No reference yet."""
        self._by_model: dict[str, list[_Published]] = {}
        self._by_fingerprint: dict[str, ReferenceProfile] = {}
        self._added = 0

    @property
    def by_fingerprint(self) -> Mapping[str, ReferenceProfile]:
        """Every reference that was ever added, by its fingerprint."""
        return self._by_fingerprint

    def published(self) -> list[tuple[ReferenceProfile, int]]:
        """Each reference and when it was published, by model, oldest first."""
        return [
            (p.profile, p.at_ms) for model in sorted(self._by_model) for p in self._by_model[model]
        ]

    def add(self, profile: ReferenceProfile, published_at_ms: int = BEFORE_ALL) -> None:
        """Add a reference whose record has this timestamp.

        The same one published again changes nothing: it has been in force since the first time.
        """
        known = self._by_model.setdefault(profile.model, [])
        same = (profile.version, profile.fingerprint, profile.provisional)
        if any(
            (p.profile.version, p.profile.fingerprint, p.profile.provisional) == same for p in known
        ):
            return
        self._added += 1
        known.append(_Published(profile, published_at_ms, self._added))
        known.sort(key=lambda published: published.newest_last)
        self._by_fingerprint.setdefault(profile.fingerprint, profile)

    def serves(self, model: str) -> bool:
        """Whether there is a reference for this model, of whatever version."""
        return model in self._by_model or EVERY_MODEL in self._by_model

    def __len__(self) -> int:
        """How many references were added; it only grows."""
        return self._added

    def serving(self, model: str) -> list[ReferenceProfile]:
        """All references that can serve a model, oldest first."""
        return [published.profile for published in self._serving(model)]

    def in_force(self, model: str, version: str, at_ms: int) -> ReferenceProfile | None:
        """The reference that a window which begins at this time is measured against.

        The model's first reference is in force at any time, also before it was published: the
        rows of such a window that came before it are not counted against it.
        """
        return _choose(self._serving(model), version, at_ms)

    def counting(
        self, model: str, version: str, starts: Iterable[int], record_ts: Ints
    ) -> list[tuple[ReferenceProfile | None, Mask | None]]:
        """Which references count which rows of a pane.

        Args:
            model: the rows' model.
            version: the rows' version.
            starts: where the windows that hold the pane begin.
            record_ts: when each row's record was written (Kafka's timestamp), shape (n,).

        Returns:
            Pairs of a reference (None: count without one) and the rows to count against it: a
            mask of shape (n,), or None for all of them. A row is counted against each reference
            in force at the start of any window that holds it; in most cases there is one pair.
        """
        serving = self._serving(model)
        if not serving:
            return [(None, None)]
        times = sorted({published.at_ms for published in serving})
        # Rows whose records lie between the same two publications are treated alike.
        period = np.searchsorted(np.array(times), record_ts, "left")
        chosen: dict[str | None, tuple[ReferenceProfile | None, Mask]] = {}
        starts = list(starts)
        for after in np.unique(period).tolist():
            known = [p for p in serving if after and p.at_ms <= times[after - 1]]
            mask = period == after
            for start in starts:
                profile = _choose(known, version, start)
                key = None if profile is None else profile.fingerprint
                before = chosen.get(key)
                chosen[key] = (profile, mask if before is None else before[1] | mask)
        return [(profile, None if mask.all() else mask) for profile, mask in chosen.values()]

    def _serving(self, model: str) -> list[_Published]:
        """All references that can serve a model, oldest first."""
        own = self._by_model.get(model, [])
        if model == EVERY_MODEL:
            return own
        return sorted([*own, *self._by_model.get(EVERY_MODEL, [])], key=lambda p: p.newest_last)


def _choose(serving: list[_Published], version: str, at_ms: int) -> ReferenceProfile | None:
    """The reference in force at this start of a window, of those that serve a model."""
    best: ReferenceProfile | None = None
    rank = (False, False, False)
    for place, published in enumerate(serving):
        if place and published.at_ms >= at_ms:
            break
        profile = published.profile
        known = not profile.provisional, profile.model != EVERY_MODEL
        fits = (*known, profile.version == version)
        if best is None or fits >= rank:
            best, rank = profile, fits
    return best
