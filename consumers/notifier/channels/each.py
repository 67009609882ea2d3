"""Each alert of a message by itself, for receivers that take one alert a request."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from consumers.notifier.channels.interface import Permanent, Retryable
from consumers.notifier.notification import Notification
from consumers.notifier.transition import Transition

AT_ONCE = 8
# Messages whose progress is remembered; more are never on their way at once.
REMEMBERED = 256


class EachAlert:
    """Sends every alert of a message, eight at once, all of them within one deadline.

    What was taken before a failure is not sent again at the next try, so that a message with more
    alerts than fit into one try gets through. A restart forgets that; the keys of the alerts are
    the same, so sending them again does no harm.
    """

    def __init__(self, timeout_ms: int) -> None:
        """Let one try take so long, however many alerts there are."""
        self._timeout_s = timeout_ms / 1000
        self._taken: OrderedDict[str, set[str]] = OrderedDict()

    async def send(
        self, message: Notification, send_one: Callable[[Transition], Awaitable[object]]
    ) -> None:
        """Send what was not taken yet; the alerts of a message are of different incidents.

        One that is refused keeps no other from being sent. When one should be tried again, those
        that did not begin yet are left to that try.

        Raises:
            Retryable: the message should be tried again.
            Permanent: all were tried, and one was refused.
        """
        taken = self._taken.setdefault(message.id, set())
        self._taken.move_to_end(message.id)
        if len(self._taken) > REMEMBERED:
            self._taken.popitem(last=False)
        waiting = iter([alert for alert in message.alerts if alert.id not in taken])
        later: list[Retryable] = []
        refused: list[Permanent] = []

        async def work() -> None:
            for alert in waiting:
                if later:
                    return
                try:
                    await send_one(alert)
                except Retryable as failure:
                    later.append(failure)
                except Permanent as refusal:
                    refused.append(refusal)
                else:
                    taken.add(alert.id)

        try:
            async with asyncio.timeout(self._timeout_s), asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(work())
        except TimeoutError:
            left, all_of = len(message.alerts) - len(taken), len(message.alerts)
            rest = f" for {left} of {all_of} alerts" if taken else ""
            raise Retryable(f"no answer within {self._timeout_s:g} s{rest}") from None
        if later:
            raise max(later, key=lambda failure: failure.retry_after_ms or 0)
        self._taken.pop(message.id, None)
        if refused:
            raise refused[0]
