"""What the rules need to know of a model: a view of its settings that is easily made in a test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from inferwatch.settings.types import WindowSpec


class WatchedModel(Protocol):
    """The settings of one model, as far as it is judged by them.

    Attributes:
        windows: the windows that are computed, as configured.
        expect: `accuracy`, `train_accuracy` … that the owner promised; wins over the reference.
        tags: merged into the labels of the model's alerts.
    """

    @property
    def name(self) -> str: ...

    @property
    def windows(self) -> tuple[WindowSpec, ...]: ...

    @property
    def expect(self) -> Mapping[str, float]: ...

    @property
    def tags(self) -> Mapping[str, str]: ...


def smallest_window(model: WatchedModel) -> WindowSpec:
    """The window that a rule without one is judged on.

    Of two of one size it is the one that slides in smaller steps.
    """
    return min(model.windows, key=lambda w: (w.size, w.slide, w.text))
