"""`inferwatch topics`: create the topics of a config, or check those on the broker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from inferwatch import logs
from inferwatch.commands.options import (
    config_option,
    json_option,
    log_format_option,
    read_settings,
)
from inferwatch.logs import LogFormat

if TYPE_CHECKING:
    from inferwatch.provision.provision import Outcome


@click.group()
def command() -> None:
    """Create or check the topics."""


@command.command()
@config_option
@json_option
@log_format_option
def create(config: str | None, as_json: bool, log_format: LogFormat) -> None:
    """Create the topics that are missing, and lengthen retentions that are too short.

    The number of partitions of an existing topic is never changed. The exit code is 1 when
    something is still not as it should be.
    """
    from inferwatch.provision.provision import create_topics

    logs.setup(log_format, "topics")
    _report(create_topics(read_settings(config)), as_json)


@command.command()
@config_option
@json_option
@log_format_option
def check(config: str | None, as_json: bool, log_format: LogFormat) -> None:
    """Check partitions, retention, clean-up and time stamps of the topics; change nothing.

    What differs is listed, and the exit code is then 1.
    """
    from inferwatch.provision.provision import check_topics

    logs.setup(log_format, "topics")
    _report(check_topics(read_settings(config)), as_json)


def _report(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        click.echo(
            json.dumps(
                {
                    "ok": not outcome.differences,
                    "done": outcome.done,
                    "differences": outcome.differences,
                    "notes": outcome.notes,
                }
            )
        )
    else:
        for line in (*outcome.done, *outcome.differences, *outcome.notes):
            click.echo(line)
        if not outcome.differences:
            click.echo("The topics are as they should be.")
    if outcome.differences:
        raise click.exceptions.Exit(1)
