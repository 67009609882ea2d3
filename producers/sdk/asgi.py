"""Middleware for ASGI servers: Starlette, FastAPI, Litestar, Quart and what is built on them.

The application's messages pass unchanged, each as it comes; a bounded copy is read off the path, by
the sidecar's protocols. A request that no protocol knows, a WebSocket, costs a look at its path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from inferwatch.errors import UsageError
from producers.sdk.followed import Followed, target_of
from producers.sdk.monitor import Monitor

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

# Bodies that pass by another way than through the application's hands.
_FILES = ("http.response.pathsend", "http.response.zerocopysend")


class AsgiMiddleware:
    """`app.add_middleware(AsgiMiddleware, model="fraud", broker="localhost:9092")`.

    Events are the sidecar's for the same exchange: a failure of the application is one of status
    500, a client that goes away one of 499; latency runs from the call of the application to the
    last piece of its answer.
    """

    def __init__(self, app: ASGIApp, monitor: Monitor | None = None, **options: Any) -> None:
        """Stand in front of an application.

        Args:
            app: the application.
            monitor: sends what is seen; without one it is made of the options.
            options: a `Monitor`'s arguments.

        Raises:
            ConfigError: an argument is wrong; each line names it and what is allowed.
            UsageError: there are a monitor and options.
        """
        self.app = app
        self.monitor = monitor_of(monitor, options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one connection on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, self._flushing(send))
            return
        followed = _begin(self.monitor, scope) if scope["type"] == "http" else None
        if followed is None:
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, _reading(followed, receive), _answering(followed, send))
        except asyncio.CancelledError:
            followed.client_gone()
            raise
        finally:
            followed.application_ended()

    def _flushing(self, send: Send) -> Send:
        """Send what waits before the server ends: some servers then end the process at once."""

        async def pass_on(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                try:
                    loop = asyncio.get_running_loop()
                except RuntimeError:  # trio
                    self.monitor.flush()
                else:
                    await loop.run_in_executor(None, self.monitor.flush)
            await send(message)

        return pass_on


def monitor_of(monitor: Monitor | None, options: dict[str, Any]) -> Monitor:
    """The monitor of a middleware.

    Raises:
        UsageError: it is told twice.
    """
    if monitor is None:
        return Monitor(**options)
    if options:
        raise UsageError(
            f"{', '.join(sorted(options))}: the monitor has its own arguments; give them to "
            "Monitor(...), or leave `monitor` out"
        )
    return monitor


def _begin(monitor: Monitor, scope: Scope) -> Followed | None:
    try:
        raw: bytes | None = scope.get("raw_path")
        query = scope.get("query_string", b"").decode("latin-1")
        if raw:
            target = raw.decode("latin-1") + (f"?{query}" if query and b"?" not in raw else "")
        else:
            target = target_of(scope["path"], query)
        return Followed.begin(monitor, scope["method"], target, list(scope["headers"]))
    except Exception:
        monitor.count_trouble("middleware")
        return None


def _reading(followed: Followed, receive: Receive) -> Receive:
    async def pass_on() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            followed.asked(message.get("body"), is_last=not message.get("more_body", False))
        elif message["type"] == "http.disconnect":
            followed.client_gone()
        return message

    return pass_on


def _answering(followed: Followed, send: Send) -> Send:
    async def pass_on(message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            minted = followed.answers(message.get("status"), message.get("headers", ()))
            if minted is not None:
                named = (b"x-inference-id", minted.encode())
                message = {**message, "headers": [*message.get("headers", ()), named]}
        elif kind == "http.response.body":
            followed.answered(message.get("body"), is_last=not message.get("more_body", False))
        elif kind in _FILES:
            followed.answered_unseen()
        try:
            await send(message)
        except OSError:
            followed.client_gone()
            raise
        followed.passed()

    return pass_on
