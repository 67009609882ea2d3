"""Paths into JSON, as the config writes them: a small part of JSONPath (RFC 9535).

`$` is the whole value; after it `.name`, `['any name']`, `[0]` (from the end: `[-1]`), and `[*]`
or `.*` for all items. Filters, slices and `..` are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_STEP = re.compile(
    r"""\.(?P<name>[^\W\d][\w-]*)
    | \[\s*(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*\]
    | \[\s*(?P<index>-?\d{1,9})\s*\]
    | (?P<all>\.\*|\[\s*\*\s*\])""",
    re.VERBOSE,
)
_ESCAPED = re.compile(r"\\(.)")


class _All:
    """All items of a list or an object."""


_ALL = _All()
_Step = str | int | _All


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path that was read; `text` as it was written.

    >>> JsonPath.parse("$.items[0]['a b']").read({"items": [{"a b": 7}]})
    7
    >>> JsonPath.parse("$.items[*].x").read({"items": [{"x": 1}, {"x": 2}]})
    [1, 2]
    """

    text: str
    _steps: tuple[_Step, ...]

    @classmethod
    def parse(cls, text: str) -> JsonPath:
        """Read a path.

        Raises:
            ValueError: it is none, or one of those that are not read; with the place.
        """
        stripped = text.strip()
        if not stripped.startswith("$"):
            raise ValueError(f"{text!r} is no path into JSON; a path begins with $, as $.features")
        steps: list[_Step] = []
        at = 1
        while at < len(stripped):
            found = _STEP.match(stripped, at)
            if found is None:
                raise ValueError(
                    f"{text!r} cannot be read at {stripped[at:]!r}; allowed are .name, "
                    "['any name'], [0] and [*]"
                )
            steps.append(_step(found))
            at = found.end()
        return cls(text, tuple(steps))

    @property
    def is_plural(self) -> bool:
        """Whether it stands for a list of what matches, and not for one value."""
        return any(isinstance(step, _All) for step in self._steps)

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names that it follows, one inside the other; None where it has other steps.

        >>> JsonPath.parse("$.tx.amount").names, JsonPath.parse("$.tx[0]").names
        (('tx', 'amount'), None)
        """
        names = tuple(step for step in self._steps if isinstance(step, str))
        return names if len(names) == len(self._steps) else None

    @property
    def name(self) -> str | None:
        """The last name in it, None where it names nothing.

        >>> JsonPath.parse("$.input.prompt[0]").name
        'prompt'
        """
        return next((step for step in reversed(self._steps) if isinstance(step, str)), None)

    def read(self, value: Any) -> Any:
        """What stands there; of a plural path the list of all matches.

        Raises:
            LookupError: nothing stands there.
        """
        found = list(self._matches(value))
        if not found:
            raise LookupError(self.text)
        return found if self.is_plural else found[0]

    def _matches(self, value: Any) -> Iterator[Any]:
        matches = [value]
        for step in self._steps:
            matches = [child for match in matches for child in _children(match, step)]
        yield from matches


def _step(found: re.Match[str]) -> _Step:
    if found["name"] is not None:
        return found["name"]
    if found["quoted"] is not None:
        return _ESCAPED.sub(r"\1", found["quoted"][1:-1])
    return _ALL if found["index"] is None else int(found["index"])


def _children(value: Any, step: _Step) -> Iterator[Any]:
    if isinstance(step, _All):
        if isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, list):
            yield from value
    elif isinstance(step, int):
        if isinstance(value, list) and -len(value) <= step < len(value):
            yield value[step]
    elif isinstance(value, dict) and step in value:
        yield value[step]
