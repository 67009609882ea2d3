"""How many partitions the topics had when Kafka was last there: kept for a start without it.

A label belongs to the partition of its id, so without this number it could not be written to disk.
The number of a topic never changes (`inferwatch topics check` sees to it).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import orjson

from inferwatch.events.kinds import Kind

_NAME = "partitions.json"
_MOST_BYTES = 4096


def recall(folder: Path) -> dict[Kind, int]:
    """What `remember` wrote there; nothing where nobody did, or it makes no sense.

    >>> recall(Path("/nowhere"))
    {}
    """
    try:
        with (folder / _NAME).open("rb") as file:
            plain = orjson.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError):
        return {}
    if not isinstance(plain, dict):
        return {}
    found = {kind: plain.get(kind.value) for kind in Kind}
    return {kind: n for kind, n in found.items() if type(n) is int and n > 0}


def remember(folder: Path, partitions: Mapping[Kind, int]) -> None:
    """Write it, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    path = folder / f".{_NAME}-{os.getpid()}"
    plain = {kind.value: number for kind, number in partitions.items()}
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(orjson.dumps(plain))
        path.replace(folder / _NAME)
    except OSError:
        path.unlink(missing_ok=True)
        raise
