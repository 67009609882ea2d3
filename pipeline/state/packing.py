"""Stored values: a format number, then MessagePack, compressed (odd) or, of small ones, not (even).

A number is taken whenever what stands behind it could be misread by the version before. 1, 2: the
first. 3, 4: panes list names, heads tell of halved samples.

An older format is read, a newer one ends the worker with exit code 2: so that rolling upgrades and
roll-backs are safe.
"""

from __future__ import annotations

import threading
from typing import Any

import msgpack
import zstandard

from inferwatch.errors import StateFormatError

FORMAT = 4
"""The newest one."""

_COMPRESSED, _PLAIN = bytes([FORMAT - 1]), bytes([FORMAT])


class _Codec(threading.local):
    """Neither of the two may be used by two threads at a time."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=1).compress
        self.pack = msgpack.Packer().pack
        self.decompress = zstandard.ZstdDecompressor().decompress


_codec = _Codec()

MAX_UNPACKED_BYTES = 256 * 1024 * 1024


def pack(value: Any) -> bytes:
    """Plain values as stored bytes.

    >>> unpack(pack({"rows": 3}), "a pane")
    {'rows': 3}
    """
    return _COMPRESSED + _codec.compress(_codec.pack(value))


def pack_small(value: Any) -> bytes:
    """Plain values of some 100 bytes, which no compression makes smaller; half the time of `pack`.

    >>> unpack(pack_small(["a", 1]), "a label")
    ['a', 1]
    """
    return _PLAIN + bytes(_codec.pack(value))


def unpack(data: bytes, what: str) -> Any:
    """What `pack` or `pack_small` wrote; `what` names the value in an error.

    Raises:
        StateFormatError: a newer version wrote it, or it is not ours.
    """
    if not data or data[0] == 0 or data[0] > FORMAT:
        found = data[0] if data else "none"
        raise StateFormatError(
            f"{what} in Redis has format {found}, this version reads up to {FORMAT}: "
            "run the version that wrote it, or flush this prefix and let it be rebuilt"
        )
    try:
        plain = data[1:]
        if data[0] % 2:
            plain = _codec.decompress(plain, max_output_size=MAX_UNPACKED_BYTES)
        return msgpack.unpackb(plain, strict_map_key=False)
    except (zstandard.ZstdError, ValueError) as error:
        raise StateFormatError(f"{what} in Redis cannot be read: {error}") from error
