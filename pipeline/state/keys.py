"""The keys in Redis: all that one atomic step touches lies in one hash slot."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class SourcePartition:
    """A partition of an input topic; `topic` is the full name on the broker."""

    topic: str
    number: int

    def __str__(self) -> str:
        """`topic:number`, as it stands in keys."""
        return f"{self.topic}:{self.number}"


@dataclass(frozen=True, slots=True)
class Keys:
    """All keys under one prefix.

    >>> Keys("eu.").partition(SourcePartition("inference.labels", 3), "panes")
    'eu.inferwatch:{inference.labels:3}:panes'
    """

    prefix: str

    @property
    def root(self) -> str:
        """What every key begins with."""
        return f"{self.prefix}inferwatch:"

    def partition(self, source: SourcePartition, part: str) -> str:
        """`head`, `panes`, `dirty`, `labels`, `samples` or `live` of a source partition."""
        return f"{self.root}{{{source}}}:{part}"

    def model(self, model: str, part: str) -> str:
        """`head`, `pending`, `published`, `watch` or `outbox` of a model's evaluation."""
        return f"{self.root}{{evaluate:{model}}}:{part}"

    def kept(self, shard: int, bucket: int) -> str:
        """Kept predictions of one shard of ids and one stretch of event time."""
        return f"{self.root}{{kept:{shard}}}:{bucket}"

    @property
    def references(self) -> str:
        """A copy of the reference profiles."""
        return f"{self.root}references"

    @property
    def label_samples(self) -> str:
        """How much of each model is kept for its labels: model -> what is in force."""
        return f"{self.root}label-samples"

    @property
    def workers(self) -> str:
        """Who works: worker id -> what it said of itself last."""
        return f"{self.root}workers"
