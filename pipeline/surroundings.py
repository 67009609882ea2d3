"""What the owners of partitions work with: stores, the log, and who is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from inferwatch.events.deadletter import DeadLetter
from pipeline.decode import RawRecord
from pipeline.pane_shelf import PaneRoom
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.state.kept import KeptStore
from pipeline.state.keys import SourcePartition
from pipeline.state.partitions import PartitionStore
from pipeline.windows.counting import CountingRules


class Log(Protocol):
    """The log of a partition, outside the consumer group; blocking."""

    def bounds(self, source: SourcePartition) -> tuple[int, int]:
        """(first offset held, offset after the last)."""

    def read(
        self, source: SourcePartition, first: int, after: int
    ) -> Generator[list[RawRecord], None, None]:
        """The records with `first` <= offset < `after`, in stretches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the owners of all partitions share."""

    store: PartitionStore
    kept: KeptStore
    log: Log
    references: ReferenceCatalog
    references_read: Callable[[], Awaitable[None]]
    rules_of: Callable[[str], CountingRules]
    first_offset: Callable[[SourcePartition], int]
    send_dead_letters: Callable[[Sequence[DeadLetter]], Awaitable[None]]
    notify: Callable[[set[str]], Awaitable[None]]
    now_ms: Callable[[], int]
    room: PaneRoom = field(default_factory=PaneRoom)
