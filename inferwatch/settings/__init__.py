"""The config: one frozen tree, every mistake of a file at once.

>>> from inferwatch.settings import load
>>> load(None).limits.event_bytes
1048576
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inferwatch.settings.loader import load
    from inferwatch.settings.models import ModelSettings
    from inferwatch.settings.tree import Settings

__all__ = ["ModelSettings", "Settings", "load"]

_HOMES = {"ModelSettings": "models", "Settings": "tree", "load": "loader"}


def __getattr__(name: str) -> Any:
    # Only what is asked for is imported: a scalar type does not need the whole tree.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
