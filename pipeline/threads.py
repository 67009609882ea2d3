"""A blocking generator, read from asyncio: each of its items is waited for in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import TypeVar

T = TypeVar("T")


async def in_threads(items: Generator[T, None, None]) -> AsyncGenerator[T, None]:
    """What a blocking generator gives, each item fetched in a thread; closed whatever happens.

    Were it left to the garbage collector, its connection would be closed when Python ends, and
    wait there for threads that are no more.
    """
    reading: asyncio.Future[T | None] | None = None
    try:
        while True:
            reading = asyncio.ensure_future(asyncio.to_thread(next, items, None))
            item = await asyncio.shield(reading)
            if item is None:
                return
            yield item
    finally:
        closing = asyncio.ensure_future(_close(items, reading))
        cancelled = False
        while not closing.done():
            try:
                await asyncio.shield(closing)
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError


async def _close(items: Generator[T, None, None], reading: asyncio.Future[T | None] | None) -> None:
    if reading is not None:
        await asyncio.wait([reading])
    await asyncio.to_thread(items.close)
