"""How a model's reference is built, by its settings."""

from __future__ import annotations

from inferwatch.settings import ModelSettings
from inferwatch.settings.globs import fits_any
from pipeline.reference.builder import BuildSpec


def spec_of(
    model: str,
    settings: ModelSettings,
    *,
    version: str | None = None,
    created_at: int = 0,
    provisional: bool = False,
) -> BuildSpec:
    """What the builder is told of a model.

    Args:
        model: whose reference it is; `*` serves every model.
        settings: what decides how its rows are counted.
        version: None serves every version.
        created_at: milliseconds since the epoch.
        provisional: learned from the first rows, not given.
    """
    features = settings.features

    def watches(name: str) -> bool:
        return fits_any(name, features.include) and not fits_any(name, features.exclude)

    return BuildSpec(
        model=model,
        version=version,
        created_at=created_at,
        task=settings.task,
        classes=settings.classes,
        positive=settings.positive,
        categorical=frozenset(features.categorical),
        watches=watches,
        provisional=provisional,
    )
