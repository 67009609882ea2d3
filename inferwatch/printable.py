"""Text that strangers chose, made safe for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""What a terminal could take for a command is escaped.

    >>> print(printable("fraud\x1b[2J"))
    fraud\x1b[2J
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
