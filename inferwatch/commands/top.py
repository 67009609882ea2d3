"""`inferwatch top`: what `status` tells, live in a terminal."""

from __future__ import annotations

import logging
import sys

import click

from inferwatch.commands.options import config_option, read_settings
from inferwatch.errors import UsageError


@click.command()
@config_option
@click.option(
    "--every",
    metavar="TIME",
    default="2s",
    show_default=True,
    help="How often to look: 2s, 500ms, 1m.",
)
def command(config: str | None, every: str) -> None:
    """Watch the system live: models, rows a second, lag, watermark age, completeness, alerts.

    `q` or Ctrl-C ends it. Where standard output is no terminal the status is printed once.
    """
    from inferwatch.settings.types import parse_duration
    from pipeline.status import read_status

    try:
        every_ms = parse_duration(every)
    except ValueError as error:
        raise UsageError(f"--every: {error}") from None
    if not every_ms:
        raise UsageError("--every: 0 is no pause; allowed are 2s, 500ms, 1m")
    settings = read_settings(config)
    if not sys.stdout.isatty():
        from inferwatch.commands.status import print_status

        print_status(read_status(settings))
        return
    from inferwatch.top.looks import Looks
    from inferwatch.top.watch import watch

    looks = Looks(lambda: read_status(settings), every_ms / 1000)
    # Log lines would tear the screen; what they would tell stands in its second line.
    logging.disable(logging.CRITICAL)
    try:
        watch(looks)
    finally:
        looks.close()
        logging.disable(logging.NOTSET)
