"""`/api/v1/events`: what happens, as server-sent events, resumable by Last-Event-ID.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import web

from consumers.dashboard.event_log import EventLog

HEARTBEAT_S = 15.0
RETRY_MS = 2_000
MAX_STREAMS = 200


class Stream:
    """The handler of the event stream."""

    def __init__(self, events: EventLog) -> None:
        """Send what `events` publishes."""
        self._events = events

    def routes(self) -> list[web.AbstractRouteDef]:
        """The one route."""
        return [web.get("/api/v1/events", self.events)]

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Send events until the browser leaves; a comment each 15 s shows that we are there."""
        if self._events.listeners >= MAX_STREAMS:
            return web.json_response(
                {"error": f"{MAX_STREAMS} browsers listen already; close some"},
                status=503,
                headers={"Retry-After": "30"},
            )
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        await response.prepare(request)
        with suppress(ConnectionResetError):  # the browser has left
            await self._send(response, request.headers.get("Last-Event-ID"))
        return response

    async def _send(self, response: web.StreamResponse, last_id: str | None) -> None:
        await response.write(f"retry: {RETRY_MS}\n\n".encode())
        with self._events.listen(last_id) as queue:
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), HEARTBEAT_S)
                except TimeoutError:
                    await response.write(b": still here\n\n")
                else:
                    await response.write(event.encode())
