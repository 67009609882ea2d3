"""`inferwatch worker`: the stream processor."""

from __future__ import annotations

import click

from inferwatch import logs
from inferwatch.commands.options import config_option, log_format_option, read_settings


@click.command()
@config_option
@log_format_option
def command(config: str | None, log_format: logs.LogFormat) -> None:
    """Process the events of the topics: windows, alerts.

    Start as many workers as the topics have partitions; they share the work, and take over from
    one that ends. Ends on SIGTERM or Ctrl-C, with everything counted that it has acknowledged.
    """
    logs.setup(log_format, "worker")
    settings = read_settings(config)
    from pipeline.worker import serve

    serve(settings)
