"""Lists of names and globs, as the config writes them."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase


def fits_any(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name is in the list, or fits a glob that is.

    >>> fits_any("carrier_id", ["country", "carrier*"]), fits_any("a[0]", ["a[0]"])
    (True, True)
    """
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)
