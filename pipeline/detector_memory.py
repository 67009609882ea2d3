"""What detectors have learned of each model, in `monitoring.state`: for a Redis that lost it all.

Panes are counted again from the log; what was learned of days that the log no longer holds, sums
over windows and open incidents are not. So each evaluation is written there too, key
`detectors/MODEL`, at most once a minute and whenever an alert was made, and read where Redis has
none: the whole topic, once an epoch, for a model that has nothing in Redis without a loss is new.
What was judged since then is judged again, with the same incidents and ids.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from inferwatch import topics
from inferwatch.errors import ServiceUnreachableError
from inferwatch.settings import Settings
from inferwatch.topic_reader import read_to_end
from pipeline.lighter import without_segments
from pipeline.transport import TRANSIENT, Transport
from pipeline.windows.watermark import NEVER

log = logging.getLogger(__name__)

KIND = "detectors"
EVERY_MS = 60_000
RETRY_MS = 10_000
MAX_BYTES = 900_000
"""A broker takes records of 1 MiB where it is not told otherwise."""


Read = Callable[[Settings, str], Iterable[Any]]
"""The records of a topic, from its begin to where it ends now."""


async def _forgets() -> None:
    return None


async def _nowhere(state: bytes) -> bool:
    """Kept in Redis alone."""
    return True


@dataclass(slots=True)
class Memory:
    """One model's place in `monitoring.state`.

    Attributes:
        recall: what was written last; None where nothing was.
        keep: writes it; False where it is to be tried again.
        kept_at: when that was done last.
        closed_until: no try before it, for the last one failed.
    """

    recall: Callable[[], Awaitable[bytes | None]] = _forgets
    keep: Callable[[bytes], Awaitable[bool]] = _nowhere
    kept_at: int | None = None
    closed_until: int = NEVER

    async def remember(self, state: bytes, now_ms: int, *, at_once: bool) -> bool:
        """Write the state, where the last time is long enough ago; False where it waits still."""
        if now_ms < self.closed_until:
            return False
        if self.kept_at is not None and not at_once and now_ms - self.kept_at < EVERY_MS:
            return False
        if not await self.keep(state):
            self.closed_until = now_ms + RETRY_MS
            return False
        self.kept_at = now_ms
        return True


class DetectorTopic:
    """Reads and writes the models' places in the topic."""

    def __init__(
        self,
        settings: Settings,
        transport: Transport,
        epoch: Callable[[], str],
        read: Read = read_to_end,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            settings: how the broker is reached, and the prefix of the topic.
            transport: what is written goes this way.
            epoch: which one Redis is in; another one says that it lost everything.
            read: reads the topic.
        """
        self._settings = settings
        self._transport = transport
        self._topic = topics.STATE.full_name(settings.topics.prefix)
        self._known: dict[bytes, bytes] = {}
        self._epoch = epoch
        self._read_topic = read
        self._read_in: str | None = None
        self._written: set[bytes] = set()
        self._reading = asyncio.Lock()
        self._too_large: set[str] = set()

    def of(self, model: str) -> Memory:
        """The place of one model."""
        key = f"{KIND}/{model}".encode()

        async def recall() -> bytes | None:
            await self._read(key)
            return self._known.get(key)

        async def keep(state: bytes) -> bool:
            if len(state) > MAX_BYTES:
                self._say_too_large(model, len(state))
                named = f"what was learned of {model}"
                state = await asyncio.to_thread(without_segments, state, named)
            # One that is too large even so is done with: the next one will hardly be smaller.
            return len(state) > MAX_BYTES or await self._send(key, state)

        return Memory(recall, keep)

    def _say_too_large(self, model: str, size: int) -> None:
        if model in self._too_large:
            return
        self._too_large.add(model)
        log.warning(
            "%s: what was learned of it (%d bytes) is more than a record of %s holds (%d): the "
            "past of its segments is left out, and what is too large even so is not written: a "
            "flushed Redis would lose it",
            model,
            size,
            self._topic,
            MAX_BYTES,
        )

    async def _send(self, key: bytes, state: bytes) -> bool:
        try:
            await self._transport.send(self._topic, key, state)
        except TRANSIENT as error:
            seconds = RETRY_MS // 1000
            log.warning("%s took no record (%s): tried again in %d s", self._topic, error, seconds)
            return False
        # What was read of it is old now, and may be large.
        self._written.add(key)
        self._known.pop(key, None)
        return True

    async def _read(self, key: bytes) -> None:
        """Read the topic, where it may say more of this model than when it was read last."""
        async with self._reading:
            epoch = self._epoch()
            if self._read_in == epoch and key not in self._written:
                return
            self._written.clear()
            try:
                self._known = await asyncio.to_thread(self._latest)
            except ServiceUnreachableError as error:
                self._read_in = None
                raise ConnectionError(str(error)) from error
            self._read_in = epoch

    def _latest(self) -> dict[bytes, bytes]:
        latest: dict[bytes, tuple[int, bytes | None]] = {}
        for record in self._read_topic(self._settings, self._topic):
            key = record.key or b""
            # By time: a topic that got more partitions has older values of a key elsewhere.
            if key.startswith(KIND.encode()) and record.timestamp >= latest.get(key, (0, None))[0]:
                latest[key] = (record.timestamp, record.value)
        return {key: value for key, (_, value) in latest.items() if value}
