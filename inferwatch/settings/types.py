"""The scalar types of the config: what a key accepts, and what it becomes.

The YAML loader hands every scalar over as the text that the user wrote (`yes`, `17:30`, `1.10`),
and `null` as None: so a key that wants text gets that text, and only a key that wants a number,
a boolean, a duration or a size reads it as one.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic.dataclasses import dataclass

_DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w)")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_SIZE = re.compile(r"(\d+)(B|KiB|MiB|GiB|KB|MB|GB)?")
_UNIT_BYTES = {
    None: 1,
    "B": 1,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
}


def parse_duration(value: Any) -> int:
    """Milliseconds of a duration: one or more of `10s`, `5m`, `1h`, `7d`, `250ms`; `0` too.

    >>> parse_duration("1h30m")
    5400000
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = str(value).strip()
    if text == "0":
        return 0
    parts = _DURATION.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError(f"{text!r} is no duration; allowed are 10s, 5m, 1h, 7d, 250ms, 1h30m")
    return sum(int(n) * _UNIT_MS[u] for n, u in parts)


def format_duration(ms: int) -> str:
    """The shortest text of a duration.

    >>> format_duration(90_000), format_duration(3_600_000)
    ('90s', '1h')
    """
    for unit in ("w", "d", "h", "m", "s"):
        if ms and ms % _UNIT_MS[unit] == 0:
            return f"{ms // _UNIT_MS[unit]}{unit}"
    return f"{ms}ms"


def parse_size(value: Any) -> int:
    """Bytes of a size: `64KiB`, `1MiB`, `512`.

    >>> parse_size("64KiB")
    65536
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(str(value).strip())
    if match is None:
        raise ValueError(f"{str(value)!r} is no size; allowed are 64KiB, 1MiB, 1GiB, 512")
    return int(match[1]) * _UNIT_BYTES[match[2]]


def _parse_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "True", "TRUE"):
        return True
    if value in ("false", "False", "FALSE"):
        return False
    raise ValueError(f"{value!r} is no boolean; allowed are true and false")


def _parse_int(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[+-]?\d+", value):
        raise ValueError(f"{value!r} is no whole number")
    return int(value)


def _parse_float(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str) or not re.fullmatch(
        r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value
    ):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _parse_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    raise ValueError("a text is wanted here")


@dataclass(frozen=True)
class WindowSpec:
    """A window as the config writes it: `5m` tumbling, `15m/1m` sliding every minute.

    Attributes:
        text: the config's own text; it stands in every result.
        size: milliseconds.
        slide: milliseconds from one start to the next; equal to `size` when tumbling.
    """

    text: str
    size: int
    slide: int


def parse_window(value: Any) -> WindowSpec:
    """Read `5m` or `15m/1m`; a slide that is larger than its size is a mistake.

    >>> parse_window("15m/1m")
    WindowSpec(text='15m/1m', size=900000, slide=60000)
    """
    if isinstance(value, WindowSpec):
        return value
    text = str(value).strip()
    size_text, slash, slide_text = text.partition("/")
    size = parse_duration(size_text)
    slide = parse_duration(slide_text) if slash else size
    if size <= 0 or slide <= 0:
        raise ValueError(f"{text!r}: a window and its slide are longer than 0")
    if slide > size:
        raise ValueError(f"{text!r}: the slide is larger than the size, rows would be left out")
    return WindowSpec(text, size, slide)


Text = Annotated[str, BeforeValidator(_parse_text)]
Bool = Annotated[bool, BeforeValidator(_parse_bool)]
Int = Annotated[int, BeforeValidator(_parse_int)]
Float = Annotated[float, BeforeValidator(_parse_float)]
Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^(0|(\d+(ms|s|m|h|d|w))+)$"}),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": ["string", "integer"], "pattern": r"^\d+(B|[KMG]i?B)?$"}),
]
Window = Annotated[
    WindowSpec,
    BeforeValidator(parse_window),
    PlainSerializer(lambda w: w.text, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["1m", "15m/1m"]}),
]
