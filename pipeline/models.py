"""A model's settings, worked out once: its grid, its counting rules, the features it watches."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from inferwatch.settings import ModelSettings, Settings
from inferwatch.settings.globs import fits_any, is_glob
from pipeline.stats.categories import OTHER
from pipeline.windows.counting import CountingRules, rules_of
from pipeline.windows.grid import Grid, grid_of

MOST_PLANS = 10_000
"""Plans that are remembered: they are made again where rows name more models."""


@dataclass(slots=True)
class ModelPlan:
    """How one model's rows are windowed and counted."""

    name: str
    settings: ModelSettings
    grid: Grid
    counting: CountingRules
    slow_ms: tuple[int, ...] = ()
    """Latency limits of the objectives (`slo`) that are about this model, rising."""
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
    """The plans of all models: a function of the name alone, however many there are.

    Panes of models that the config does not name lie evenly in those of `__other__`: they may be
    told together.
    """

    def __init__(self, settings: Settings) -> None:
        """Plan by these settings."""
        self._settings = settings
        self._plans: dict[str, ModelPlan] = {}
        self.most = settings.limits.models
        self.named = frozenset(e.name for e in settings.models if not is_glob(e.name))
        self.other_pane = grid_of(settings.for_model(OTHER).windows).pane

    def is_named(self, name: str) -> bool:
        """Whether the config names a model: it is never told together with others."""
        return name in self.named

    def of(self, name: str) -> ModelPlan:
        """The plan of a model."""
        plan = self._plans.get(name)
        if plan is None:
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            model = self._settings.for_model(name)
            grid = grid_of(model.windows, 0 if self.is_named(name) else self.other_pane)
            rules = rules_of(model, self._settings)
            plan = ModelPlan(name, model, grid, rules, slow_limits(self._settings, name))
            self._plans[name] = plan
        return plan


def slow_limits(settings: Settings, model: str) -> tuple[int, ...]:
    """Milliseconds above which an objective calls a request of this model slow, rising."""
    objectives = (r.slo for r in settings.rules or () if fnmatchcase(model, r.models))
    return tuple(sorted({slo.over for slo in objectives if slo and slo.over is not None}))


def longest_horizon(settings: Settings) -> int:
    """The longest time, in milliseconds, that any model's labels may take."""
    names = [*(model.name for model in settings.models), OTHER]
    return max(settings.for_model(name).labels.horizon for name in names)
