"""Each alert of a message by itself, for receivers that take one alert a request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from consumers.notifier.channels.interface import Permanent, Retryable
from consumers.notifier.transition import Transition

AT_ONCE = 8


async def send_each(
    alerts: Iterable[Transition], send: Callable[[Transition], Awaitable[object]]
) -> None:
    """Send every alert, eight at once; the alerts of a message are of different incidents.

    One that is refused keeps no other from being sent. When one should be tried again, those that
    did not begin yet are left to that try; it sends all of them again, under the same keys.

    Raises:
        Retryable: the message should be tried again.
        Permanent: all were tried, and one was refused.
    """
    waiting = iter(alerts)
    later: list[Retryable] = []
    refused: list[Permanent] = []

    async def work() -> None:
        for alert in waiting:
            if later:
                return
            try:
                await send(alert)
            except Retryable as failure:
                later.append(failure)
            except Permanent as refusal:
                refused.append(refusal)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())
    if later:
        raise max(later, key=lambda failure: failure.retry_after_ms or 0)
    if refused:
        raise refused[0]
