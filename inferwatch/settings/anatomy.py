"""Finds the section that a path of the config leads to."""

from __future__ import annotations

import typing
from typing import Any

from inferwatch.settings.section import Section


def section_in(annotation: Any) -> type[Section] | None:
    """The section inside a field's type: in an optional, a tuple, a dict's values.

    >>> section_in(tuple[Section, ...] | None).__name__
    'Section'
    """
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for part in reversed(typing.get_args(annotation)):
        found = section_in(part)
        if found is not None:
            return found
    return None


def section_at(root: type[Section], path: tuple[str | int, ...]) -> type[Section] | None:
    """The section that holds the keys below a path; None where there is none.

    List positions, and the keys of a free mapping of sections, lead nowhere deeper.
    """
    here: type[Section] | None = root
    for part in path:
        if here is None:
            return None
        name = here.known_keys().get(part) if isinstance(part, str) else None
        if name is not None:
            here = section_in(here.model_fields[name].annotation)
    return here


def description(root: type[Section], path: tuple[str | int, ...]) -> str:
    """The documentation of a key; empty where there is none."""
    if not path or not isinstance(path[-1], str):
        return ""
    section = section_at(root, path[:-1])
    name = section.known_keys().get(path[-1]) if section is not None else None
    if section is None or name is None:
        return ""
    return " ".join((section.model_fields[name].description or "").split())
