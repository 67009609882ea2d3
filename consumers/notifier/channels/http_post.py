"""One HTTP POST, and what its outcome means for the message."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx

from consumers.notifier.channels.guard import GuardedTransport
from consumers.notifier.channels.interface import Permanent, Retryable
from inferwatch import __version__
from inferwatch.tasks import end_tasks

CONNECTIONS = 96
# So long a connection is kept that nothing uses.
IDLE_S = 30.0
# An answer is read so far, to use the connection again; it is never logged.
ANSWER_BYTES = 65_536
_TRY_LATER = (408, 425, 429)
# Opsgenie says in a header of its own for how long it takes nothing.
_WAITS = ("retry-after", "x-ratelimit-period-in-sec")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said: a status of 2xx, and the begin of the body."""

    status: int
    body: bytes


class Poster:
    """Posts to one receiver: no redirects, no proxies, one deadline for each exchange.

    Each connection has a client of its own: a pool of httpcore's looks at all of its connections
    for every request that waits, which costs more than the request where dozens are busy. Such a
    pool drops an idle connection only when it is used again, so what a burst leaves is closed here.
    """

    def __init__(self, url: str, timeout_ms: int, *, idle_s: float = IDLE_S) -> None:
        """Prepare the connection; nothing is sent yet."""
        self._url = url
        self._timeout_s = timeout_ms / 1000
        self._context = ssl.create_default_context()
        self._room = asyncio.Semaphore(CONNECTIONS)
        self._idle_s = idle_s
        # The one used last is used next, so that few connections stay warm; each with the time of
        # its last use (monotonic, s), the oldest first.
        self._free: list[tuple[httpx.AsyncClient, float]] = []
        self._closing: asyncio.Task[None] | None = None

    def _connect(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=GuardedTransport(self._context),
            timeout=self._timeout_s,
            headers={"user-agent": f"inferwatch/{__version__}"},
            follow_redirects=False,
            trust_env=False,
        )

    async def post(self, body: bytes, headers: Mapping[str, str]) -> str:
        """Post once; `HTTP 200` or the like on success. Raises as `ask` does."""
        answer = await self.ask(body, headers)
        return f"HTTP {answer.status}"

    async def ask(self, body: bytes, headers: Mapping[str, str], path: str = "") -> Answer:
        """Post once, for a receiver whose answer has a meaning.

        Args:
            body: what is posted.
            headers: beside those of every post.
            path: what follows the address that this was made with.

        Raises:
            Retryable: no connection, no answer in time, or 408, 425, 429, 5xx.
            Permanent: a redirect, any other 4xx, or a forbidden address.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                async with self._room:
                    client = self._free.pop()[0] if self._free else self._connect()
                    try:
                        return await self._exchange(client, body, headers, path)
                    finally:
                        self._release(client)
        except (TimeoutError, httpx.TimeoutException):
            raise Retryable(f"no answer within {self._timeout_s:g} s") from None
        except httpx.ConnectError as error:
            raise Retryable(f"cannot connect: {_reason(error)}") from None
        except httpx.TransportError as error:
            raise Retryable(f"the connection broke: {type(error).__name__}") from None

    async def _exchange(
        self, client: httpx.AsyncClient, body: bytes, headers: Mapping[str, str], path: str
    ) -> Answer:
        sent = {"content-type": "application/json", **headers}
        read = bytearray()
        async with client.stream("POST", self._url + path, content=body, headers=sent) as answer:
            async for chunk in answer.aiter_raw():
                read += chunk
                if len(read) > ANSWER_BYTES:
                    break
        waits = [answer.headers[name] for name in _WAITS if name in answer.headers]
        judge(answer.status_code, retry_after_ms(waits[0] if waits else None, time.time()))
        return Answer(answer.status_code, bytes(read[:ANSWER_BYTES]))

    def _release(self, client: httpx.AsyncClient) -> None:
        self._free.append((client, time.monotonic()))
        if self._closing is None or self._closing.done():
            self._closing = asyncio.create_task(self._close_idle())

    async def _close_idle(self) -> None:
        while self._free:
            _, used = self._free[0]
            wait = used + self._idle_s - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            else:
                client, _ = self._free.pop(0)
                await client.aclose()

    async def close(self) -> None:
        """Close the connections."""
        if self._closing is not None:
            await end_tasks([self._closing])
        while self._free:
            client, _ = self._free.pop()
            await client.aclose()


def judge(status: int, wait_ms: int | None = None) -> None:
    """What a status means for the message; nothing for a 2xx.

    Raises:
        Retryable: 408, 425, 429 or 5xx.
        Permanent: anything else.

    >>> judge(202)
    >>> judge(429, 7000)
    Traceback (most recent call last):
    consumers.notifier.channels.interface.Retryable: HTTP 429
    """
    if 200 <= status < 300:
        return
    if status in _TRY_LATER or status >= 500:
        raise Retryable(f"HTTP {status}", wait_ms)
    if 300 <= status < 400:
        raise Permanent(f"HTTP {status}: redirects are not followed; write the final address")
    raise Permanent(f"HTTP {status}")


def retry_after_ms(header: str | None, now_s: float) -> int | None:
    """The wait that a `Retry-After` header asks for: seconds, or a date.

    >>> retry_after_ms("7", 0), retry_after_ms("Thu, 01 Jan 1970 00:01:00 GMT", 50.0)
    (7000, 10000)
    >>> retry_after_ms("soon", 0) is None
    True
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return int(text[:9]) * 1000
    try:
        return max(0, int((parsedate_to_datetime(text).timestamp() - now_s) * 1000))
    except ValueError:
        return None


def _reason(error: Exception) -> str:
    """The innermost words of a failed connection; they name no address."""
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    if isinstance(cause, ssl.SSLError):
        return f"TLS: {getattr(cause, 'verify_message', None) or cause.reason or 'failed'}"
    if isinstance(cause, OSError) and isinstance(cause.errno, int) and cause.errno > 0:
        # Its own text may repeat the address.
        return os.strerror(cause.errno)
    return type(cause).__name__ if cause is not error else str(error) or "no reason given"
