"""`inferwatch config`: check a config, print its JSON Schema, print a commented example."""

from __future__ import annotations

import click
from click.core import ParameterSource

from inferwatch.commands.options import config_option
from inferwatch.errors import UsageError


@click.group()
def command() -> None:
    """Check the config; print its schema or an example."""


@command.command()
@click.argument("file", required=False)
@config_option
@click.pass_context
def check(ctx: click.Context, file: str | None, config: str | None) -> None:
    """Check the config FILE (- reads standard input), or the one of -c.

    Mistakes are listed on standard error, one a line, and the exit code is 2. What is legal but
    surprising is listed on standard output.
    """
    from inferwatch.settings import load

    source = file or config
    if source is None:
        raise UsageError("which config? inferwatch config check FILE, or - for standard input")
    both = file is not None and ctx.get_parameter_source("config") is ParameterSource.COMMANDLINE
    if both and file != config:
        raise UsageError(f"two configs, {file} and {config}: check one at a time")
    for line in load(source, with_files=True).warnings:
        click.echo(line)


@command.command()
def schema() -> None:
    """Print the JSON Schema of the config, for editors and other tools."""
    from inferwatch.settings.schema import schema_text

    click.echo(schema_text(), nl=False)


@command.command()
def example() -> None:
    """Print a commented example of the config."""
    from inferwatch.settings.example import example_text

    click.echo(example_text(), nl=False)
