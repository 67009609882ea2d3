"""The panes of a model's windows: read from Redis once, rolled up, and kept until one changes.

Labels come hours after their rows, all the time, and change nothing but the panes of the labels'
partitions: those have runs of their own, so that the runs of the features last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from weakref import WeakSet

from inferwatch import topics
from inferwatch.errors import InferwatchError
from pipeline.models import ModelPlan
from pipeline.progress import Progress
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.state.keys import SourcePartition
from pipeline.state.packing import unpack
from pipeline.state.partitions import PartitionStore
from pipeline.windows.grid import Span
from pipeline.windows.pane import Counts, Pane, PaneKey
from pipeline.windows.result import WindowKey
from pipeline.windows.rollup import Rollups
from pipeline.windows.run_shelf import RunShelf

RUNS_BYTES = 256 * 1024 * 1024
"""Memory that the runs of all models of a worker may take."""

READ_PANES = 480
"""Panes asked for at once, and the panes of a long window that are worked on at once: a multiple of
the longest run."""


class WentBackError(InferwatchError):
    """A partition holds less than it did: it is being rebuilt."""


class RunRoom:
    """Shares the memory for runs equally among the models that a worker evaluates.

    >>> room = RunRoom(1_000)
    >>> one, other = RunShelf(lambda: room.share), RunShelf(lambda: room.share)
    >>> room.enter(one), room.enter(other), room.share
    (None, None, 500)
    """

    def __init__(self, whole: int = RUNS_BYTES) -> None:
        """So many bytes for all together."""
        self._whole = whole
        self._shelves: WeakSet[RunShelf] = WeakSet()

    def enter(self, shelf: RunShelf) -> None:
        """One more takes a share, for as long as it lives."""
        self._shelves.add(shelf)

    @property
    def share(self) -> int:
        """Bytes for each."""
        return self._whole // max(1, len(self._shelves))


@dataclass(slots=True)
class _Stretch:
    """A stretch of a window, of the panes of events or of labels."""

    window: int
    of_labels: bool
    rollups: Rollups
    key: WindowKey
    span: Span


@dataclass(slots=True)
class _Reading:
    """Stretches to be made up at once, and the panes that have to be read for them.

    Attributes:
        wanted: the text keys of panes, of events (False) and of labels (True).
    """

    stretches: list[_Stretch] = field(default_factory=list)
    wanted: dict[bool, dict[str, None]] = field(default_factory=lambda: {False: {}, True: {}})

    @property
    def panes(self) -> int:
        """How many panes have to be read."""
        return sum(map(len, self.wanted.values()))


class WindowPanes:
    """The panes of one model's windows.

    Guarantee: as if every pane were read anew, as long as `changed` is told of each dirty mark
    before it is cleaned away, and nobody else cleans marks of this model. Cost: a window of a day
    over panes of a minute is made of 24 to 51 parts; what is known of it takes at most the
    share of `room`.
    """

    def __init__(
        self,
        plan: ModelPlan,
        references: ReferenceCatalog,
        partitions: PartitionStore,
        prefix: str,
        room: RunRoom,
    ) -> None:
        """Of the model of this plan; `prefix` stands before the topics' names."""
        self._plan = plan
        self._references = references
        self._partitions = partitions
        self._labels = topics.LABELS.full_name(prefix)
        self._shelf = RunShelf(lambda: room.share)
        room.enter(self._shelf)
        self._lacking: set[str] = set()

    def changed(self, pane: PaneKey, source: SourcePartition) -> None:
        """A pane was counted into, in this partition."""
        of_labels = source.topic == self._labels
        self._rollups(pane.version, pane.segment, of_labels).changed(pane.start)

    @property
    def kept_bytes(self) -> int:
        """About how much memory its runs take."""
        return self._shelf.bytes

    def forget(self, before: int) -> None:
        """No window that begins before this time will be asked for: it may be, at a cost."""
        self._shelf.forget(before)

    async def of(self, keys: Sequence[WindowKey], progress: Progress) -> list[list[Pane]]:
        """The panes of each window, or runs of them, of all partitions; to be read only.

        Raises:
            WentBackError: a partition holds less than `progress` says.
        """
        if any(name in self._references.by_fingerprint for name in self._lacking):
            # What was counted against it could not be read before.
            self._shelf.clear()
            self._lacking.clear()
        found: list[list[Pane]] = [[] for _ in keys]
        reading = _Reading()
        for stretch in self._stretches(keys):
            self._want(reading, stretch)
            if reading.panes >= READ_PANES:
                await self._read(reading, progress, found)
                reading = _Reading()
        await self._read(reading, progress, found)
        return found

    def _stretches(self, keys: Iterable[WindowKey]) -> Iterator[_Stretch]:
        size = READ_PANES * self._plan.grid.pane
        for window, key in enumerate(keys):
            for span in _cut(key.span, size):
                for of_labels in (False, True):
                    rollups = self._rollups(key.version, key.segment, of_labels)
                    yield _Stretch(window, of_labels, rollups, key, span)

    def _want(self, reading: _Reading, stretch: _Stretch) -> None:
        wanted = reading.wanted[stretch.of_labels]
        for start in stretch.rollups.unknown(stretch.span):
            wanted[self._text(stretch.key, start)] = None
        reading.stretches.append(stretch)

    async def _read(
        self, reading: _Reading, progress: Progress, found: Sequence[list[Pane]]
    ) -> None:
        """Read the panes that are wanted, and make the stretches up."""
        packed = {
            of_labels: await self._packed(list(wanted), of_labels, progress)
            for of_labels, wanted in reading.wanted.items()
        }
        if reading.panes:
            await asyncio.to_thread(self._make_up, reading.stretches, packed, found)
        else:
            self._make_up(reading.stretches, packed, found)
        self._shelf.trim()

    async def _packed(
        self, texts: Sequence[str], of_labels: bool, progress: Progress
    ) -> dict[str, list[bytes]]:
        """The stored panes under these keys, of every partition that has one."""
        packed: dict[str, list[bytes]] = {text: [] for text in texts}
        sources = [one for one in progress.sources if (one.topic == self._labels) == of_labels]
        if not texts or not sources:
            return packed
        held = await self._partitions.panes(sources, texts)
        for source, (offset, panes) in zip(sources, held, strict=True):
            known = progress.sources[source].offset
            if known is not None and (offset is None or offset < known):
                raise WentBackError(f"{source} went back to offset {offset}")
            for text, data in zip(texts, panes, strict=True):
                if data is not None:
                    packed[text].append(data)
        return packed

    def _make_up(
        self,
        stretches: Iterable[_Stretch],
        packed: Mapping[bool, Mapping[str, Sequence[bytes]]],
        found: Sequence[list[Pane]],
    ) -> None:
        for one in stretches:
            panes_at = partial(self._restored, packed[one.of_labels], one.key)
            parts = one.rollups.parts(one.span, panes_at)
            found[one.window].extend(part for part in parts if part.counts)

    def _restored(
        self, packed: Mapping[str, Sequence[bytes]], key: WindowKey, start: int
    ) -> Iterator[Pane]:
        known = self._references.by_fingerprint
        for data in packed[self._text(key, start)]:
            plain: dict[int, list[Any]] = unpack(data, f"a pane of {self._plan.name}")
            for counts in plain.values():
                self._lacking.update(Counts.references_of(counts) - known.keys())
            yield Pane.restore(plain, known, self._plan.counting)

    def _rollups(self, version: str, segment: str, of_labels: bool) -> Rollups:
        plan = self._plan
        about = (version, segment, of_labels)
        return Rollups(plan.counting, plan.grid.pane, self._shelf, about)

    def _text(self, key: WindowKey, start: int) -> str:
        return PaneKey(self._plan.name, key.version, key.segment, start).text()


def _cut(span: Span, size: int) -> Iterator[Span]:
    """A window in stretches that begin at multiples of a size."""
    start = span.start
    while start < span.end:
        end = min(start // size * size + size, span.end)
        yield Span(end, end - start, span.text)
        start = end
