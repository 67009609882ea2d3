"""Lists of names and globs, as the config writes them."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase


def is_glob(pattern: str) -> bool:
    """Whether a pattern may fit more than the one name that it is.

    >>> is_glob("fraud-*"), is_glob("fraud")
    (True, False)
    """
    return any(sign in pattern for sign in "*?[")


def fits_any(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name is in the list, or fits a glob that is.

    >>> fits_any("carrier_id", ["country", "carrier*"]), fits_any("a[0]", ["a[0]"])
    (True, True)
    """
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)
