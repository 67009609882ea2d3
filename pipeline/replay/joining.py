"""The labels of a replay and the predictions that they are about, whichever comes first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from inferwatch.settings import Settings
from pipeline.decode import Decoded
from pipeline.labels.join import LabelJoin
from pipeline.labels.kept import FoundPrediction, KeptRows
from pipeline.partition import PartitionState
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.replay.label_feed import LabelFeed
from pipeline.windows.pane import Pane


class Joining:
    """Joins labels with predictions in memory; each step answers with the panes it changed.

    Memory: about 600 bytes a prediction that has a label.
    """

    def __init__(
        self,
        settings: Settings,
        references: ReferenceCatalog,
        labels: LabelFeed,
        panes: dict[str, Pane],
    ) -> None:
        """Count pairs in these panes."""
        self._labels = labels
        self._join = LabelJoin(settings, references)
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

    def predictions(self, kept: Iterable[KeptRows]) -> set[str]:
        """Predictions have come; of some the label came first."""
        found: dict[str, list[FoundPrediction]] = defaultdict(list)
        for rows in kept:
            for identity, prediction in rows.found(""):
                self._kept.setdefault(identity, []).append(prediction)
                if identity in self._state.labels:
                    found[identity].append(prediction)
        return self._join.apply(self._state, {}, found).dirty if found else set()
