"""Content encodings: a copy of a body, unpacked within a bound."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from typing import Any

Unpack = Callable[[bytes, int], bytes]


class ContentError(Exception):
    """The body cannot be unpacked; `reason` is a short class for counting."""

    def __init__(self, reason: str) -> None:
        """Remember the reason."""
        super().__init__(reason)
        self.reason = reason


def unpack(body: bytes, encodings: str | None, limit: int) -> bytes:
    """The body free of its `Content-Encoding`s, at most `limit` bytes of it.

    gzip and deflate always; zstd and br where `zstandard` or `brotli` is installed.

    Raises:
        ContentError: too large when unpacked (a bomb is not unpacked further), damaged, or an
            encoding that nothing here reads.

    >>> import gzip
    >>> unpack(gzip.compress(b"{}"), "gzip", 1024)
    b'{}'
    """
    if encodings is None:
        return body
    for encoding in reversed(encodings.lower().split(",")):
        name = encoding.strip()
        if name in ("", "identity"):
            continue
        reader = _READERS.get(name)
        if reader is None:
            raise ContentError("encoding")
        body = reader(body, limit)
        if len(body) > limit:
            raise ContentError("oversized")
    return body


def _gzip(body: bytes, limit: int) -> bytes:
    # A gzip file may have several members.
    whole = b""
    while body:
        inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        part, body = _inflate(inflater, body, limit - len(whole))
        whole += part
        if len(whole) > limit:
            break
    return whole


def _deflate(body: bytes, limit: int) -> bytes:
    try:
        return _inflate(zlib.decompressobj(), body, limit)[0]
    except ContentError as error:
        if error.reason != "damaged":
            raise
        # Some servers mean the bare stream, without zlib's header.
        return _inflate(zlib.decompressobj(wbits=-zlib.MAX_WBITS), body, limit)[0]


def _inflate(inflater: Any, body: bytes, limit: int) -> tuple[bytes, bytes]:
    try:
        part = inflater.decompress(body, limit + 1)
    except zlib.error:
        raise ContentError("damaged") from None
    if len(part) > limit:
        raise ContentError("oversized")
    if not inflater.eof:
        raise ContentError("damaged")
    return part, inflater.unused_data


def _zstd(body: bytes, limit: int) -> bytes:
    zstandard = _library("zstandard")
    try:
        with zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(body) as reader:
            return bytes(reader.read(limit + 1))
    except zstandard.ZstdError:
        raise ContentError("damaged") from None


def _brotli(body: bytes, limit: int) -> bytes:
    brotli = _library("brotli")
    inflater = brotli.Decompressor()
    whole = bytearray()
    try:
        # Pieces, because the library has no bound of its own: 1 KiB gives some MiB at most.
        for at in range(0, len(body), 1024):
            whole += inflater.process(body[at : at + 1024])
            if len(whole) > limit:
                break
    except brotli.error:
        raise ContentError("damaged") from None
    return bytes(whole)


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ContentError("encoding") from None


_READERS: dict[str, Unpack] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
    "br": _brotli,
}
