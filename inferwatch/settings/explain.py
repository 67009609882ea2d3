"""Pydantic's errors in the words of somebody who writes a config."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from inferwatch.settings.anatomy import description, section_at
from inferwatch.settings.document import Document, Mistake, Path
from inferwatch.settings.section import Section, SectionError

# By pydantic's error type; `{…}` is filled from the error's own context.
_WORDS = {
    "model_type": "a mapping (key: value) is wanted here",
    "model_attributes_type": "a mapping (key: value) is wanted here",
    "dataclass_type": "a mapping (key: value) is wanted here",
    "dict_type": "a mapping (key: value) is wanted here",
    "mapping_type": "a mapping (key: value) is wanted here",
    "list_type": "a list is wanted here",
    "tuple_type": "a list is wanted here",
    "set_type": "a list is wanted here",
    "string_type": "a text is wanted here",
    "string_sub_type": "a text is wanted here",
    "string_pattern_mismatch": "{value} has characters that are not allowed; allowed is {pattern}",
    "string_too_short": "{value} is too short; allowed are at least {min_length} characters",
    "string_too_long": "{value} is too long; allowed are at most {max_length} characters",
    "too_short": "{actual_length} are too few; allowed are at least {min_length}",
    "too_long": "{actual_length} are too many; allowed are at most {max_length}",
    "greater_than": "{value} is too small; allowed is more than {gt}",
    "greater_than_equal": "{value} is too small; allowed is at least {ge}",
    "less_than": "{value} is too large; allowed is less than {lt}",
    "less_than_equal": "{value} is too large; allowed is at most {le}",
}


def explain(error: ValidationError, root: type[Section], document: Document) -> list[Mistake]:
    """Every mistake of a validation, at its place in the document; none twice."""
    found: dict[Mistake, None] = {}
    for details in error.errors(include_url=False):
        for mistake in _mistakes(details, root, document):
            found[mistake] = None
    return list(found)


def _mistakes(details: ErrorDetails, root: type[Section], document: Document) -> Iterator[Mistake]:
    kind = details["type"]
    if kind == "missing":
        path = details["loc"]
        about = description(root, path)
        text = f"is missing ({about.rstrip('.')})" if about else "is missing"
        yield Mistake(document.key_place(path[:-1]), path, text)
        return
    path = _resolve(details["loc"], document)
    cause = details.get("ctx", {}).get("error")
    if kind == "extra_forbidden":
        yield Mistake(document.key_place(path), path, _unknown_key(root, path))
    elif isinstance(cause, SectionError):
        for remark in cause.remarks:
            below = (*path, *remark.where)
            yield Mistake(document.value_place(below), below, remark.text)
    else:
        whole = isinstance(document.value_at(path), dict)
        place = document.key_place(path) if whole else document.value_place(path)
        yield Mistake(place, path, _words(details, cause))


def _resolve(loc: tuple[str | int, ...], document: Document) -> Path:
    """The part of pydantic's location that stands in the text: it also names branches of unions."""
    path: Path = ()
    known = set(document.paths())
    for part in loc:
        if (*path, part) in known:
            path = (*path, part)
    return path


def _words(details: ErrorDetails, cause: Any) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if cause is not None:
        return str(cause)
    if kind in ("literal_error", "enum"):
        allowed = re.sub(r"'([^']*)'", r"\1", str(context["expected"])).replace(" or ", ", ")
        return f"{details['input']!r} is not allowed here; allowed are {allowed}"
    if kind in ("too_short", "string_too_short") and details["input"] == "":
        return "an empty text is not allowed here"
    if kind in ("too_short", "too_long") and isinstance(details["input"], str):
        kind = f"string_{kind}"
    if kind in _WORDS:
        return _WORDS[kind].format(**context, value=repr(details["input"]))
    return details["msg"]


def _unknown_key(root: type[Section], path: Path) -> str:
    section = section_at(root, path[:-1])
    allowed = sorted(section.known_keys()) if section is not None else []
    near = get_close_matches(str(path[-1]), allowed, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"unknown key; {hint}allowed are {', '.join(allowed)}"
