"""Which panes make a window where there are more names than the limits allow.

A window keeps the names that are named, and of the rest those with the lowest hashes of all that
occur in it, in any of its panes and partitions (pipeline/windows/name_limit.py). Panes of the
other names that some partition still holds apart (it saw fewer names) make the window of
`__other__`, beside its own panes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pipeline.limits import NameLimits, pool_of
from pipeline.models import ModelPlans
from pipeline.windows.grid import Span
from pipeline.windows.name_limit import OTHER
from pipeline.windows.pane import Pane, PaneKey
from pipeline.windows.result import WindowKey

PanesAt = Callable[[str], Iterable[Pane]]


class Track(NamedTuple):
    """The panes of one model, version and segment."""

    model: str
    version: str
    segment: str


def is_pool(key: WindowKey) -> bool:
    """Whether a window tells of the names beyond a limit."""
    return key.version == OTHER or (bool(key.segment) and key.segment == pool_of(key.segment))


def pools_of(key: WindowKey) -> Iterator[WindowKey]:
    """The windows that may tell of a window's rows in its place."""
    yield WindowKey(key.span, OTHER, "")
    if key.segment:
        yield WindowKey(key.span, key.version, pool_of(key.segment))


class Crowd:
    """Tells whether a model may have more names than its windows keep: mostly not, at no cost."""

    def __init__(self, limits: NameLimits, model: str, models_crowded: Callable[[], bool]) -> None:
        """Nothing of this model was seen yet."""
        self._limits = limits
        self._model = model
        self._models_crowded = models_crowded
        self._versions: set[str] = set()
        self._segments: set[str] = set()

    def saw(self, version: str, segment: str) -> None:
        """The model has a pane of this version and segment."""
        if version != OTHER and len(self._versions) <= self._limits.versions(self._model).most:
            self._versions.add(version)
        if not segment or segment == pool_of(segment):
            return
        if len(self._segments) <= self._limits.segments(self._model).most:
            self._segments.add(segment)

    @property
    def is_crowded(self) -> bool:
        """Whether any of its windows may hold a name that is told together with others."""
        return self._models_crowded() or any(
            len(seen) + len(limit.named) > limit.most
            for seen, limit in (
                (self._versions, self._limits.versions(self._model)),
                (self._segments, self._limits.segments(self._model)),
            )
        )


class Pooling:
    """Where the rows of every name are told, window by window; asks for the panes that it needs."""

    def __init__(
        self, limits: NameLimits, plans: ModelPlans, models_crowded: Callable[[], bool]
    ) -> None:
        """Pool what is beyond these limits.

        Args:
            limits: on names.
            plans: of all models.
            models_crowded: whether there are more models than the limit allows, in any window.
        """
        self._limits = limits
        self._plans = plans
        self._models_crowded = models_crowded

    def crowd(self, model: str) -> Crowd:
        """What is to be told of each pane of a model."""
        named = self._plans.is_named(model)
        return Crowd(self._limits, model, (lambda: False) if named else self._models_crowded)

    def texts(self, model: str, key: WindowKey, panes_at: PanesAt) -> list[str]:
        """The text keys of the panes that make a window; none where its rows are told elsewhere."""
        return [
            PaneKey(*track, start).text()
            for track in self._tracks(model, key, panes_at)
            for start in self._plans.of(track.model).grid.panes_of(key.span)
        ]

    def beside(self, model: str, key: WindowKey, panes_at: PanesAt) -> Iterator[WindowKey]:
        """The model's windows of the same span that change where this one does.

        These are `__other__`'s, and those of the names that are told there: a result of theirs
        that was published holds no longer.
        """
        span, version = key.span, key.version
        for name in self._versions_beyond(model, span, panes_at):
            yield WindowKey(span, OTHER, "")
            yield WindowKey(span, name, "")
            for segment in self._names(Track(model, name, ""), span, panes_at):
                yield WindowKey(span, name, segment)
                yield WindowKey(span, name, pool_of(segment))
        for segment in self._segments_beyond(model, version, span, panes_at):
            yield WindowKey(span, version, pool_of(segment))
            yield WindowKey(span, version, segment)

    def models_beyond(self, span: Span, panes_at: PanesAt) -> set[str]:
        """The models that are told as `__other__` in a window."""
        names = self._names(Track(OTHER, OTHER, ""), span, panes_at)
        return self._limits.models().beyond(names)

    def _tracks(self, model: str, key: WindowKey, panes_at: PanesAt) -> Iterator[Track]:
        span, version, segment = key.span, key.version, key.segment
        if model == OTHER:
            yield Track(OTHER, version, segment)
            for name in sorted(self.models_beyond(span, panes_at)):
                index = Track(name, OTHER, "")
                yield index
                for other in sorted(self._names(index, span, panes_at)):
                    yield Track(name, other, "")
            return
        if not self._plans.is_named(model) and model in self.models_beyond(span, panes_at):
            return
        beyond = self._versions_beyond(model, span, panes_at)
        if version in beyond:
            return
        own = Track(model, version, segment)
        if version == OTHER:
            yield own
            yield from (Track(model, name, "") for name in sorted(beyond))
        elif not segment:
            yield own
        else:
            others = self._segments_beyond(model, version, span, panes_at)
            if segment not in others:
                yield own
            pooled = (name for name in sorted(others) if pool_of(name) == segment)
            yield from (Track(model, version, name) for name in pooled)

    def _versions_beyond(self, model: str, span: Span, panes_at: PanesAt) -> set[str]:
        if model == OTHER:
            return set()
        names = self._names(Track(model, OTHER, ""), span, panes_at)
        return self._limits.versions(model).beyond(names)

    def _segments_beyond(self, model: str, version: str, span: Span, panes_at: PanesAt) -> set[str]:
        if OTHER in (model, version) or not self._plans.of(model).segments:
            return set()
        names = self._names(Track(model, version, ""), span, panes_at)
        return self._limits.segments(model).beyond(names)

    def _names(self, index: Track, span: Span, panes_at: PanesAt) -> set[str]:
        """The names that the panes of an index list, as far as the window takes them."""
        step = self._plans.of(index.model).grid.pane
        return {
            name
            for start in range(span.start // step * step, span.end, step)
            for pane in panes_at(PaneKey(*index, start).text())
            for counts in pane.taken_by(span.end)
            for name in counts.names
        }
