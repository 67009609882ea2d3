"""The references of a replay: profiles, or raw data that profiles are built from."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from inferwatch.events.reference import ReferenceProfile
from inferwatch.settings import ModelSettings, Settings
from pipeline.decode.column_values import as_texts
from pipeline.reference.build_spec import spec_of
from pipeline.reference.builder import build
from pipeline.reference.catalog import EVERY_MODEL, ReferenceCatalog
from pipeline.reference.profile_file import read_profile
from pipeline.reference.tables import read_tables


def catalog_of(files: Iterable[Path], settings: Settings) -> ReferenceCatalog:
    """All references of these files, in force from the first row on.

    A file `.json` is a profile, which names its model. Raw data with a column `model` are a
    reference of each model that it names; without one they serve every model.

    Raises:
        UsageError: a file cannot be read, or holds neither.
    """
    catalog = ReferenceCatalog()
    for file in files:
        profiles = (
            [read_profile(file)] if file.suffix.lower() == ".json" else _built(file, settings)
        )
        for profile in profiles:
            catalog.add(profile)
    return catalog


def _built(file: Path, settings: Settings) -> list[ReferenceProfile]:
    read = partial(read_tables, [file])
    models: dict[str, None] = {}
    for columns in read():
        column = columns.get("model")
        if column is None:
            break
        models |= dict.fromkeys(as_texts(column).texts)
    return [
        build(read, spec_of(name, _settings_of(name, settings))) for name in models or [EVERY_MODEL]
    ]


def _settings_of(name: str, settings: Settings) -> ModelSettings:
    """The settings of a model; those of the only one there is, for what serves every model."""
    if name == EVERY_MODEL and len(settings.models) == 1:
        return settings.for_model(settings.models[0].name)
    return settings.for_model(name)
