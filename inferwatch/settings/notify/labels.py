"""How the config names labels: one matcher list, `match`, `match_re`, and names of labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from inferwatch.settings.notify.matchers import Matcher, Operator, parse_matchers
from inferwatch.settings.types import scalar_text


def _matchers(value: Any) -> tuple[Matcher, ...]:
    if isinstance(value, tuple):
        return value
    return parse_matchers(scalar_text(value, "a matcher"))


def _label_name(value: Any) -> str:
    text = scalar_text(value, "the name of a label")
    if not text:
        raise ValueError("a label's name is not empty")
    return text


def _pattern(value: Any) -> str:
    text = scalar_text(value, "a regular expression")
    Matcher("", Operator.MATCH, text)
    return text


# One text may hold several matchers, separated by commas.
MatcherText = Annotated[
    tuple[Matcher, ...],
    BeforeValidator(_matchers),
    PlainSerializer(lambda ms: ", ".join(str(m) for m in ms), return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ['severity="page"', 'model=~"fraud-.*"']}),
]
LabelName = Annotated[str, BeforeValidator(_label_name), WithJsonSchema({"type": "string"})]
Pattern = Annotated[str, BeforeValidator(_pattern), WithJsonSchema({"type": "string"})]


def all_matchers(
    equal: Mapping[str, str], regex: Mapping[str, str], texts: tuple[tuple[Matcher, ...], ...]
) -> tuple[Matcher, ...]:
    """The conditions of a `match`, a `match_re` and a `matchers` key together."""
    return (
        *(Matcher(name, Operator.EQUAL, value) for name, value in equal.items()),
        *(Matcher(name, Operator.MATCH, value) for name, value in regex.items()),
        *(matcher for text in texts for matcher in text),
    )
