"""Records to strict JSON and back.

Out: no NaN (null), no block without data (`None` blocks of a window are dropped). In: keys that
this version does not know are passed over, so that rolling upgrades work.
"""

from __future__ import annotations

from typing import Any, cast

import orjson

from inferwatch.events.alert import Alert
from inferwatch.events.plain import from_plain
from inferwatch.events.reference import ReferenceProfile
from inferwatch.events.window import WindowResult

__all__ = [
    "alert_from_json",
    "dumps",
    "from_plain",
    "reference_from_json",
    "window_from_json",
    "window_to_dict",
    "window_to_json",
]

_OUTPUT_ONLY = ("entropy", "collapsed")  # keys of the block `prediction`
_INSIDE = "deviation"  # what detectors add up; it never leaves the worker
_BLOCKS = ("latency", "quality", "estimated", "features", "prediction", "scores", "resources")


def dumps(record: Any) -> bytes:
    """A dataclass record, or anything of plain values, as strict JSON."""
    return orjson.dumps(record, option=orjson.OPT_NON_STR_KEYS)


def window_to_dict(window: WindowResult) -> dict[str, Any]:
    """A window result as plain values, without the blocks that hold nothing."""
    plain = cast(dict[str, Any], orjson.loads(dumps(window)))
    for block in _BLOCKS:
        if plain[block] is None:
            del plain[block]
    if plain.get("latency", {}).get("slow", ...) is None:
        del plain["latency"]["slow"]
    for inputs in ("features", "scores"):
        for column in plain.get(inputs, {}).values():
            for key in (*_OUTPUT_ONLY, _INSIDE):
                del column[key]
    if "prediction" in plain:
        del plain["prediction"][_INSIDE]
    # The schema stands first in a line, where people look.
    return {"schema": plain.pop("schema"), **plain}


def window_to_json(window: WindowResult) -> bytes:
    """A window result as one line of JSON."""
    return orjson.dumps(window_to_dict(window))


def window_from_json(data: bytes) -> WindowResult:
    """The window result that `window_to_json` wrote."""
    return from_plain(WindowResult, orjson.loads(data))


def alert_from_json(data: bytes) -> Alert:
    """The alert event of one record of `monitoring.alerts`."""
    return from_plain(Alert, orjson.loads(data))


def reference_from_json(data: bytes) -> ReferenceProfile:
    """The reference profile of a file or of one record of `monitoring.references`."""
    return from_plain(ReferenceProfile, orjson.loads(data))
