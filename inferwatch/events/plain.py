"""Plain values (what JSON holds) to the typed, frozen records of this package.

How a type is built is worked out once and kept as a function: a window result of 50 features takes
0.4 ms instead of 5. Keys that this version does not know are passed over.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar, cast

T = TypeVar("T")

Builder = Callable[[Any], Any]

_builders: dict[Any, Builder] = {}


def from_plain(cls: type[T], value: Any) -> T:
    """Build a record of type `cls` from plain values; unknown keys are passed over.

    Raises:
        TypeError, ValueError: a required key is missing, or a value has another shape; the message
            begins with the path inside the value.

    >>> from inferwatch.events.alert import Cause
    >>> from_plain(Cause, {"cause": "load", "confidence": 1, "why": "w", "new": 1})
    Cause(cause='load', confidence=1.0, why='w')
    >>> from_plain(Cause, {"cause": "load", "confidence": "high", "why": "w"})
    Traceback (most recent call last):
    TypeError: confidence: a number is wanted, not 'high'
    """
    return cast(T, _builder(cls)(value))


def _builder(hint: Any) -> Builder:
    if hint not in _builders:
        _builders[hint] = _make(hint)
    return _builders[hint]


def _make(hint: Any) -> Builder:
    origin = typing.get_origin(hint)
    args = typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _union([a for a in args if a is not type(None)])
    if dataclasses.is_dataclass(hint):
        return _record(hint)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _member(hint)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(_builder(args[1]))
    if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
        return _row([_builder(a) for a in args])
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return _sequence(_builder(args[0]))
    return _SCALARS.get(hint, lambda value: value)


def _record(cls: Any) -> Builder:
    # Fields are worked out at the first value, so that a record may hold its own kind.
    fields: dict[str, Builder] = {}

    def build(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise TypeError(f"{cls.__name__} is an object, not {_shown(value)}")
        if not fields:
            hints = typing.get_type_hints(cls)
            fields.update({f.name: _present(hints[f.name]) for f in _arguments(cls)})
        found = {}
        for key, item in value.items():
            if key in fields:
                try:
                    found[key] = fields[key](item)
                except (TypeError, ValueError) as error:
                    raise type(error)(_under(key, error)) from None
        return cls(**found)

    return build


def _present(hint: Any) -> Builder:
    """The builder of a field: null only where its type has None."""
    build = _builder(hint)
    if hint is Any or type(None) in typing.get_args(hint):
        return build

    def refuse_null(value: Any) -> Any:
        if value is None:
            raise TypeError("a value is wanted, not null")
        return build(value)

    return refuse_null


def _arguments(cls: Any) -> list[dataclasses.Field[Any]]:
    return [f for f in dataclasses.fields(cls) if f.init]


def _under(key: str, error: Exception) -> str:
    text = str(error)
    path, colon, rest = text.partition(": ")
    nested = colon and " " not in path
    return f"{key}.{path}: {rest}" if nested else f"{key}: {text}"


def _union(choices: list[Any]) -> Builder:
    if len(choices) == 1:
        return _builder(choices[0])
    records = [c for c in choices if dataclasses.is_dataclass(c)]
    names = {c: {f.name for f in _arguments(c)} for c in records}
    stated = {c: _stated_type(c) for c in records}

    def build(value: Any) -> Any:
        if not records or not isinstance(value, Mapping):
            return value
        # Records of a union are told apart by their `type`, else by the keys only one of them has.
        said = value.get("type")
        best = max(
            records,
            key=lambda c: (said is not None and stated[c] == said, len(names[c] & value.keys())),
        )
        return _builder(best)(value)

    return build


def _stated_type(cls: Any) -> Any:
    return next((f.default for f in dataclasses.fields(cls) if f.name == "type"), None)


def _member(kind: type[StrEnum]) -> Builder:
    known: dict[Any, Any] = {str(member): member for member in kind}

    def build(value: Any) -> Any:
        if value is None or isinstance(value, str):
            # A newer version may have more members: readers pass on what they do not know.
            return known.get(value, value)
        raise TypeError(f"a text is wanted, not {_shown(value)}")

    return build


def _mapping(item: Builder) -> Builder:
    def build(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise TypeError(f"an object is wanted, not {_shown(value)}")
        return {k: item(v) for k, v in value.items()}

    return build


def _sequence(item: Builder) -> Builder:
    def build(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise TypeError(f"a list is wanted, not {_shown(value)}")
        return tuple(map(item, value))

    return build


def _row(items: list[Builder]) -> Builder:
    def build(value: Any) -> Any:
        if value is None:
            return None
        return tuple(item(v) for item, v in zip(items, value, strict=True))

    return build


def _number(value: Any) -> Any:
    if type(value) is float or value is None:
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise TypeError(f"a number is wanted, not {_shown(value)}")


def _whole(value: Any) -> Any:
    if type(value) is int or value is None:
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value):
        return int(value)
    raise TypeError(f"a whole number is wanted, not {_shown(value)}")


def _text(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"a text is wanted, not {_shown(value)}")


def _truth(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    raise TypeError(f"true or false is wanted, not {_shown(value)}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


_SCALARS: dict[Any, Builder] = {float: _number, int: _whole, str: _text, bool: _truth}
