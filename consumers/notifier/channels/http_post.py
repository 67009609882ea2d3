"""One HTTP POST, and what its outcome means for the message."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import httpx

from consumers.notifier.channels.guard import GuardedTransport
from consumers.notifier.channels.interface import Permanent, Retryable
from inferwatch import __version__

CONNECTIONS = 64
# An answer is read so far, to use the connection again; it is neither kept nor logged.
ANSWER_BYTES = 65_536
_TRY_LATER = (408, 425, 429)


class Poster:
    """Posts to one receiver: no redirects, no proxies, one deadline for the whole exchange."""

    def __init__(self, url: str, timeout_ms: int) -> None:
        """Prepare the connection; nothing is sent yet."""
        self._url = url
        self._timeout_s = timeout_ms / 1000
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(ssl.create_default_context(), CONNECTIONS),
            timeout=self._timeout_s,
            headers={"user-agent": f"inferwatch/{__version__}"},
            follow_redirects=False,
            trust_env=False,
        )

    async def post(self, body: bytes, headers: Mapping[str, str]) -> str:
        """Post once; `HTTP 200` or the like on success.

        Raises:
            Retryable: no connection, no answer in time, or 408, 425, 429, 5xx.
            Permanent: a redirect, any other 4xx, or a forbidden address.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(body, headers)
        except (TimeoutError, httpx.TimeoutException):
            raise Retryable(f"no answer within {self._timeout_s:g} s") from None
        except httpx.ConnectError as error:
            raise Retryable(f"cannot connect: {_reason(error)}") from None
        except httpx.TransportError as error:
            raise Retryable(f"the connection broke: {type(error).__name__}") from None

    async def _exchange(self, body: bytes, headers: Mapping[str, str]) -> str:
        sent = {"content-type": "application/json", **headers}
        async with self._client.stream("POST", self._url, content=body, headers=sent) as answer:
            read = 0
            async for chunk in answer.aiter_raw():
                read += len(chunk)
                if read > ANSWER_BYTES:
                    break
        status = answer.status_code
        if 200 <= status < 300:
            return f"HTTP {status}"
        if status in _TRY_LATER or status >= 500:
            wait = retry_after_ms(answer.headers.get("retry-after"), time.time())
            raise Retryable(f"HTTP {status}", wait)
        if 300 <= status < 400:
            raise Permanent(f"HTTP {status}: redirects are not followed; write the final address")
        raise Permanent(f"HTTP {status}")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


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
