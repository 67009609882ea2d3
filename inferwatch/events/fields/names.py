"""The model and the version of an event."""

from __future__ import annotations

from inferwatch.errors import RejectedEventError
from inferwatch.events.canonical import value_text
from inferwatch.events.fields.describe import describe

UNVERSIONED = "unversioned"


def model_name(value: object) -> str:
    """The model: a text that is not empty; a number or boolean is its canonical text.

    Raises:
        RejectedEventError: `no_model` when absent, null or empty; `malformed` for an array or an
            object.

    >>> model_name("fraud"), model_name(7)
    ('fraud', '7')
    """
    if value is None or value == "":
        raise RejectedEventError("no_model", "model", "the event names no model")
    return _text("model", value)


def version_name(value: object) -> str:
    """The version; absent or null it is `unversioned`.

    >>> version_name(None), version_name(7.0), version_name(20251124093000123456), version_name("")
    ('unversioned', '7', '20251124093000123456', '')
    """
    return UNVERSIONED if value is None else _text("version", value)


def _text(where: str, value: object) -> str:
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    if isinstance(value, (str, float, bool)):
        return value_text(value)
    raise RejectedEventError("malformed", where, f"it is {describe(value)}; a text is wanted")
