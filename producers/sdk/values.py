"""What callers hand over, as plain values: no object of theirs outlives the call.

Numbers of NumPy and its like become Python's, a mapping or a pandas row becomes a dictionary.
Nothing of NumPy or pandas is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from numbers import Real
from typing import Any

from inferwatch.events.flatten import flatten
from producers.sidecar.protocols.protocol import Value

# Of anything that is no text, its text is told as a category, and no more of it.
LONGEST_TEXT = 1024
_TEXT = {str}
_PLAIN = frozenset((float, int, str, bool, type(None)))
# Objects of Python: a record, its lists, a boxed value an entry.
_RECORD_BYTES = 1_500
_ENTRY_BYTES = 100


class UntellableError(ValueError):
    """What a caller told cannot be an event; the message names the argument and the cure."""


def plain(value: Any) -> Value:
    """One value: a number, a text, a boolean, None; an empty list for any array.

    About 0.1 µs for what is plain already.

    >>> plain(Decimal("1.5")), plain([1, 2]), plain(1 + 2j)
    (1.5, [], '(1+2j)')
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, (Real, Decimal)):
        return float(value)
    if isinstance(value, (list, tuple, bytes, set)):
        return []
    if callable(getattr(value, "item", None)):  # NumPy's scalars, and arrays of one value
        found = value.item() if getattr(value, "size", 1) == 1 else []
        return found if type(found) in _PLAIN else []
    if hasattr(value, "__len__"):
        return []
    if type(value).__name__ in ("NAType", "NaTType"):  # pandas' own nothing
        return None
    return str(value)[:LONGEST_TEXT]


def features_of(given: Any) -> tuple[Sequence[str] | None, Sequence[Value]]:
    """Names and values of a row; None for the names where only the order tells them.

    Raises:
        UntellableError: it is neither a mapping nor a row of values.

    >>> features_of({"amount": 12.5, "at": {"hour": 3}})
    (('amount', 'at.hour'), (12.5, 3))
    >>> features_of([[1, 2]])
    (None, (1, 2))
    """
    if given is None:
        return (), ()
    if type(given) is not dict and hasattr(given, "to_dict"):  # a row of pandas
        given = given.to_dict()
    if isinstance(given, Mapping):
        values = tuple(given.values())
        if not _PLAIN.issuperset(map(type, values)):
            given = flatten(given) if any(isinstance(v, Mapping) for v in values) else given
            values = tuple([plain(value) for value in given.values()])
        names = tuple(given)
        return names if set(map(type, names)) <= _TEXT else tuple(map(str, names)), values
    if hasattr(given, "tolist"):  # a row of NumPy
        given = given.tolist()
    if isinstance(given, (list, tuple)):
        if len(given) == 1 and isinstance(given[0], (list, tuple)):
            given = given[0]
        return None, tuple([plain(value) for value in given])
    raise UntellableError(
        f"features: {type(given).__name__} is no row; allowed are a mapping of names to values "
        "and a list of values (with the option features={'names': [...]})"
    )


def scores_of(given: Any) -> Value:
    """Scores by class, a list of them in the order of the classes, or one number.

    >>> scores_of({"legit": Decimal("0.75")}), scores_of(0.5), scores_of(None)
    ({'legit': 0.75}, 0.5, None)
    """
    if hasattr(given, "to_dict"):
        given = given.to_dict()
    elif hasattr(given, "tolist"):
        given = given.tolist()
    if isinstance(given, Mapping):
        return {str(name): plain(score) for name, score in given.items()}
    if isinstance(given, (list, tuple)):
        if len(given) == 1 and isinstance(given[0], (list, tuple)):
            given = given[0]
        return [plain(score) for score in given]
    return plain(given)


def text_of(given: Any) -> str | None:
    """An id or a segment's value as text; None for nothing.

    >>> text_of(17), text_of("a"), text_of(None), text_of("")
    ('17', 'a', None, None)
    """
    if type(given) is str:
        return given or None
    return None if given is None else str(given)[:LONGEST_TEXT] or None


def moment_of(given: Any, now_ms: int) -> int:
    """Milliseconds since the epoch: now, a whole number of them, or an aware `datetime`.

    Raises:
        UntellableError: it is none of these.

    >>> moment_of(None, 5), moment_of(1764000000123, 5), moment_of(17.0, 5)
    (5, 1764000000123, 17)
    """
    if given is None:
        return now_ms
    if isinstance(given, datetime) and given.tzinfo is not None:
        return int(given.timestamp() * 1000)
    found = plain(given)
    if isinstance(found, (int, float)) and not isinstance(found, bool) and found == int(found):
        return int(found)
    raise UntellableError(
        f"ts: {given!r:.100} is no time; allowed are whole milliseconds since 1970 (UTC) and a "
        "datetime with a time zone"
    )


def size_of(values: Sequence[Value]) -> int:
    """Roughly the bytes that a row takes while it waits.

    >>> size_of([1.5, "abc"])
    1703
    """
    texts = sum([len(value) for value in values if type(value) is str])
    return _RECORD_BYTES + _ENTRY_BYTES * len(values) + texts
