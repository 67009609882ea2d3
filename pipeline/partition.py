"""What the owner of one source partition knows: exactly what is written to Redis in one step.

It is a pure function of the partition's log up to `offset`: two owners of one partition (a zombie
and its successor) come to the same state, so that whoever writes first does no harm.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, fields
from typing import Any

from pipeline.labels.record import LabelRecord
from pipeline.reference.row_sample import RowSample
from pipeline.windows.pane import Pane
from pipeline.windows.sequence import OriginSequence
from pipeline.windows.watermark import NEVER


@dataclass(slots=True)
class Totals:
    """Counters of a partition since its beginning; `lost` shrinks when missing rows still come.

    Attributes:
        senders_forgotten: origins of which the numbers are kept no more: there were too many.
        labels_given_up: labels that found no row, and made room for others.
    """

    rows: int = 0
    duplicates: int = 0
    too_late: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    senders_forgotten: int = 0
    labels_given_up: int = 0

    def snapshot(self) -> list[Any]:
        """Plain values, for storage."""
        return [
            self.rows,
            self.duplicates,
            self.too_late,
            self.rejected,
            self.lost,
            self.senders_forgotten,
            self.labels_given_up,
        ]

    @classmethod
    def restore(cls, plain: list[Any]) -> Totals:
        """What `snapshot` gave; an older version says less, and a newer one may say more."""
        return cls(*plain[: len(fields(cls))])


@dataclass(slots=True)
class PartitionState:
    """All that is known of one source partition.

    Attributes:
        offset: the last offset that is counted; -1 before the first.
        from_start: whether the log was read from offset 0, so that an origin's first number
            tells of rows lost before it.
        high_ts: highest event time seen, never above its record's Kafka timestamp.
        models: the models that the partition carries: it counts for their watermark.
        origins: the numbers seen of each sender.
        panes: by the text of their key; of those the store holds some may rest (pane_shelf.py).
        labels: of a labels partition: what each id was last said to be.
        samples: of a predictions partition: by model, the rows that a reference is learned from.
        label_halvings: how often the sample of a model's predictions that are kept for labels is
            halved, from the next row on.
        settled_from: from this offset on nobody can have kept rows before this owner did; not
            stored.
    """

    offset: int = -1
    from_start: bool = True
    high_ts: int = NEVER
    models: set[str] = field(default_factory=set)
    origins: dict[str, OriginSequence] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    panes: MutableMapping[str, Pane] = field(default_factory=dict)
    labels: dict[str, LabelRecord] = field(default_factory=dict)
    samples: dict[str, RowSample] = field(default_factory=dict)
    label_halvings: dict[str, int] = field(default_factory=dict)
    settled_from: int = -1

    def head(self) -> list[Any]:
        """Everything but panes, labels and samples: small, written with every step."""
        return [
            self.from_start,
            self.high_ts,
            sorted(self.models),
            {origin: seen.snapshot() for origin, seen in self.origins.items()},
            self.totals.snapshot(),
            self.label_halvings,
        ]

    @classmethod
    def restore(
        cls,
        offset: int,
        head: list[Any],
        panes: MutableMapping[str, Pane],
        labels: Mapping[str, list[Any]],
        samples: Mapping[str, RowSample] | None = None,
    ) -> PartitionState:
        """What `head` and the snapshots of labels and samples gave, with these panes."""
        from_start, high_ts, models, origins, totals, *new = head
        return cls(
            offset,
            from_start,
            high_ts,
            set(models),
            {origin: OriginSequence.restore(seen) for origin, seen in origins.items()},
            Totals.restore(totals),
            panes,
            {identity: LabelRecord.restore(plain) for identity, plain in labels.items()},
            dict(samples or {}),
            # Heads of an older version have none.
            dict(new[0]) if new else {},
        )
