"""A pane: all additive counters of one (model, version, segment, slice of event time).

Panes merge by addition, whatever the order: panes of all partitions into a window, segments into
a model. Rows that come when some windows that hold the pane are already closed are kept apart,
under the time up to which windows are closed to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from inferwatch.events.reference import ReferenceProfile
from pipeline.estimate.confidence import ConfidenceCounter
from pipeline.stats import LatencyCounter, ResourceCounter
from pipeline.windows.counting import CountingRules, QualityCounter
from pipeline.windows.inputs import InputCounts
from pipeline.windows.name_limit import LowestNames
from pipeline.windows.names import join_names, split_names

NO_REFERENCE = ""
"""Stands for the fingerprint where rows are counted without a reference."""

PART_BYTES = 8_000
"""Memory of what a pane counts of resources or confidence."""


@dataclass(frozen=True, slots=True, order=True)
class PaneKey:
    """What a pane is about; `segment` is `key=value`, or empty for the whole model.

    >>> PaneKey.parse(PaneKey("m", "7", "region=eu", 60_000).text()).start
    60000
    """

    model: str
    version: str
    segment: str
    start: int

    def text(self) -> str:
        """The key under which it is stored."""
        return join_names(self.model, self.version, self.segment, str(self.start))

    @classmethod
    def parse(cls, text: str) -> PaneKey:
        """What `text` wrote."""
        model, version, segment, start = split_names(text)
        return cls(model, version, segment, int(start))


@dataclass(slots=True)
class Counts:
    """The counters of a pane, or of a window: all that merges.

    Attributes:
        rules: how the model's rows are counted.
        rows, duplicates, lost: about prediction rows.
        joinable: rows that a label could find: sampled, with an id.
        inputs: by the fingerprint of the reference counted against.
        confidence: of a classifier's rows with scores, for an estimate without labels.
        names: what the pane lists of others (pipeline/limits.py): the segments of a version, the
            versions of a model, the models.
    """

    rules: CountingRules
    rows: int = 0
    duplicates: int = 0
    lost: int = 0
    joinable: int = 0
    inputs: dict[str, InputCounts] = field(default_factory=dict)
    latency: LatencyCounter | None = None
    resources: ResourceCounter | None = None
    quality: QualityCounter | None = None
    confidence: ConfidenceCounter | None = None
    names: set[str] = field(default_factory=set)

    def against(self, reference: ReferenceProfile | None) -> InputCounts:
        """The counters of inputs and outputs against this reference."""
        fingerprint = NO_REFERENCE if reference is None else reference.fingerprint
        if fingerprint not in self.inputs:
            self.inputs[fingerprint] = InputCounts(reference, self.rules)
        return self.inputs[fingerprint]

    def merge(self, other: Counts) -> None:
        """Add the counters of another pane; the other one stays as it is.

        Where the other's model is counted by other rules (both are told as `__other__`), only what
        no rule decides is added: rows, latency and resources.
        """
        self.rows += other.rows
        self.duplicates += other.duplicates
        self.lost += other.lost
        self.names |= other.names
        if other.latency is not None:
            self.latency = self.latency or LatencyCounter()
            self.latency.merge(other.latency)
        if other.resources is not None:
            self.resources = self.resources or ResourceCounter()
            self.resources.merge(other.resources)
        if other.rules.digest != self.rules.digest:
            return
        self.joinable += other.joinable
        for inputs in other.inputs.values():
            self.against(inputs.reference).merge(inputs)
        if other.quality is not None:
            self.quality = self.quality or self.rules.quality()
            # One set of rules makes one kind of counter.
            self.quality.merge(other.quality)  # type: ignore[arg-type]
        if other.confidence is not None:
            self.confidence = self.confidence or ConfidenceCounter()
            self.confidence.merge(other.confidence)

    def nameless(self) -> Counts:
        """The same counters, to be added to a pane that lists other names."""
        return replace(self, names=set())

    @property
    def empty(self) -> bool:
        """Whether it holds no prediction, latency, resource or label."""
        return not (self.rows or self.latency or self.resources or self.quality)

    def narrow(self) -> None:
        """Take less memory; it must only be read from now on."""
        for inputs in self.inputs.values():
            inputs.narrow()

    @property
    def nbytes(self) -> int:
        """About how much memory it takes; resources and confidence at what is usual."""
        parts = [*self.inputs.values(), self.latency, self.quality]
        beside = sum(part is not None for part in (self.resources, self.confidence)) * PART_BYTES
        return 500 + beside + sum(part.nbytes for part in parts if part is not None)

    def snapshot(self) -> list[Any]:
        """Plain values, for storage."""
        return [
            self.rules.digest,
            self.rows,
            self.duplicates,
            self.lost,
            self.joinable,
            {fingerprint: inputs.snapshot() for fingerprint, inputs in self.inputs.items()},
            None if self.latency is None else self.latency.snapshot(),
            None if self.resources is None else self.resources.snapshot(),
            None if self.quality is None else self.quality.snapshot(),
            None if self.confidence is None else self.confidence.snapshot(),
            sorted(self.names),
        ]

    @staticmethod
    def references_of(plain: list[Any]) -> set[str]:
        """The fingerprints that stored counts were counted against."""
        inputs: dict[str, Any] = plain[5]
        return inputs.keys() - {NO_REFERENCE}

    @classmethod
    def restore(
        cls, plain: list[Any], references: Mapping[str, ReferenceProfile], rules: CountingRules
    ) -> Counts:
        """What `snapshot` gave; `references` by fingerprint.

        Counts of inputs and quality that were made by other rules (the config changed) cannot be
        added to what is counted now, nor can those against a reference that is gone: they are
        left out.
        """
        digest, rows, duplicates, lost, joinable, inputs, latency, resources, quality, *new = plain
        counts = cls(rules, rows, duplicates, lost, joinable)
        counts.latency = None if latency is None else LatencyCounter.restore(latency)
        counts.resources = None if resources is None else ResourceCounter.restore(resources)
        # Panes of an older version have neither of the two.
        confidence = new[0] if new else None
        counts.names = set(new[1] if len(new) > 1 else ())
        if digest != rules.digest:
            return counts
        for fingerprint, part in inputs.items():
            reference = references.get(fingerprint)
            if reference is not None or fingerprint == NO_REFERENCE:
                counts.inputs[fingerprint] = InputCounts.restore(part, reference, rules)
        if quality is not None:
            counts.quality = type(rules.quality()).restore(quality)
        if confidence is not None:
            counts.confidence = ConfidenceCounter.restore(confidence)
        return counts


@dataclass(slots=True)
class Pane:
    """The counters of a pane, apart by the time up to which windows are closed to the rows.

    Attributes:
        counts: NEVER holds rows that every window takes; a later time T holds rows that only
            windows which end after T take.
        lowest: those of all its `names` that may still go; made when it is needed.
    """

    rules: CountingRules
    counts: dict[int, Counts] = field(default_factory=dict)
    lowest: LowestNames | None = field(default=None, compare=False)

    def at(self, closed_until: int) -> Counts:
        """The counters for rows to which windows up to this end are closed."""
        if closed_until not in self.counts:
            self.counts[closed_until] = Counts(self.rules)
        return self.counts[closed_until]

    def taken_by(self, end: int) -> Iterator[Counts]:
        """What a window that ends at `end` takes of this pane."""
        return (counts for until, counts in self.counts.items() if until < end)

    def merge_into(self, window: Counts, end: int) -> None:
        """Add what a window that ends at `end` takes of this pane."""
        for counts in self.taken_by(end):
            window.merge(counts)

    def narrow(self) -> None:
        """Take less memory; it must only be read from now on."""
        for counts in self.counts.values():
            counts.narrow()

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        return 300 + sum(counts.nbytes for counts in self.counts.values())

    def snapshot(self) -> dict[int, list[Any]]:
        """Plain values, for storage."""
        return {closed_until: counts.snapshot() for closed_until, counts in self.counts.items()}

    @classmethod
    def restore(
        cls,
        plain: Mapping[int, list[Any]],
        references: Mapping[str, ReferenceProfile],
        rules: CountingRules,
    ) -> Pane:
        """What `snapshot` gave."""
        parts = {until: Counts.restore(c, references, rules) for until, c in plain.items()}
        return cls(rules, parts)
