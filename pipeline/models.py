"""A model's settings, worked out once: its grid, its counting rules, the features it watches."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from inferwatch.settings import ModelSettings, Settings
from inferwatch.settings.globs import fits_any
from pipeline.windows.counting import CountingRules, rules_of
from pipeline.windows.grid import Grid, grid_of

OTHER = "__other__"


@dataclass(slots=True)
class ModelPlan:
    """How one model's rows are windowed and counted."""

    name: str
    settings: ModelSettings
    grid: Grid
    counting: CountingRules
    _watched: dict[str, bool] = field(default_factory=dict)

    @property
    def lateness(self) -> int:
        """Milliseconds that the watermark stays behind the highest time."""
        return self.settings.lateness

    @property
    def segments(self) -> tuple[str, ...]:
        """The keys whose values are looked at by themselves."""
        return self.settings.segments

    def watches(self, feature: str) -> bool:
        """Whether a feature is counted, by `features.include` and `exclude`."""
        if feature not in self._watched:
            wanted = self.settings.features
            self._watched[feature] = fits_any(feature, wanted.include) and not fits_any(
                feature, wanted.exclude
            )
        return self._watched[feature]


class ModelPlans:
    """The plans of all models; past `limits.models` names the rest shares one.

    A model that the config names has its own, however many came before it.
    """

    def __init__(self, settings: Settings) -> None:
        """Plan by these settings."""
        self._settings = settings
        self._plans: dict[str, ModelPlan] = {}
        self._named = {e.name for e in settings.models if not re.search(r"[*?\[]", e.name)}
        self._spare = settings.limits.models - len(self._named)

    def of(self, name: str) -> ModelPlan:
        """The plan of a model."""
        plan = self._plans.get(name)
        if plan is None:
            if name not in self._named and name != OTHER:
                if self._spare <= 0:
                    return self.of(OTHER)
                self._spare -= 1
            model = self._settings.for_model(name)
            plan = ModelPlan(name, model, grid_of(model.windows), rules_of(model, self._settings))
            self._plans[name] = plan
        return plan


def longest_horizon(settings: Settings) -> int:
    """The longest time, in milliseconds, that any model's labels may take."""
    names = [*(model.name for model in settings.models), OTHER]
    return max(settings.for_model(name).labels.horizon for name in names)
