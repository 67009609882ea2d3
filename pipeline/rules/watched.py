"""What the rules need to know of a model: a view of its settings that is easily made in a test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from inferwatch.settings.types import WindowSpec


class WatchedModel(Protocol):
    """The settings of one model, as far as it is judged by them."""

    @property
    def name(self) -> str:
        """Of the model."""

    @property
    def windows(self) -> tuple[WindowSpec, ...]:
        """Those that are computed, as configured."""

    @property
    def expect(self) -> Mapping[str, float]:
        """`accuracy`, `train_accuracy` …, as promised; wins over the reference."""

    @property
    def tags(self) -> Mapping[str, str]:
        """Merged into the labels of the model's alerts."""


def smallest_window(model: WatchedModel) -> WindowSpec:
    """The window that a rule without one is judged on.

    Of two of one size it is the one that slides in smaller steps.
    """
    return min(model.windows, key=lambda w: (w.size, w.slide, w.text))
