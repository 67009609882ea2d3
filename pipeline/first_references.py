"""First references, learned by the worker that evaluates a model: merged, published, in force.

Each partition of predictions keeps a sample of the model's first rows in its own state. When the
model's watermark has passed the end of the learning, they are merged and the profile of the whole
is published like one that a person gives; nothing else remembers it. A crash before that is made
up for by the next round, and one after it finds the reference published.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from inferwatch.events.reference import ReferenceProfile
from pipeline.models import ModelPlans
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.reference.learning import Learning, learned_profile, learned_until
from pipeline.reference.row_sample import RowSample
from pipeline.state.keys import SourcePartition
from pipeline.state.partitions import PartitionStore
from pipeline.state.samples import sample_fields, unpacked_samples
from pipeline.windows.watermark import NEVER

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 1.0
"""A model of which nothing can be learned yet is looked at so seldom."""


class FirstReferences:
    """Learns the first references of the models that are evaluated here."""

    def __init__(
        self,
        plans: ModelPlans,
        references: ReferenceCatalog,
        references_read: Callable[[], Awaitable[None]],
        store: PartitionStore,
        predictions: Sequence[SourcePartition],
        publish: Callable[[ReferenceProfile], Awaitable[None]],
    ) -> None:
        """Learn for these models.

        Args:
            plans: of the models.
            references: all that are known.
            references_read: returns once all that was published before the call is known.
            store: where the partitions' samples are.
            predictions: the partitions that hold some.
            publish: returns once a reference is published.
        """
        self._plans = plans
        self._references = references
        self._references_read = references_read
        self._store = store
        self._predictions = predictions
        self._publish = publish
        self._learning = Learning(plans, references)
        self._until: dict[str, int] = {}
        self._look_again: dict[str, float] = {}

    async def round(self, watermarks: Mapping[str, int]) -> None:
        """Learn the references that are due, by the watermarks of the models evaluated here."""
        for model, watermark in watermarks.items():
            span = self._learning.span(self._plans.of(model))
            if span is None or watermark == NEVER:
                self._until.pop(model, None)
            elif watermark >= self._until.get(model, NEVER):
                await self._learn(model, span, watermark)

    async def _learn(self, model: str, span: int, watermark: int) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._look_again.get(model, now):
            return
        sample = await self._sample(model, span)
        until = learned_until(sample, span, watermark)
        if until is None:
            self._look_again[model] = now + LOOK_AGAIN_S
            return
        self._until[model] = until
        if watermark < until:
            return
        settings = self._plans.of(model).settings
        profile = await asyncio.to_thread(learned_profile, model, settings, sample, span)
        # Somebody else may have published one meanwhile: then that one is the model's first.
        await self._references_read()
        if self._references.serves(model):
            return
        await self._publish(profile)
        await self._references_read()
        log.info(
            "%s: a provisional reference %s is learned from %d rows; `inferwatch reference "
            "promote %s` makes it the model's own",
            model, profile.fingerprint, profile.rows, model,
        )  # fmt: skip

    async def _sample(self, model: str, span: int) -> RowSample:
        """What all partitions keep of the model's first rows."""
        what = f"the first rows of {model}"
        held = await self._store.samples(self._predictions, sample_fields(model))
        return RowSample.merged(
            (sample for found in held for sample in unpacked_samples(found, what).values()), span
        )
