"""One source partition: what was read of it, what is on its way, and how far it is done.

Numbers must reach a destination partition in their order: a worker takes a number below one that
it has seen for a repeat, because the bridge's numbers have holes. So of each destination one
record is on its way at a time, and what comes after waits until the broker has taken it. That also
holds for two bridges that both believe to own a partition: each sends a stretch without gaps from
a point up to which all is there, so whoever is first, every number is new exactly once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from producers.bridge.log_slices import LogSlice
from producers.bridge.packing import Packer, Parcel
from producers.bridge.parsing import Rejected
from producers.bridge.shaping import Shaper

EVERY_S = 1.0
"""How long a row waits at most for others to share its record."""

_LETTERS_ON_THE_WAY = 256
_LETTERS = -1

Letter = Callable[[Rejected], Parcel]


@dataclass(slots=True)
class _Road:
    """Records to one destination partition, in order, or dead letters."""

    waiting: deque[Parcel] = field(default_factory=deque)
    on_the_way: int = 0


@dataclass(slots=True)
class Lane:
    """The way of one source partition through the bridge.

    Attributes:
        letter: makes the record of a dead letter.
        next_offset: what is to be read next.
        done: all below it is with the broker, rows and dead letters.
    """

    shaper: Shaper
    packer: Packer
    letter: Letter
    next_offset: int
    done: int = field(init=False)
    rejected: deque[Rejected] = field(default_factory=deque)
    _gathered: LogSlice = field(default_factory=LogSlice)
    _since: float = 0.0
    _sending_to: int | None = None
    _roads: dict[int, _Road] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """All before the first offset is done."""
        self.done = self.next_offset

    @property
    def waiting_bytes(self) -> int:
        """Bytes of records that were read and not packed."""
        return self._gathered.size

    @property
    def is_idle(self) -> bool:
        """Whether everything that was read is done."""
        return self._sending_to is None and not self._gathered.offsets

    @property
    def is_sending(self) -> bool:
        """Whether records are on their way."""
        return self._sending_to is not None

    def add(self, slices: Sequence[LogSlice], now: float) -> None:
        """Gather records that were read at `now` (monotonic seconds)."""
        if not self._gathered.offsets:
            self._since = now
        for part in slices:
            self._gathered.extend(part)
            self.next_offset = part.offsets[-1] + 1

    def is_due(self, now: float) -> bool:
        """Whether a record is to be packed: enough rows, or one that waited long enough."""
        gathered = len(self._gathered.offsets)
        if not gathered or self._sending_to is not None:
            return False
        return gathered >= self.packer.rows or now >= self._since + EVERY_S

    def pack(self, now: float) -> None:
        """Pack what was gathered, as much as one record takes."""
        taken, self._gathered = self._gathered.split(self.packer.rows)
        self._since = now
        table, rejected = self.shaper.shape(taken)
        self._sending_to = taken.offsets[-1] + 1
        for parcel in self._kept([*self.packer.pack(table), *rejected]):
            road = _LETTERS if parcel.partition is None else parcel.partition
            self._roads.setdefault(road, _Road()).waiting.append(parcel)
        self._finish()

    def ready(self) -> Iterator[tuple[int, Parcel]]:
        """The records that may be sent now, with their road; each counts as sent from here on."""
        for number, road in self._roads.items():
            most = _LETTERS_ON_THE_WAY if number == _LETTERS else 1
            while road.on_the_way < most and road.waiting:
                road.on_the_way += 1
                yield number, road.waiting.popleft()

    def taken(self, number: int) -> None:
        """The broker has one."""
        self._roads[number].on_the_way -= 1
        self._finish()

    def failed(self, number: int, parcel: Parcel) -> None:
        """The broker does not have it, or nobody knows: it is sent again, before what follows."""
        road = self._roads[number]
        road.on_the_way -= 1
        road.waiting.appendleft(parcel)

    def refused(self, number: int, parcel: Parcel) -> None:
        """The broker finds it too large: its halves take its place."""
        self._roads[number].on_the_way -= 1
        for part in reversed(self._kept(self.packer.divide(parcel))):
            road = _LETTERS if part.partition is None else number
            self._roads.setdefault(road, _Road()).waiting.appendleft(part)
        self._finish()

    def _kept(self, packed: list[Parcel | Rejected]) -> list[Parcel]:
        kept = []
        for one in packed:
            if isinstance(one, Rejected):
                self.rejected.append(one)
                kept.append(self.letter(one))
            else:
                kept.append(one)
        return kept

    def _finish(self) -> None:
        busy = any(road.waiting or road.on_the_way for road in self._roads.values())
        if self._sending_to is not None and not busy:
            self.done, self._sending_to = self._sending_to, None
            self._roads.clear()
