"""The limits on names in the panes of one partition: what is beyond them goes to `__other__`.

A scope is a slice of time: of a version's segments and a model's versions the pane, of the models
a pane of the model `__other__`. Each scope has a pane that lists its names (`Counts.names`):

    names of                    listed by the pane of                      told together as
    segments of a version       the version, no segment                    its `key=__other__`
    versions of a model         the model's version `__other__`            this version
    models                      model `__other__`, version `__other__`     this model

What is told together is not cut up again: there are no segments of `__other__`, and model
`__other__` has this one version. Why no order and no partitioning shows in the final windows
stands in pipeline/windows/name_limit.py; a window, the whole of its panes in all partitions, is
judged by the same rule when it is made (pipeline/pooling.py).
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field

from inferwatch.events.reference import CategoricalReference, ReferenceProfile
from inferwatch.settings import Settings
from inferwatch.settings.globs import is_glob
from pipeline.models import ModelPlans
from pipeline.reference.catalog import EVERY_MODEL, ReferenceCatalog
from pipeline.windows.name_limit import OTHER, LowestNames, NameLimit
from pipeline.windows.pane import Pane, PaneKey

Panes = MutableMapping[str, Pane]


def pool_of(segment: str) -> str:
    """What the segments of a key are told together as.

    >>> pool_of("region=eu"), pool_of("region=__other__")
    ('region=__other__', 'region=__other__')
    """
    return f"{segment.partition('=')[0]}={OTHER}"


class NameLimits:
    """Which names of models, versions and segments stay, whatever comes."""

    def __init__(self, settings: Settings, plans: ModelPlans, references: ReferenceCatalog) -> None:
        """Limit by these settings; what these references name stays."""
        self._settings = settings
        self._plans = plans
        self._references = references
        self._known: dict[tuple[str, ...], NameLimit] = {}
        self._known_for = -1

    def models(self) -> NameLimit:
        """Of the distinct models."""
        return self._limit(("models",))

    def versions(self, model: str) -> NameLimit:
        """Of a model's versions."""
        return self._limit(("versions", model))

    def segments(self, model: str) -> NameLimit:
        """Of a version's segments."""
        return self._limit(("segments", model))

    def _limit(self, what: tuple[str, ...]) -> NameLimit:
        # A limit is made anew when a reference came; a million models must not stay either.
        if self._known_for != len(self._references) or len(self._known) > 2 * self._most_models:
            self._known.clear()
            self._known_for = len(self._references)
        limit = self._known.get(what)
        if limit is None:
            limit = self._known[what] = getattr(self, f"_{what[0]}")(*what[1:])
        return limit

    @property
    def _most_models(self) -> int:
        return self._settings.limits.models

    def _models(self) -> NameLimit:
        configured = self._plans.named
        known = {p.model for p, _ in self._references.published() if not p.provisional}
        known.discard(EVERY_MODEL)
        return NameLimit(configured | known, self._most_models, len(configured))

    def _versions(self, model: str) -> NameLimit:
        rules = self._settings.rules or ()
        configured = frozenset(r.baseline.version for r in rules if r.baseline is not None)
        configured -= {""}
        serving = self._serving(model)
        known = {p.version for p in serving if p.model == model and p.version is not None}
        return NameLimit(configured | known, self._most_models, len(configured))

    def _serving(self, model: str) -> list[ReferenceProfile]:
        """A reference that was learned names what happened to come first: it keeps nobody in."""
        return [p for p in self._references.serving(model) if not p.provisional]

    def _segments(self, model: str) -> NameLimit:
        rules = self._settings.rules or ()
        configured = frozenset(
            rule.segments for rule in rules if rule.segments and not is_glob(rule.segments)
        )
        known = {
            f"{key}={category}"
            for profile in self._serving(model)
            for key in self._plans.of(model).segments
            for category in _categories(profile.features.get(key))
        }
        return NameLimit(configured | known, self._settings.limits.segments, len(configured))


def _categories(column: object) -> Iterator[str]:
    if isinstance(column, CategoricalReference):
        yield from (text for text in column.shares if text != OTHER)


@dataclass(slots=True)
class Moves:
    """What a limit did to the panes of a partition.

    Attributes:
        dirty: text keys of the panes that changed, those that went to `__other__` among them:
            who published their windows has to take them back.
        listed: text keys of the panes whose list of names changed: stored, but no window of theirs
            says anything new.
        gone: text keys of the panes that are in `__other__` now.
    """

    dirty: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)


class PaneLimiter:
    """Finds the pane that counts a row, and keeps the panes of a partition within the limits."""

    def __init__(self, limits: NameLimits, plans: ModelPlans) -> None:
        """Keep within these limits."""
        self._limits = limits
        self._plans = plans

    def home(self, panes: Panes, key: PaneKey, closed_until: int, moves: Moves) -> PaneKey | None:
        """The pane in which rows of this one are counted: itself, or one of `__other__`.

        None: the rows are told together with others, which are not cut up by segments.

        Args:
            panes: of the partition; a name that has to go for this one goes at once.
            key: which pane the rows name.
            closed_until: windows up to this end do not take the rows.
            moves: what changed is added here.
        """
        plans = self._plans
        if not plans.is_named(key.model):
            index = self._models_index(key.start)
            if key.model == OTHER or not self._admit(
                panes, index, key.model, closed_until, self._limits.models(), moves
            ):
                return None if key.segment else index
        index = PaneKey(key.model, OTHER, "", key.start)
        if key.version == OTHER or not self._admit(
            panes, index, key.version, closed_until, self._limits.versions(key.model), moves
        ):
            return None if key.segment else index
        if key.segment and key.segment != pool_of(key.segment):
            index = PaneKey(key.model, key.version, "", key.start)
            limit = self._limits.segments(key.model)
            if not self._admit(panes, index, key.segment, closed_until, limit, moves):
                return PaneKey(key.model, key.version, pool_of(key.segment), key.start)
        return key

    def mark(self, key: PaneKey, moves: Moves) -> None:
        """Rows of a pane were counted: they may be rows of `__other__` beside those elsewhere."""
        if not self._plans.is_named(key.model):
            moves.dirty.add(self._models_index(key.start).text())

    def _models_index(self, start: int) -> PaneKey:
        slot = start // self._plans.other_pane * self._plans.other_pane
        return PaneKey(OTHER, OTHER, "", slot)

    def _admit(
        self,
        panes: Panes,
        index: PaneKey,
        name: str,
        closed_until: int,
        limit: NameLimit,
        moves: Moves,
    ) -> bool:
        """List a name, unless it is beyond the limit; what it displaces goes to `__other__`."""
        text = index.text()
        pane = panes.get(text)
        if pane is None:
            pane = panes[text] = Pane(self._plans.of(index.model).counting)
        if pane.lowest is None or pane.lowest.limit is not limit:
            pane.lowest = LowestNames(limit, {n for c in pane.counts.values() for n in c.names})
        stays, evicted = pane.lowest.admit(name)
        if evicted is not None:
            for counts in pane.counts.values():
                counts.names.discard(evicted)
            self._evict(panes, index, evicted, moves)
            moves.listed.add(text)
        if stays and name not in pane.at(closed_until).names:
            pane.at(closed_until).names.add(name)
            moves.listed.add(text)
        return stays

    def _evict(self, panes: Panes, index: PaneKey, name: str, moves: Moves) -> None:
        """Move the panes of a name into the pane of `__other__`."""
        if index.version != OTHER:
            key = PaneKey(index.model, index.version, name, index.start)
            pool = PaneKey(index.model, index.version, pool_of(name), index.start)
            self._move(panes, key, pool, moves)
        elif index.model != OTHER:
            self._move_version(panes, PaneKey(index.model, name, "", index.start), index, moves)
        else:
            step = self._plans.of(name).grid.pane
            for start in range(index.start, index.start + self._plans.other_pane, step):
                other = PaneKey(name, OTHER, "", start)
                for version in _names(panes, other):
                    self._move_version(panes, PaneKey(name, version, "", start), index, moves)
                self._move(panes, other, index, moves)

    def _move_version(self, panes: Panes, key: PaneKey, pool: PaneKey, moves: Moves) -> None:
        """The whole of a version is told together with others, its segments no more."""
        pools = {f"{one}={OTHER}" for one in self._plans.of(key.model).segments}
        for segment in sorted(_names(panes, key) | pools):
            self._move(panes, PaneKey(key.model, key.version, segment, key.start), None, moves)
        self._move(panes, key, pool, moves)

    def _move(self, panes: Panes, key: PaneKey, pool: PaneKey | None, moves: Moves) -> None:
        text = key.text()
        moves.gone.add(text)
        gone = panes.pop(text, None)
        if gone is None:
            return
        moves.dirty.add(text)
        if pool is None:
            return
        into = pool.text()
        moves.dirty.add(into)
        if into not in panes:
            panes[into] = Pane(self._plans.of(pool.model).counting)
        for closed_until, counts in gone.counts.items():
            panes[into].at(closed_until).merge(counts.nameless())


def _names(panes: Panes, key: PaneKey) -> set[str]:
    pane = panes.get(key.text())
    return set() if pane is None else {name for c in pane.counts.values() for name in c.names}
