"""The id that joins a label to its prediction."""

from __future__ import annotations

from inferwatch.errors import RejectedEventError
from inferwatch.events.fields.describe import describe
from inferwatch.events.json_parse import HugeInteger


def event_id(value: object) -> str | None:
    """The id as text; a whole number of any size is its decimal text; None when there is none.

    A double is refused: it has lost digits of a long id, so that a label would find the wrong
    prediction, or none.

    Raises:
        RejectedEventError: `malformed`, for anything else.

    >>> event_id(1582218195625938940), event_id("17"), event_id("")
    ('1582218195625938940', '17', '')
    """
    if value is None or type(value) is str:
        return value
    if isinstance(value, HugeInteger):
        return value.text
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise RejectedEventError(
        "malformed", "id", f"it is {describe(value)}; a text or a whole number is wanted"
    )
