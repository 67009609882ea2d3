"""The parameters of an API request, read with errors that name the parameter and the cure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import orjson
from aiohttp import web

from consumers.dashboard.series import SeriesId
from inferwatch.settings.types import parse_duration, parse_window

MAX_PATTERNS = 300


def bad_request(message: str) -> web.HTTPBadRequest:
    """400, with the reason as JSON."""
    return web.HTTPBadRequest(text=_error(message), content_type="application/json")


def not_found(message: str) -> web.HTTPNotFound:
    """404, with the reason as JSON."""
    return web.HTTPNotFound(text=_error(message), content_type="application/json")


def _error(message: str) -> str:
    return orjson.dumps({"error": message}).decode()


def text(request: web.Request, name: str) -> str:
    """A parameter that has to be there."""
    value = request.query.get(name)
    if value is None:
        raise bad_request(f"{name} is missing: give ?{name}=…")
    return value


def number(request: web.Request, name: str, default: int, largest: int) -> int:
    """A whole number from 1 to `largest`."""
    value = request.query.get(name)
    if value is None:
        return default
    if not re.fullmatch(r"[0-9]{1,18}", value) or not 1 <= int(value) <= largest:
        raise bad_request(f"{name}={value!r}: allowed is a whole number from 1 to {largest}")
    return int(value)


def moment(request: web.Request, name: str, default: int) -> int:
    """Milliseconds since the epoch."""
    value = request.query.get(name)
    if value is None:
        return default
    if not re.fullmatch(r"-?[0-9]{1,15}", value):
        raise bad_request(f"{name}={value!r}: allowed are milliseconds since the epoch")
    return int(value)


def duration(request: web.Request, name: str, default: int) -> int:
    """A duration such as `6h`."""
    value = request.query.get(name)
    if value is None:
        return default
    try:
        return parse_duration(value)
    except ValueError as error:
        raise bad_request(f"{name}: {error}") from None


def segment(request: web.Request) -> str | None:
    """A segment; absent or empty is the whole model."""
    return request.query.get("segment") or None


def series(request: web.Request) -> SeriesId:
    """The series that model, version, segment and window name."""
    model, version, window = (text(request, n) for n in ("model", "version", "window"))
    try:
        parse_window(window)
    except ValueError as error:
        raise bad_request(f"window: {error}") from None
    return SeriesId(model, version, segment(request), window)


def metrics(request: web.Request, known: Sequence[str]) -> list[str]:
    """The known metrics that `metric` names; it may be repeated, and `*` stands for anything."""
    patterns = request.query.getall("metric", [])
    if not patterns:
        raise bad_request(
            "metric is missing: give ?metric=quality.accuracy, once for each; "
            "features.*.psi names all of a kind"
        )
    if len(patterns) > MAX_PATTERNS:
        raise bad_request(f"{len(patterns)} metrics are too many: allowed are {MAX_PATTERNS}")
    return matching(patterns, known)


def matching(patterns: Iterable[str], known: Sequence[str]) -> list[str]:
    """Of the known names those that a pattern names, in their own order.

    >>> matching(["rows", "features.*.psi"], ["features.a.psi", "features.a.ks", "rows"])
    ['features.a.psi', 'rows']
    """
    exact = set(patterns)
    globs = [
        re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)
        for pattern in exact
        if "*" in pattern
    ]
    return [name for name in known if name in exact or any(g.fullmatch(name) for g in globs)]
