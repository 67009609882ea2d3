"""Which versions came before which: by when they were first seen, else by their number."""

from __future__ import annotations

import re
from collections.abc import Mapping

Natural = list[tuple[bool, int, str]]


def natural(version: str) -> Natural:
    """Versions as people number them: of two that came together the smaller is the older.

    >>> sorted(["10", "9", "1.2"], key=natural)
    ['1.2', '9', '10']
    """
    parts = re.split(r"(\d+)", version)
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def elders_of(version: str, first_seen: Mapping[str, int]) -> list[str]:
    """The versions that came before this one, the latest last; one that is new has all others.

    >>> elders_of("3", {"1": 100, "2": 500, "3": 500, "4": 900})
    ['1', '2']
    """
    ages = {one: (seen, natural(one)) for one, seen in first_seen.items() if one != version}
    if version in first_seen:
        mine = (first_seen[version], natural(version))
        ages = {one: age for one, age in ages.items() if age < mine}
    return sorted(ages, key=lambda one: ages[one])
