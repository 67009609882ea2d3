"""Records to strict JSON and back.

Out: no NaN (null), no block without data (`None` blocks of a window are dropped). In: keys that
this version does not know are passed over, so that rolling upgrades work.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar, cast

import orjson

from inferwatch.events.alert import Alert
from inferwatch.events.reference import ReferenceProfile
from inferwatch.events.window import WindowResult

T = TypeVar("T")

_BLOCKS = ("latency", "quality", "estimated", "features", "prediction", "scores", "resources")


def dumps(record: Any) -> bytes:
    """A dataclass record, or anything of plain values, as strict JSON."""
    return orjson.dumps(record, option=orjson.OPT_NON_STR_KEYS)


def window_to_dict(window: WindowResult) -> dict[str, Any]:
    """A window result as plain values, without the blocks that hold nothing."""
    plain = cast(dict[str, Any], orjson.loads(dumps(window)))
    for block in _BLOCKS:
        if plain[block] is None:
            del plain[block]
    # The schema stands first in a line, where people look.
    return {"schema": plain.pop("schema"), **plain}


def window_to_json(window: WindowResult) -> bytes:
    """A window result as one line of JSON."""
    return orjson.dumps(window_to_dict(window))


def window_from_json(data: bytes) -> WindowResult:
    """The window result that `window_to_json` wrote."""
    return from_plain(WindowResult, orjson.loads(data))


def alert_from_json(data: bytes) -> Alert:
    """The alert event of one record of `monitoring.alerts`."""
    return from_plain(Alert, orjson.loads(data))


def reference_from_json(data: bytes) -> ReferenceProfile:
    """The reference profile of a file or of one record of `monitoring.references`."""
    return from_plain(ReferenceProfile, orjson.loads(data))


def from_plain(cls: type[T], value: Any) -> T:
    """Build a record of type `cls` from plain values; unknown keys are passed over.

    Raises:
        TypeError: a required key is missing, or a value has another shape.

    >>> from inferwatch.events.alert import Cause
    >>> from_plain(Cause, {"cause": "load", "confidence": 1.0, "why": "w", "new": 1}).cause
    'load'
    """
    return cast(T, _build(cls, value))


_known_fields: dict[Any, dict[str, tuple[Any, bool]]] = {}


def _fields(cls: Any) -> dict[str, tuple[Any, bool]]:
    """Name -> (type, whether it is an argument) of a record class; worked out once."""
    if cls not in _known_fields:
        hints = typing.get_type_hints(cls)
        _known_fields[cls] = {f.name: (hints[f.name], f.init) for f in dataclasses.fields(cls)}
    return _known_fields[cls]


def _build(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _build_union([a for a in typing.get_args(hint) if a is not type(None)], value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise TypeError(f"{hint.__name__} is an object, not {type(value).__name__}")
        known = _fields(hint)
        return hint(
            **{k: _build(known[k][0], v) for k, v in value.items() if k in known and known[k][1]}
        )
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(value)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        item = typing.get_args(hint)[1]
        return {k: _build(item, v) for k, v in value.items()}
    if origin is tuple:
        args = typing.get_args(hint)
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_build(args[0], v) for v in value)
        return tuple(_build(a, v) for a, v in zip(args, value, strict=True))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Sequence):
        return tuple(_build(typing.get_args(hint)[0], v) for v in value)
    if hint is float and isinstance(value, int):
        return float(value)
    return value


def _build_union(choices: list[Any], value: Any) -> Any:
    records = [c for c in choices if dataclasses.is_dataclass(c)]
    if records and isinstance(value, Mapping):
        # Records of a union are told apart by their `type`, else by the keys only one of them has.
        best = max(records, key=lambda c: _affinity(cast(type[Any], c), value))
        return _build(best, value)
    return _build(choices[0], value) if len(choices) == 1 else value


def _affinity(cls: type[Any], value: Mapping[str, Any]) -> tuple[bool, int]:
    known = _fields(cls)
    stated = next((f.default for f in dataclasses.fields(cls) if f.name == "type"), None)
    return (stated is not None and stated == value.get("type"), len(known.keys() & value.keys()))
