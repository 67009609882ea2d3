"""Where a partition is read from when Redis holds nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from inferwatch.settings import Settings
from inferwatch.topics import consumer_group
from pipeline.log import LogReader
from pipeline.state.keys import SourcePartition
from pipeline.windows.watermark import NEVER


@dataclass(frozen=True, slots=True)
class FirstOffset:
    """The first offset to count: by `start` at a group's very first start, else all that is left.

    A group that has committed before lost its state in Redis: it is rebuilt from the beginning
    of the log.
    """

    settings: Settings
    log: LogReader
    now_ms: Callable[[], int]

    def __call__(self, source: SourcePartition) -> int:
        """The offset; blocking."""
        begin, end = self.log.bounds(source)
        start = self.settings.start
        if start == "earliest" or begin == end:
            return begin
        group = consumer_group(self.settings.topics.prefix, "worker")
        if self.log.committed(source, group) is not None:
            return begin
        if start == "latest":
            return end
        found = self.log.offset_at(source, self.now_ms() - int(start))
        return end if found is None else found

    def whole_from(self, source: SourcePartition) -> int:
        """The time from which no record is missing: NEVER where the log is read from offset 0.

        Blocking. Where nothing is left to read that is now.
        """
        first = self(source)
        if first == 0:
            return NEVER
        found = self.log.time_of(source, first)
        return self.now_ms() if found is None else found
