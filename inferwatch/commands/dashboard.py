"""`inferwatch dashboard`: the web page, the JSON API and /metrics."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from inferwatch.commands.options import config_option, log_format_option, read_settings
from inferwatch.errors import UsageError
from inferwatch.logs import LogFormat, setup

if TYPE_CHECKING:
    from consumers.dashboard.service import Options
    from inferwatch.settings import Settings


@click.command()
@config_option
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Where to serve; overrides dashboard.listen. Not loopback: needs dashboard.auth.token.",
)
@log_format_option
def command(config: str | None, listen: str | None, log_format: LogFormat) -> None:
    """Serve the web page, the JSON API and /metrics.

    Window results and alerts are read from Kafka and folded to series in Redis. Ends on Ctrl-C or
    SIGTERM.
    """
    setup(log_format, "dashboard")
    settings = read_settings(config)
    options = _options(settings, listen)
    options.check()

    from consumers.dashboard.service import serve
    from inferwatch.broker import reach_broker
    from inferwatch.store import connect_async, reach_redis

    reach_redis(settings)
    reach_broker(settings)

    async def run() -> None:
        await serve(connect_async(settings.redis), options)

    asyncio.run(run())


def _options(settings: Settings, listen: str | None) -> Options:
    from consumers.dashboard.service import Options
    from inferwatch.broker import kafka_options
    from inferwatch.settings.types import split_address

    try:
        host, port = split_address(listen or settings.dashboard.listen)
    except ValueError as error:
        raise UsageError(f"--listen: {error}") from None
    auth = settings.dashboard.auth
    return Options(
        kafka=kafka_options(settings.broker),
        prefix=settings.topics.prefix,
        history_ms=settings.retention.history,
        host=host,
        port=port,
        token=None if auth is None else auth.token.get_secret_value(),
    )
