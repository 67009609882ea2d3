"""Regular expressions as Alertmanager reads them: RE2 syntax, over the whole value.

RE2 is also linear in the length of the value, which matters here: the pattern is the operator's,
but the value (a segment, a version) comes with the traffic. `re2` is a part of the extra
`consumers`; where it is absent (beside a model server) nothing is ever matched, and a pattern is
taken on trust.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import Any


def can_check() -> bool:
    """Whether the RE2 library is at hand."""
    return find_spec("re2") is not None


@lru_cache(maxsize=4096)
def _compile(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    # Alertmanager builds its expression the same way, so that `a|b` is anchored as a whole.
    return re2.compile(f"^(?:{pattern})$", options)


def mistake(pattern: str) -> str | None:
    """What is wrong with a pattern, or None.

    >>> mistake("fraud-.*|risk"), mistake("a(b")
    (None, 'missing ): ^(?:a(b)$')
    """
    if not can_check():
        return None
    import re2

    try:
        _compile(pattern)
    except re2.error as error:
        said = error.args[0]
        return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return None


def matches(pattern: str, value: str) -> bool:
    """Whether the pattern covers the whole value.

    >>> matches("fraud-.*|risk", "risk"), matches("risk", "no-risk")
    (True, False)
    """
    return _compile(pattern).search(value) is not None
