"""Label matchers in every form that Alertmanager's default (fallback) mode reads.

Two grammars exist: the classic one, and the one that came with UTF-8 label names. A text is read
by the classic grammar wherever that accepts it, else by the newer one; it is a mistake only when
both refuse it. Source: Alertmanager, "Label matchers" and `matcher/compat`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from inferwatch.settings.notify import patterns


class Operator(StrEnum):
    """How a label's value is compared."""

    EQUAL = "="
    NOT_EQUAL = "!="
    MATCH = "=~"
    NOT_MATCH = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; a label that an alert lacks is the empty text.

    >>> Matcher("team", Operator.NOT_EQUAL, "risk").matches({})
    True
    >>> str(Matcher("model", Operator.MATCH, "fraud-.*"))
    'model=~"fraud-.*"'
    """

    name: str
    operator: Operator
    value: str

    def __post_init__(self) -> None:
        """Refuse a regular expression that RE2 refuses."""
        if self.operator in (Operator.MATCH, Operator.NOT_MATCH):
            wrong = patterns.mistake(self.value)
            if wrong is not None:
                raise ValueError(f"{self.value!r} is no regular expression (RE2): {wrong}")

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the condition holds for these labels."""
        found = labels.get(self.name, "")
        match self.operator:
            case Operator.EQUAL:
                return found == self.value
            case Operator.NOT_EQUAL:
                return found != self.value
            case Operator.MATCH:
                return patterns.matches(self.value, found)
            case Operator.NOT_MATCH:
                return not patterns.matches(self.value, found)

    def __str__(self) -> str:
        """The matcher as the classic grammar writes it."""
        quoted = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.operator}"{quoted}"'


def all_match(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether every condition holds; without one, all alerts do."""
    return all(m.matches(labels) for m in matchers)


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Read one text of matchers, separated by commas.

    Raises:
        ValueError: both grammars refuse the text.

    >>> [str(m) for m in parse_matchers('severity=page, model=~"fraud-.*"')]
    ['severity="page"', 'model=~"fraud-.*"']
    >>> parse_matchers('"größe"="9"')[0].name
    'größe'
    """
    # Here, not above: both grammars build this module's Matcher.
    from inferwatch.settings.notify import classic_matchers, utf8_matchers

    try:
        return classic_matchers.parse(text)
    except ValueError as classic:
        try:
            return utf8_matchers.parse(text)
        except ValueError:
            raise ValueError(
                f"{text!r} is no matcher: {classic}; "
                'allowed are NAME="VALUE", NAME!="VALUE", NAME=~"REGEX", NAME!~"REGEX"'
            ) from None
