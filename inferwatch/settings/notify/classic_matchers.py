r"""Alertmanager's classic matcher grammar.

A name, an operator, and a value that is quoted or bare. Between double quotes `\"`, `\\` and `\n`
are escapes and everything else is literal; single quotes are ordinary characters. Braces around
the whole are optional, each by itself. Source: Alertmanager, `pkg/labels/parse.go`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from inferwatch.settings.notify.matchers import Matcher, Operator

# Go's \s is these five characters, and its $ is the very end of the text.
_MATCHER = re.compile(
    r"[\t\n\f\r ]*([a-zA-Z_:][a-zA-Z0-9_:]*)[\t\n\f\r ]*(=~|=|!=|!~)[\t\n\f\r ]*(.*?)[\t\n\f\r ]*",
    re.DOTALL,
)
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}


def parse(text: str) -> tuple[Matcher, ...]:
    r"""Read matchers separated by commas; a trailing comma is fine.

    >>> [str(m) for m in parse('{a="x,\\"y\\"", b!=z,}')]
    ['a="x,\\"y\\""', 'b!="z"']
    """
    return tuple(_parse_one(token) for token in _split(text.removeprefix("{").removesuffix("}")))


def _split(text: str) -> Iterator[str]:
    """Split at the commas outside of double quotes."""
    quoted = escaped = False
    start = 0
    for i, char in enumerate(text):
        if char == ",":
            if not quoted:
                yield text[start:i]
                start = i + 1
            # A comma leaves a pending escape pending: so does the classic parser.
            continue
        if char == '"' and not escaped:
            quoted = not quoted
        escaped = char == "\\" and not escaped
    rest = text[start:].strip()
    if rest:
        yield rest


def _parse_one(token: str) -> Matcher:
    found = _MATCHER.fullmatch(token)
    if found is None:
        raise ValueError(f"{token.strip()!r} has no name or no operator")
    return Matcher(found[1], Operator(found[2]), _value(found[3]))


def _value(raw: str) -> str:
    quoted = raw.startswith('"')
    body = raw[1:] if quoted else raw
    last = len(body) - 1
    value: list[str] = []
    escaped = closed = False
    for i, char in enumerate(body):
        if escaped:
            escaped = False
            # An escape that is none keeps its backslash.
            value.append(_ESCAPES.get(char, "\\" + char))
        elif char == "\\" and i < last:
            escaped = True
        elif char == '"':
            if not quoted or i < last:
                raise ValueError(f"{raw!r} has a double quote that is not escaped")
            closed = True
        else:
            value.append(char)
    if quoted and not closed:
        raise ValueError(f"{raw!r} lacks its closing double quote")
    return "".join(value)
