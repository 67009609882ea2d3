"""How a task of asyncio is brought to its end, whatever it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_S = 1.0
"""Long enough for what a task does on its way out."""


async def end_tasks(tasks: Iterable[asyncio.Future[Any]], again_s: float = AGAIN_S) -> list[Any]:
    """Cancel tasks, and again until each has ended; what they gave or raised, in their order.

    Once is not enough: a library may take a cancellation for an answer of its own and go on
    (redis-py 8.1 does, when it comes while a connection is made or put back), and a loop around it
    would go on for ever.

    >>> async def deaf():
    ...     while True:
    ...         try:
    ...             await asyncio.sleep(60)
    ...         except asyncio.CancelledError:
    ...             await asyncio.sleep(60)
    >>> async def ended():
    ...     task = asyncio.create_task(deaf())
    ...     await asyncio.sleep(0)
    ...     (outcome,) = await end_tasks([task], again_s=0.001)
    ...     return type(outcome).__name__
    >>> asyncio.run(ended())
    'CancelledError'
    """
    every = list(tasks)
    left = {task for task in every if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_s)
    return list(await asyncio.gather(*every, return_exceptions=True))
