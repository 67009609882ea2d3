"""The format number that every stored value of the dashboard begins with."""

from __future__ import annotations

from inferwatch.errors import StateFormatError

FORMAT = 1


def check_format(data: bytes, what: str) -> bytes:
    r"""The value behind its format number.

    Raises:
        StateFormatError: a newer version wrote it.

    >>> check_format(b"\x01abc", "a row")
    b'abc'
    >>> check_format(b"\x09abc", "a row")
    Traceback (most recent call last):
    inferwatch.errors.StateFormatError: a row in Redis has format 9, this version reads up to 1
    """
    if not data or data[0] > FORMAT:
        found = data[0] if data else "none"
        raise StateFormatError(
            f"{what} in Redis has format {found}, this version reads up to {FORMAT}"
        )
    return data[1:]
