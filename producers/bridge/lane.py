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

# Stretches that are packed before the first of them is done.
_AHEAD = 3
_LETTERS_ON_THE_WAY = 256
_LETTERS = -1

Letter = Callable[[Rejected], Parcel]


@dataclass(slots=True)
class _Stretch:
    """Source records that were packed together: below `after`, with `left` parcels to deliver."""

    after: int
    left: int


@dataclass(frozen=True, slots=True, eq=False)
class Shipment:
    """A parcel on its way."""

    parcel: Parcel
    road: int
    stretch: _Stretch


@dataclass(slots=True)
class _Road:
    """What goes to one destination partition, in order, or the dead letters."""

    waiting: deque[Shipment] = field(default_factory=deque)
    on_the_way: int = 0


@dataclass(slots=True)
class Lane:
    """The way of one source partition through the bridge.

    Attributes:
        letter: makes the record of a dead letter.
        next_offset: what is to be read next.
        done: all below it is with the broker, rows and dead letters.
        rejected: what became dead letters, to be counted.
        waiting_bytes: about the bytes of records that were read and not packed.
    """

    shaper: Shaper
    packer: Packer
    letter: Letter
    next_offset: int
    done: int = field(init=False)
    rejected: deque[Rejected] = field(default_factory=deque)
    waiting_bytes: int = 0
    _waiting: deque[LogSlice] = field(default_factory=deque)
    _waiting_rows: int = 0
    _since: float = 0.0
    _stretches: deque[_Stretch] = field(default_factory=deque)
    _roads: dict[int, _Road] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """All before the first offset is done."""
        self.done = self.next_offset

    @property
    def is_idle(self) -> bool:
        """Whether everything that was read is done."""
        return not self._stretches and not self._waiting

    @property
    def is_sending(self) -> bool:
        """Whether something is on its way."""
        return bool(self._stretches)

    def add(self, slices: Sequence[LogSlice], now: float) -> None:
        """Gather records that were read at `now` (monotonic seconds)."""
        if not self._waiting:
            self._since = now
        for part in slices:
            self._waiting.append(part)
            self._waiting_rows += len(part.offsets)
            self.waiting_bytes += part.size
            self.next_offset = part.offsets[-1] + 1

    def is_due(self, now: float) -> bool:
        """Whether to pack: enough rows, or one that waited long enough, and not too much packed."""
        if not self._waiting or len(self._stretches) >= _AHEAD:
            return False
        return self._waiting_rows >= self.packer.rows or now >= self._since + EVERY_S

    def pack(self, now: float) -> None:
        """Pack what waits, as much as one record takes."""
        taken = self._take(self.packer.rows)
        self._since = now
        table, rejected = self.shaper.shape(taken)
        stretch = _Stretch(taken.offsets[-1] + 1, 0)
        self._stretches.append(stretch)
        for shipment in self._shipments([*self.packer.pack(table), *rejected], stretch):
            self._roads.setdefault(shipment.road, _Road()).waiting.append(shipment)
        self._advance()

    def ready(self) -> Iterator[Shipment]:
        """What may be sent now; each counts as sent from here on."""
        for number, road in self._roads.items():
            most = _LETTERS_ON_THE_WAY if number == _LETTERS else 1
            while road.on_the_way < most and road.waiting:
                road.on_the_way += 1
                yield road.waiting.popleft()

    def taken(self, shipment: Shipment) -> None:
        """The broker has it."""
        self._roads[shipment.road].on_the_way -= 1
        shipment.stretch.left -= 1
        self._advance()

    def failed(self, shipment: Shipment) -> None:
        """The broker does not have it, or nobody knows: it is sent again, before what follows."""
        road = self._roads[shipment.road]
        road.on_the_way -= 1
        road.waiting.appendleft(shipment)

    def refused(self, shipment: Shipment) -> None:
        """The broker finds it too large: its halves take its place."""
        parts = self._shipments(self.packer.divide(shipment.parcel), shipment.stretch)
        for part in reversed(parts):
            self._roads.setdefault(part.road, _Road()).waiting.appendleft(part)
        self.taken(shipment)

    def _take(self, rows: int) -> LogSlice:
        taken = LogSlice()
        while self._waiting and (lacking := rows - len(taken.offsets)) > 0:
            first, others = self._waiting.popleft().split(lacking)
            if others.offsets:
                self._waiting.appendleft(others)
            taken.extend(first)
        self._waiting_rows -= len(taken.offsets)
        self.waiting_bytes -= taken.size
        return taken

    def _shipments(self, packed: list[Parcel | Rejected], stretch: _Stretch) -> list[Shipment]:
        made = []
        for one in packed:
            if isinstance(one, Rejected):
                self.rejected.append(one)
                made.append(Shipment(self.letter(one), _LETTERS, stretch))
            else:
                assert one.partition is not None, "rows know theirs"
                made.append(Shipment(one, one.partition, stretch))
        stretch.left += len(made)
        return made

    def _advance(self) -> None:
        while self._stretches and not self._stretches[0].left:
            self.done = self._stretches.popleft().after
