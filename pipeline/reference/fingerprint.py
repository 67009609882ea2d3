"""The name of a reference's content."""

from __future__ import annotations

import dataclasses
import hashlib

import orjson

from inferwatch.events.reference import ReferenceProfile

_NO_CONTENT = frozenset(
    {"model", "version", "fingerprint", "created_at", "provisional", "performance", "calibration"}
)


def fingerprint_of(profile: ReferenceProfile) -> str:
    """16 hex digits of everything that decides a count or a distance.

    Model, version and time of making are no part of it: the same data gives the same fingerprint,
    and what was counted against it stays valid when it is promoted.
    """
    content = {
        field.name: getattr(profile, field.name)
        for field in dataclasses.fields(profile)
        if field.name not in _NO_CONTENT
    }
    data = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(data, digest_size=8).hexdigest()
