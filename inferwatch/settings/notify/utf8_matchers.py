r"""Alertmanager's newer matcher grammar, with UTF-8 names.

Names and values are bare (any characters but space and ``{}!=~,\"'` ``) or double-quoted with Go's
escapes; braces stand in pairs. Source: Alertmanager, `matcher/parse`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from inferwatch.settings.notify.matchers import Matcher, Operator

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<open>\{) | (?P<close>\}) | (?P<comma>,)
      | (?P<operator>=~|!=|!~|=)
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<bare>[^\s{}!=~,\\"'`]+)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(
    r"""\\(?:([abfnrtv\\"])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.?))""",
    re.DOTALL,
)
_SIMPLE = dict(zip('abfnrtv\\"', '\a\b\f\n\r\t\v\\"', strict=True))


class _Token(NamedTuple):
    kind: str
    text: str


def parse(text: str) -> tuple[Matcher, ...]:
    r"""Read matchers separated by commas; a trailing comma is fine.

    >>> [str(m) for m in parse('{"größe" = "9", größe!=8}')]
    ['größe="9"', 'größe!="8"']
    """
    tokens = _tokens(text)
    if tokens and tokens[0].kind == "open":
        if tokens[-1].kind != "close" or len(tokens) < 2:
            raise ValueError("the closing brace is missing")
        tokens = tokens[1:-1]
    matchers: list[Matcher] = []
    while tokens:
        kinds = [t.kind for t in tokens[:3]]
        if len(kinds) < 3 or kinds[1] != "operator" or {kinds[0], kinds[2]} - {"bare", "quoted"}:
            raise ValueError("a matcher is a name, an operator and a value")
        name, operator, value = tokens[:3]
        matchers.append(Matcher(_text(name), Operator(operator.text), _text(value)))
        tokens = tokens[3:]
        if tokens and tokens.pop(0).kind != "comma":
            raise ValueError("a comma is missing between two matchers")
    return tuple(matchers)


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise ValueError(f"{text[at]!r} is unexpected here")
        if found.lastgroup != "space":
            tokens.append(_Token(found.lastgroup, found[0]))
        at = found.end()
    return tokens


def _text(token: _Token) -> str:
    if token.kind == "bare":
        return token.text
    body = token.text[1:-1]
    if "\n" in body:
        raise ValueError("a line break stands as \\n between quotes")
    # Escapes may spell single bytes, so the text is put together as bytes.
    parts: list[bytes] = []
    at = 0
    for found in _ESCAPE.finditer(body):
        parts.append(body[at : found.start()].encode())
        parts.append(_unescape(found))
        at = found.end()
    parts.append(body[at:].encode())
    return b"".join(parts).decode()


def _unescape(found: re.Match[str]) -> bytes:
    simple, hexadecimal, octal, short, long, other = found.groups()
    if simple:
        return _SIMPLE[simple].encode()
    if hexadecimal:
        return bytes([int(hexadecimal, 16)])
    if octal:
        if int(octal, 8) > 255:
            raise ValueError(f"\\{octal} is no byte")
        return bytes([int(octal, 8)])
    if short or long:
        return chr(int(short or long, 16)).encode()
    raise ValueError(f"\\{other} is no escape")
