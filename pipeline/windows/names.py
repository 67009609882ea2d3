"""Names put together into one key, and taken apart again, whatever the names hold.

A model, version or segment may be called anything, so the separator is escaped where it is part
of a name: a name that could not be read back would stop a partition for ever.
"""

from __future__ import annotations

SEPARATOR = "\x1f"
_ESCAPE = "\x1e"


def join_names(*names: str) -> str:
    """The names as one key.

    >>> split_names(join_names("a" + SEPARATOR, "b")) == ["a" + SEPARATOR, "b"]
    True
    """
    joined = SEPARATOR.join(names)
    if joined.count(SEPARATOR) == len(names) - 1 and _ESCAPE not in joined:
        return joined
    return SEPARATOR.join(
        name.replace(_ESCAPE, _ESCAPE + "0").replace(SEPARATOR, _ESCAPE + "1") for name in names
    )


def split_names(key: str) -> list[str]:
    """What `join_names` was given."""
    names = key.split(SEPARATOR)
    if _ESCAPE not in key:
        return names
    return [
        name.replace(_ESCAPE + "1", SEPARATOR).replace(_ESCAPE + "0", _ESCAPE) for name in names
    ]
