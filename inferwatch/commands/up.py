"""`inferwatch up`: the whole system of a small user as one process group."""

from __future__ import annotations

import click

from inferwatch.commands.options import config_option, log_format_option
from inferwatch.logs import LogFormat, setup


@click.command()
@config_option
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Where the dashboard serves; overrides dashboard.listen.",
)
@log_format_option
def command(config: str | None, listen: str | None, log_format: LogFormat) -> None:
    """Run worker, notifier and dashboard, and a broker and a Redis where the config says embedded.

    Everything runs as a child process and ends with this one, on Ctrl-C or SIGTERM; a part that
    dies is started again. The notifier runs when the config has a `notify` section.
    """
    setup(log_format, "up")
    try:
        from inferwatch.supervisor import interruptible

        with interruptible():
            from inferwatch.up.given import read_config
            from inferwatch.up.group import ProcessGroup

            ProcessGroup(read_config(config), listen=listen, log_format=log_format).run()
    except KeyboardInterrupt:
        click.echo("inferwatch: everything is stopped", err=True)
