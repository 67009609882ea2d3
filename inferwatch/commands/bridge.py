"""`inferwatch bridge`: foreign topics of single events, republished in columns."""

from __future__ import annotations

import click

from inferwatch import logs
from inferwatch.commands.options import config_option, log_format_option, read_settings


@click.command()
@config_option
@log_format_option
def command(config: str | None, log_format: logs.LogFormat) -> None:
    """Republish the topics of `bridge.topics` in columns on inference.*.

    Start as many as the topics have partitions, if one is not enough; they share the work. Ends on
    SIGTERM or Ctrl-C; whatever ends it, the next one goes on where it was, and each event counts
    once.
    """
    logs.setup(log_format, "bridge")
    settings = read_settings(config)

    from producers.bridge.app import run

    run(settings)
