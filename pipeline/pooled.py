"""The windows of a model that are made of other panes than their own, in the evaluator.

Mostly there are none: then nothing is read for them. Where a model has more versions or segments
than its windows keep, or there are more models than the limit, the panes that list the names are
read first (pipeline/pooling.py). Nothing is kept from one round to the next, unlike the panes of
windows that are made of their own (pipeline/window_panes.py): which names a window takes in differs
from window to window, and a pane whose list of names alone changed has no dirty mark.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from inferwatch.settings import Settings
from pipeline.limits import NameLimits
from pipeline.models import ModelPlan, ModelPlans
from pipeline.pooling import PanesAt, Pooling, is_pool
from pipeline.progress import Progress
from pipeline.published import Published
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.state.packing import unpack
from pipeline.state.partitions import PartitionStore
from pipeline.window_panes import WentBackError
from pipeline.windows.counting import CountingRules
from pipeline.windows.name_limit import OTHER
from pipeline.windows.pane import Pane, PaneKey
from pipeline.windows.result import WindowKey

Read = Callable[[Sequence[str]], Awaitable[dict[str, list[Pane]]]]
"""Reads the panes of all partitions under each of these text keys."""

Answer = TypeVar("Answer")


class HeldPanes:
    """Panes that were read, by text key; what is not there is read when it is asked for."""

    def __init__(self, read: Read) -> None:
        """Nothing is read yet."""
        self._read = read
        self._held: dict[str, list[Pane]] = {}

    def at(self, text: str) -> Sequence[Pane]:
        """The panes under a key that was fetched."""
        return self._held[text]

    async def fetch(self, texts: Iterable[str]) -> None:
        """Read those that are not at hand."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._held]
        if missing:
            self._held |= await self._read(missing)

    async def answer(self, ask: Callable[[PanesAt], Answer]) -> Answer:
        """What a question answers once all panes that it asks for are at hand."""
        while True:
            missing: list[str] = []

            def at(text: str, missing: list[str] = missing) -> Sequence[Pane]:
                if text in self._held:
                    return self._held[text]
                missing.append(text)
                return ()

            answer = ask(at)
            if not missing:
                return answer
            await self.fetch(missing)


class Pooled:
    """What a model's evaluator knows of the names that its windows do not keep."""

    def __init__(
        self,
        plan: ModelPlan,
        settings: Settings,
        references: ReferenceCatalog,
        partitions: PartitionStore,
    ) -> None:
        """Of the model of this plan."""
        self._plan = plan
        self._references = references
        self._partitions = partitions
        self._plans = ModelPlans(settings)
        self._limits = NameLimits(settings, self._plans, references)
        self._models_crowded = False
        self._pooling = Pooling(self._limits, self._plans, lambda: self._models_crowded)
        self._crowd = self._pooling.crowd(plan.name)
        self._told: set[str] = set()

    def saw(self, keys: Iterable[WindowKey]) -> None:
        """The model has these windows."""
        for key in keys:
            self._crowd.saw(key.version, key.segment)

    def look(self, progress: Progress) -> None:
        """Look how many models there are now."""
        limit = self._limits.models()
        models = progress.models
        self._models_crowded = OTHER in models or len(models) + len(limit.named) > limit.most

    @property
    def is_crowded(self) -> bool:
        """Whether any window may be made of other panes than its own.

        Of `__other__` only its panes tell: a model may have come since `look`.
        """
        return self._plan.name == OTHER or self._crowd.is_crowded

    def held(self, progress: Progress) -> HeldPanes:
        """The panes of all partitions, for one round.

        Asking raises a WentBackError where a partition holds less than `progress` says.
        """
        return HeldPanes(partial(self._read, progress))

    def rules_of(self, text: str) -> CountingRules:
        """How the rows of a pane are counted: `__other__` reads those of other models."""
        if self._plan.name != OTHER:
            return self._plan.counting
        return self._plans.of(PaneKey.parse(text).model).counting

    async def beside(
        self, keys: Iterable[WindowKey], published: Published, held: HeldPanes
    ) -> set[WindowKey]:
        """Windows that change with these: `__other__`'s, and published ones of names told there."""
        one_each = {(key.span, key.version): key for key in keys if not is_pool(key)}
        return {
            other
            for key in one_each.values()
            for other in await held.answer(
                lambda at, key=key: set(self._pooling.beside(self._plan.name, key, at))  # type: ignore[misc]
            )
            if is_pool(other) or published.get(other) is not None
        }

    async def panes(self, keys: Sequence[WindowKey], held: HeldPanes) -> list[list[Pane]]:
        """The panes that make each window; to be read only."""
        name = self._plan.name
        texts = await held.answer(lambda at: [self._pooling.texts(name, key, at) for key in keys])
        await held.fetch(text for mine in texts for text in mine)
        return [[pane for text in mine for pane in held.at(text)] for mine in texts]

    async def taken_in(self, keys: Iterable[WindowKey], held: HeldPanes) -> list[str]:
        """Of `__other__`: panes of models that it tells of, whose own results hold no longer."""
        spans = {key.span for key in keys}
        names = await held.answer(
            lambda at: {(n, span) for span in spans for n in self._pooling.models_beyond(span, at)}
        )
        panes = {
            PaneKey(name, OTHER, "", start).text()
            for name, span in names
            for start in self._plans.of(name).grid.panes_of(span)
        }
        new = sorted(panes - self._told)
        self._told |= panes
        return new

    def forget(self, before: int) -> None:
        """Windows that end before this time are not told of any more."""
        self._told = {text for text in self._told if PaneKey.parse(text).start >= before}

    async def _read(self, progress: Progress, texts: Sequence[str]) -> dict[str, list[Pane]]:
        """The panes of all partitions under these text keys."""
        panes: dict[str, list[Pane]] = {text: [] for text in texts}
        known = self._references.by_fingerprint
        stored = await self._partitions.panes(list(progress.sources), texts)
        for one, (offset, packed) in zip(progress.sources.values(), stored, strict=True):
            if one.offset is not None and (offset is None or offset < one.offset):
                raise WentBackError(f"{one.source} went back to offset {offset}")
            for text, data in zip(texts, packed, strict=True):
                if data is not None:
                    plain = unpack(data, f"a pane of {self._plan.name}")
                    panes[text].append(Pane.restore(plain, known, self.rules_of(text)))
        return panes
