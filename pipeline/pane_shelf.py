"""The panes of a partition: those used last in memory, the others in the store alone.

A pane is needed for as long as rows may come for it, but most rows are for the latest: of a model
with 20 features and windows of a day the panes of one day take 60 MB, and one of them is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from weakref import WeakSet

from pipeline.windows.pane import Pane

PANES_BYTES = 64 * 1024 * 1024
"""Memory that the panes of all partitions of a worker may take between their steps."""

KEPT_STEPS = 20
"""What was used in the last steps of its partition stays, whatever it takes: it is used again."""

Fetch = Callable[[Sequence[str]], Mapping[str, Pane]]
"""Reads these panes from the store; an error where it does not hold one."""


class PaneRoom:
    """The memory for the panes of all partitions that a worker owns.

    What one partition leaves another may take; where all are full each has an equal share.
    """

    def __init__(self, whole: int = PANES_BYTES, kept_steps: int = KEPT_STEPS) -> None:
        """So many bytes for all together, for what was not used in so many steps."""
        self.kept_steps = kept_steps
        self._whole = whole
        self._shelves: WeakSet[PaneShelf] = WeakSet()

    def enter(self, shelf: PaneShelf) -> None:
        """One more takes part, for as long as it lives."""
        self._shelves.add(shelf)

    def is_short_for(self, shelf: PaneShelf) -> bool:
        """Whether there is too little room, and this one has more than its share of it."""
        taken = sum(one.bytes for one in self._shelves)
        return taken > self._whole and shelf.bytes > self._whole // len(self._shelves)


class PaneShelf(MutableMapping[str, Pane]):
    """Panes by the text of their key, as a dict; one that rests is read again when it is asked for.

    Guarantee: nothing comes to rest but in `settle`, which is told what is stored; so a pane that
    was changed is in memory until it is. Cost of `settle`: about 10 µs a pane used.

    >>> shelf = PaneShelf(["a"], lambda keys: {key: Pane(None) for key in keys})
    >>> len(shelf), shelf.awake, shelf["a"].counts, shelf.awake
    (1, 0, {}, 1)
    """

    __hash__ = object.__hash__

    def __init__(
        self,
        stored: Iterable[str] = (),
        fetch: Fetch | None = None,
        room: PaneRoom | None = None,
    ) -> None:
        """All of these are stored, and rest.

        Args:
            stored: keys of the panes that the store holds.
            fetch: reads them; called in the thread that asks for one. None: there are none.
            room: bounds what is in memory; None: nothing ever rests.
        """
        self._awake: dict[str, Pane] = {}
        self._resting = set(stored)
        self._fetch = fetch
        self._room = room
        self._used: set[str] = set()
        self._steps = 0
        self._used_in: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self.bytes = 0
        if room is not None:
            room.enter(self)

    @property
    def awake(self) -> int:
        """How many are in memory."""
        return len(self._awake)

    def wake(self, keys: Sequence[str]) -> None:
        """Read the panes of these keys that rest, all at once."""
        resting = [key for key in keys if key in self._resting]
        if resting:
            assert self._fetch is not None
            self._awake.update(self._fetch(resting))
            self._used.update(resting)
            self._resting.difference_update(resting)

    def settle(self) -> None:
        """A step is over, all is stored: let what was not used for longest rest, until it fits."""
        if self._room is None:
            return
        self._steps += 1
        for key in self._used & self._awake.keys():
            # What was used last stands last.
            pane = self._awake[key] = self._awake.pop(key)
            self._used_in[key] = self._steps
            self._size(key, pane.nbytes)
        self._used.clear()
        while self._awake and self._room.is_short_for(self):
            key = next(iter(self._awake))
            if self._steps - self._used_in[key] < self._room.kept_steps:
                break
            self._drop(key)
            self._resting.add(key)

    def _drop(self, key: str) -> None:
        del self._awake[key]
        self._used_in.pop(key, None)
        self._size(key, 0)

    def _size(self, key: str, size: int) -> None:
        self.bytes += size - self._sizes.pop(key, 0)
        if size:
            self._sizes[key] = size

    def __getitem__(self, key: str) -> Pane:
        """The pane; read from the store if it rests."""
        if key in self._resting:
            self.wake([key])
        pane = self._awake[key]
        self._used.add(key)
        return pane

    def __contains__(self, key: object) -> bool:
        """Whether there is such a pane, in memory or not."""
        return key in self._awake or key in self._resting

    def __setitem__(self, key: str, pane: Pane) -> None:
        """Put a pane there."""
        self._resting.discard(key)
        self._awake[key] = pane
        self._used.add(key)

    def __delitem__(self, key: str) -> None:
        """Forget a pane, which is not read for that."""
        if key in self._resting:
            self._resting.remove(key)
            return
        self._drop(key)

    def __iter__(self) -> Iterator[str]:
        """All keys."""
        yield from self._awake
        yield from self._resting

    def __len__(self) -> int:
        """How many there are, in memory or not."""
        return len(self._awake) + len(self._resting)
