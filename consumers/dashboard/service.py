"""Puts the dashboard together, and runs it until it is told to end."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web
from redis.asyncio import Redis

from consumers.dashboard.access import Access, is_loopback
from consumers.dashboard.api import Api
from consumers.dashboard.folder import Folder
from consumers.dashboard.gauges import families
from consumers.dashboard.guard import host_check, redis_errors, secure_headers, token_check
from consumers.dashboard.pages import Pages
from consumers.dashboard.source import Source
from consumers.dashboard.store import Store
from consumers.dashboard.stream import Stream
from consumers.metrics import CONTENT_TYPE, render
from inferwatch.errors import UsageError
from inferwatch.tasks import end_tasks
from inferwatch.topics import ALERTS, WINDOWS

log = logging.getLogger(__name__)

_END_OF_STREAMS_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the dashboard needs of the config.

    Attributes:
        kafka: options common to all Kafka clients.
        token: of `dashboard.auth`, None without.
        history_ms: `retention.history`.
    """

    kafka: Mapping[str, Any]
    prefix: str
    history_ms: int
    host: str
    port: int
    token: str | None

    def check(self) -> None:
        """Refuse to show data to a network without asking who looks.

        Raises:
            UsageError: the address is not loopback and there is no token.
        """
        if self.token is None and not is_loopback(self.host):
            raise UsageError(
                f"dashboard.listen: {self.host}:{self.port} can be reached from other machines, so "
                "it needs a token: set dashboard.auth.token, or listen on 127.0.0.1"
            )


def wall_clock() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def build(folder: Folder, store: Store, options: Options) -> web.Application:
    """The web application over a folder, which something else runs."""
    access = Access(options.token, wall_clock)
    app = web.Application(
        middlewares=[host_check(access), token_check(access), redis_errors],
        client_max_size=16_384,
    )
    app.on_response_prepare.append(secure_headers())
    api = Api(folder, store, clock=wall_clock, history_ms=options.history_ms)
    app.add_routes([*Pages(access).routes(), *api.routes(), *Stream(folder.events).routes()])

    async def healthz(request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def readyz(request: web.Request) -> web.Response:
        ready = folder.caught_up and folder.trouble is None
        reason = folder.trouble or ("ready" if ready else "reading the log")
        return web.json_response({"ready": ready, "reason": reason}, status=200 if ready else 503)

    async def metrics(request: web.Request) -> web.Response:
        text = render(families(folder, wall_clock()))
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})

    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz)])
    app.add_routes([web.get("/metrics", metrics)])
    return app


def make_folder(redis: Redis, options: Options) -> tuple[Folder, Store]:
    """The folding task's parts, on the topics of the config."""
    store = Store(redis, options.prefix, options.history_ms)
    topics = [topic.full_name(options.prefix) for topic in (WINDOWS, ALERTS)]
    source = partial(Source, options.kafka, topics)
    return Folder(source, store, clock=wall_clock, history_ms=options.history_ms), store


async def serve(redis: Redis, options: Options) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        UsageError: the address is in use, or needs a token.
        StateFormatError: Redis holds what a newer version wrote.
    """
    options.check()
    folder, store = make_folder(redis, options)
    runner = web.AppRunner(
        build(folder, store, options), access_log=None, shutdown_timeout=_END_OF_STREAMS_S
    )
    await runner.setup()
    folding = asyncio.create_task(folder.run())
    try:
        site = web.TCPSite(runner, options.host, options.port)
        try:
            await site.start()
        except OSError as error:
            raise UsageError(
                f"dashboard.listen: cannot listen on {options.host}:{options.port}: "
                f"{error.strerror}; choose another with --listen HOST:PORT"
            ) from None
        log.info("dashboard at %s", _address(runner))
        await _until_told_to_end(folding)
    finally:
        await end_tasks([folding])
        folder.close()
        await runner.cleanup()
        await redis.aclose()


async def _until_told_to_end(folding: asyncio.Task[None]) -> None:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end.set)
    told = asyncio.create_task(end.wait())
    await asyncio.wait({told, folding}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if folding.done():
        folding.result()


def _address(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
