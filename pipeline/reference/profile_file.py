"""A reference profile in a file, as `reference build` writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from inferwatch.errors import UsageError
from inferwatch.events.json_codec import reference_from_json
from inferwatch.events.reference import SCHEMA, ReferenceProfile


def read_profile(file: Path) -> ReferenceProfile:
    """The profile of a file.

    Raises:
        UsageError: it cannot be read, or is no profile.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: it cannot be read: {error.strerror}") from error
    try:
        plain = json.loads(data)
        if not isinstance(plain, Mapping) or plain.get("schema") != SCHEMA:
            raise ValueError(f"its `schema` is not {SCHEMA!r}")
        return reference_from_json(data)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{file}: it is no reference profile: {error}; "
            "make one with: inferwatch reference build"
        ) from error
