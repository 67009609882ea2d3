"""Where the dashboard stands in each partition, and in which log.

An embedded broker that was started again has an empty log and another cluster id, and a topic that
was made anew is shorter than where we stood. Then reading starts over, in a new *generation*: what
was folded stays, and results of the new generation win over it, whatever their revision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from consumers.dashboard.format import FORMAT, check_format

Partition = tuple[str, int]
"""Topic and number."""


@dataclass(frozen=True, slots=True)
class Positions:
    """The next offset to read of each partition.

    >>> p = Positions("A", 0, {("monitoring.alerts", 0): 5})
    >>> p.in_log("A", {("monitoring.alerts", 0): 9}).generation
    0
    >>> p.in_log("B", {("monitoring.alerts", 0): 9})
    Positions(cluster='B', generation=1, next={})
    """

    cluster: str | None = None
    generation: int = 0
    next: Mapping[Partition, int] = field(default_factory=dict)

    def in_log(self, cluster: str | None, ends: Mapping[Partition, int]) -> Positions:
        """The positions for the log that is there now: the same, or starting over."""
        other_cluster = cluster is not None and self.cluster not in (None, cluster)
        if other_cluster:
            return Positions(cluster, self.generation + 1)
        positions = replace(self, cluster=cluster or self.cluster)
        shorter = {p for p, end in ends.items() if self.next.get(p, 0) > end}
        for topic in {topic for topic, _ in shorter}:
            positions = positions.without(topic)
        return replace(positions, generation=self.generation + 1) if shorter else positions

    def without(self, topic: str) -> Positions:
        """Start this topic over."""
        return replace(self, next={p: o for p, o in self.next.items() if p[0] != topic})

    def after(self, partition: Partition, offset: int) -> Positions:
        """Behind the record at `offset`; one before where we stood begins a new generation."""
        again = offset < self.next.get(partition, 0)
        return replace(
            self,
            generation=self.generation + again,
            next={**self.next, partition: offset + 1},
        )

    def encode(self) -> bytes:
        """For storage."""
        plain: dict[str, Any] = {
            "cluster": self.cluster,
            "generation": self.generation,
            "next": [[topic, number, offset] for (topic, number), offset in self.next.items()],
        }
        return bytes([FORMAT]) + orjson.dumps(plain)

    @classmethod
    def decode(cls, data: bytes) -> Positions:
        """What `encode` wrote."""
        plain = orjson.loads(check_format(data, "the dashboard's position"))
        return cls(
            plain["cluster"],
            plain["generation"],
            {(topic, number): offset for topic, number, offset in plain["next"]},
        )
