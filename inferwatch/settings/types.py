"""The scalar types of the config: what a key accepts, and what it becomes.

The YAML loader hands every scalar over as the text that the user wrote (`yes`, `17:30`, `1.10`),
and `null` as None: so a key that wants text gets that text, and only a key that wants a number,
a boolean, a duration or a size reads it as one.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, SecretStr, WithJsonSchema
from pydantic.dataclasses import dataclass

from inferwatch.events.canonical import number_text

_DURATION = re.compile(r"([0-9]{1,15})(ms|s|m|h|d|w)")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
# A hundred years: beyond any use, and far from overflowing 64 bits when added to a time.
_MAX_DURATION_MS = 36_525 * _UNIT_MS["d"]
_SIZE = re.compile(r"([0-9]{1,15})(B|KiB|MiB|GiB|KB|MB|GB)?")
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
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Plain(str):
    """A scalar without quotes, as the YAML loader hands it over.

    Only where a key takes "a text or a number" do quotes make a difference: `1.0` is the number,
    `"1.0"` the text.
    """

    __slots__ = ()


def scalar_text(value: Any, wanted: str) -> str:
    """The text of a scalar; raises ValueError for a list, a mapping or nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    kind = {dict: "a mapping", list: "a list", tuple: "a list", type(None): "nothing"}
    found = kind.get(type(value), type(value).__name__)
    raise ValueError(f"{wanted} is wanted here, not {found}")


def parse_duration(value: Any) -> int:
    """Milliseconds of a duration: one or more of `10s`, `5m`, `1h`, `7d`, `250ms`; `0` too.

    >>> parse_duration("1h30m")
    5400000
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = scalar_text(value, "a duration").strip()
    if text == "0":
        return 0
    parts = _DURATION.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError(f"{text!r} is no duration; allowed are 10s, 5m, 1h, 7d, 250ms, 1h30m")
    ms = sum(int(n) * _UNIT_MS[u] for n, u in parts)
    if ms > _MAX_DURATION_MS:
        raise ValueError(f"{text!r} is too long; allowed is at most 36525d")
    return ms


def format_duration(ms: int) -> str:
    """The shortest text of a duration.

    >>> format_duration(90_000), format_duration(3_600_000)
    ('90s', '1h')
    """
    for unit in ("w", "d", "h", "m", "s"):
        if ms and ms % _UNIT_MS[unit] == 0:
            return f"{ms // _UNIT_MS[unit]}{unit}"
    return f"{ms}ms"


def size_text(size: int) -> str:
    """Bytes for a person.

    >>> size_text(700), size_text(64 * 2**10), size_text(300 * 2**20), size_text(2**31)
    ('700 B', '64 KiB', '300 MiB', '2 GiB')
    """
    for unit in ("GiB", "MiB", "KiB"):
        if size >= _UNIT_BYTES[unit]:
            return f"{size / _UNIT_BYTES[unit]:.3g} {unit}"
    return f"{size} B"


def parse_size(value: Any) -> int:
    """Bytes of a size: `64KiB`, `1MiB`, `512`.

    >>> parse_size("64KiB")
    65536
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = scalar_text(value, "a size").strip()
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no size; allowed are 64KiB, 1MiB, 1GiB, 512")
    return int(match[1]) * _UNIT_BYTES[match[2]]


def _parse_bool(value: Any) -> bool:
    text = scalar_text(value, "true or false")
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    raise ValueError(f"{text!r} is no boolean; allowed are true and false")


def _parse_int(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = scalar_text(value, "a whole number")
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise ValueError(f"{text!r} is no whole number")
    return int(text)


def _parse_float(value: Any) -> float:
    text = scalar_text(value, "a number")
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError(f"{text!r} is no number")
    return float(text)


def _parse_text(value: Any) -> str:
    return scalar_text(value, "a text")


def _parse_secret(value: Any) -> SecretStr:
    return value if isinstance(value, SecretStr) else SecretStr(scalar_text(value, "a text"))


def parse_class(value: Any) -> str:
    """A class of a classifier: a text, or a number in its shortest form (1.0 is 1).

    >>> parse_class(Plain("1.0")), parse_class("1.0"), parse_class("late")
    ('1', '1.0', 'late')
    """
    text = scalar_text(value, "a class (a text or a number)")
    if isinstance(value, Plain) and _NUMBER.fullmatch(text):
        return number_text(float(text))
    return text


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
    text = scalar_text(value, "a window (5m, or 15m/1m)").strip()
    size_text, slash, slide_text = text.partition("/")
    try:
        size = parse_duration(size_text)
        slide = parse_duration(slide_text) if slash else size
    except ValueError:
        raise ValueError(
            f"{text!r} is no window; allowed are a size (5m), or a size and a slide (15m/1m)"
        ) from None
    if size <= 0 or slide <= 0:
        raise ValueError(f"{text!r}: a window and its slide are longer than 0")
    if slide > size:
        raise ValueError(
            f"{text!r}: the slide is larger than the size, rows would be left out; "
            "allowed is a slide up to the size"
        )
    return WindowSpec(text, size, slide)


def split_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; an IPv6 host stands in brackets.

    >>> split_address("[::1]:9092"), split_address("0.0.0.0:80")
    (('::1', 9092), ('0.0.0.0', 80))
    """
    match = re.fullmatch(r"(\[[0-9a-fA-F:.%]+\]|[^\s:/@\[\]]+):([0-9]{1,5})", text)
    if match is None or int(match[2]) > 65_535:
        raise ValueError(f"{text!r} is no address; allowed is HOST:PORT, such as 127.0.0.1:8088")
    return match[1].strip("[]"), int(match[2])


def _parse_address(value: Any) -> str:
    text = scalar_text(value, "an address (HOST:PORT)").strip()
    split_address(text)
    return text


Text = Annotated[
    str, BeforeValidator(_parse_text), WithJsonSchema({"type": ["string", "number", "boolean"]})
]
Secret = Annotated[
    SecretStr,
    BeforeValidator(_parse_secret),
    WithJsonSchema({"type": "string", "examples": ["${PASSWORD}", "${file:/run/secrets/x}"]}),
]
Bool = Annotated[bool, BeforeValidator(_parse_bool)]
Int = Annotated[int, BeforeValidator(_parse_int)]
Float = Annotated[float, BeforeValidator(_parse_float)]
Share = Annotated[Float, Field(ge=0, le=1)]
Address = Annotated[
    str, BeforeValidator(_parse_address), WithJsonSchema({"type": "string", "pattern": ":[0-9]+$"})
]
ClassName = Annotated[
    str, BeforeValidator(parse_class), WithJsonSchema({"type": ["string", "number", "boolean"]})
]
Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": r"^(0|([0-9]+(ms|s|m|h|d|w))+)$"}, {"const": 0}]}
    ),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": ["string", "integer"], "pattern": r"^[0-9]+(B|[KMG]i?B)?$"}),
]
Window = Annotated[
    WindowSpec,
    BeforeValidator(parse_window),
    PlainSerializer(lambda w: w.text, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["1m", "15m/1m"]}),
]
