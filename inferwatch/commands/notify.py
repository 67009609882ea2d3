"""`inferwatch notify`: the notification consumer."""

from __future__ import annotations

from pathlib import Path

import click

from inferwatch import logs
from inferwatch.commands.options import config_option, log_format_option, read_settings


@click.command()
@config_option
@click.option(
    "--deliveries",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Append a line of JSON for every try to tell somebody.",
)
@log_format_option
def command(config: str | None, deliveries: Path | None, log_format: logs.LogFormat) -> None:
    """Tell people about alerts, as the config's `notify` section says.

    Several notifiers may run side by side; when one ends, the others take over its messages within
    15 s. Every message is sent until its receiver has it, with the same id at every try. Ends on
    SIGTERM or Ctrl-C within 5 s.
    """
    logs.setup(log_format, "notify")
    settings = read_settings(config)
    from consumers.notifier.app import serve

    serve(settings, deliveries)
