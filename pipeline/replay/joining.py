"""The labels of a replay and the predictions that they are about, whichever comes first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from inferwatch.settings import Settings
from pipeline.decode import Decoded
from pipeline.labels.join import LabelJoin
from pipeline.labels.kept import FoundPrediction, KeptPrediction
from pipeline.partition import PartitionState
from pipeline.replay.label_feed import LabelFeed
from pipeline.windows.pane import Pane


class Joining:
    """Joins labels with predictions in memory; each step answers with the panes it changed.

    Memory: about 600 bytes a prediction that has a label.
    """

    def __init__(self, settings: Settings, labels: LabelFeed, panes: dict[str, Pane]) -> None:
        """Count pairs in these panes."""
        self._labels = labels
        self._join = LabelJoin(settings)
        self._state = PartitionState(panes=panes)
        self._kept: dict[str, list[FoundPrediction]] = {}

    @property
    def next(self) -> int | None:
        """The time of the next label; None after the last."""
        return self._labels.next

    @property
    def last(self) -> int:
        """The latest time of all labels; NEVER without one."""
        return self._labels.last

    def labels_until(self, time: int) -> set[str]:
        """Labels up to this time have come."""
        chunk = self._labels.take(time)
        if chunk is None:
            return set()
        news = self._join.newest(self._state, Decoded([chunk], []))
        found = {identity: self._kept[identity] for identity in news if identity in self._kept}
        return self._join.apply(self._state, news, found).dirty

    def predictions(self, kept: Iterable[KeptPrediction]) -> set[str]:
        """Predictions have come; of some the label came first."""
        found: dict[str, list[FoundPrediction]] = defaultdict(list)
        for row in kept:
            prediction = found_of(row)
            self._kept.setdefault(row.id, []).append(prediction)
            if row.id in self._state.labels:
                found[row.id].append(prediction)
        return self._join.apply(self._state, {}, found).dirty if found else set()


def found_of(row: KeptPrediction) -> FoundPrediction:
    """A prediction as a label finds it; in a replay its place is all its identity."""
    return FoundPrediction(
        identity=str(row.offset),
        model=row.model,
        version=row.version,
        ts=row.ts,
        text=row.text,
        number=row.number,
        scores=row.scores,
        closed_until=row.closed_until,
        segments=row.segments,
    )
