"""The command `inferwatch`: finds a subcommand's module and imports it only when it runs.

Exit codes: 0 fine, 1 the thing checked does not hold, 2 usage or config error, 3 a needed service
cannot be reached. `--help` costs under 150 ms of CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import click
from click.shell_completion import CompletionItem

from inferwatch import __version__
from inferwatch.errors import InferwatchError, UsageError

if TYPE_CHECKING:
    from inferwatch.logs import LogFormat


class Subcommand(NamedTuple):
    """One line of the table.

    Attributes:
        help: one line of `inferwatch --help`.
        module: in `inferwatch.commands`; has a click command named `command`.
        extra: what has to be installed for it, `pip install 'inferwatch[EXTRA]'`; "" for the base.
    """

    help: str
    module: str
    extra: str = ""


SUBCOMMANDS = {
    "demo": Subcommand("Run the whole system on this machine, with an incident.", "demo", "demo"),
    "up": Subcommand("Run worker, notifier and dashboard as one process group.", "up", "all"),
    "sidecar": Subcommand("Tap the traffic beside a model server.", "sidecar"),
    "bridge": Subcommand("Republish a topic of single JSON events in columns.", "bridge"),
    "worker": Subcommand("Process the events of the topics.", "worker", "pipeline"),
    "notify": Subcommand("Tell people about alerts.", "notify", "consumers"),
    "dashboard": Subcommand("Serve the web page and /metrics.", "dashboard", "consumers"),
    "reference": Subcommand("Build, publish and list references.", "reference", "pipeline"),
    "replay": Subcommand("Run the same core over files, as a backtest.", "replay", "pipeline"),
    "status": Subcommand("Show lag, watermark and firing alerts.", "status", "pipeline"),
    "top": Subcommand("Watch the system live in a terminal.", "top", "pipeline"),
    "alerts": Subcommand("List, show and acknowledge alerts.", "alerts", "consumers"),
    "silence": Subcommand("Add, list and expire silences.", "silence", "consumers"),
    "receivers": Subcommand("Send a test notification.", "receivers", "consumers"),
    "routes": Subcommand("Show whom an alert would reach.", "routes", "consumers"),
    "labels": Subcommand("Send labels from a file.", "labels"),
    "deadletter": Subcommand("Look at rejected records, and send them again.", "deadletter"),
    "topics": Subcommand("Create or check the topics.", "topics"),
    "config": Subcommand("Check the config; print its schema or an example.", "config"),
}

_OURS = ("inferwatch", "producers", "pipeline", "consumers")


class ReportedError(click.ClickException):
    """An error of ours on its way out: its own lines and exit code, and nothing else."""

    def __init__(self, error: InferwatchError) -> None:
        """Take over the message and the exit code."""
        super().__init__(str(error))
        self.exit_code = error.exit_code

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the lines as they are."""
        click.echo(self.message, file=file, err=file is None)


class Root(click.Group):
    """The group of all subcommands, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The subcommands that this installation has."""
        return [name for name, entry in SUBCOMMANDS.items() if _exists(entry)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand; None when there is none of this name."""
        entry = SUBCOMMANDS.get(cmd_name)
        if entry is None or not _exists(entry):
            return None
        try:
            module = import_module(f"inferwatch.commands.{entry.module}")
        except ModuleNotFoundError as error:
            raise ReportedError(_missing_extra(cmd_name, error)) from error
        command = cast(click.Command, module.command)
        offer_log_format(command, cmd_name)
        name_variables(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand; a misspelt one is answered with the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            if near:
                error.message += f" Did you mean {near[0]!r}?"
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands from the table, so that help imports none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(n, SUBCOMMANDS[n].help) for n in self.list_commands(ctx)])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete from the table: no subcommand is imported for its name."""
        names = [n for n in self.list_commands(ctx) if n.startswith(incomplete)]
        items = [CompletionItem(name, help=SUBCOMMANDS[name].help) for name in names]
        return items + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a subcommand; errors of ours become their lines and exit code."""
        try:
            return super().invoke(ctx)
        except InferwatchError as error:
            raise ReportedError(error) from error
        except ModuleNotFoundError as error:
            raise ReportedError(_missing_extra(ctx.invoked_subcommand or "", error)) from error


def name_variables(command: click.Command) -> None:
    """Let every option be read from `INFERWATCH_<OPTION>` too, and its help say so."""
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.envvar is None:
            longest = max(parameter.opts, key=len).lstrip("-")
            parameter.envvar = f"INFERWATCH_{longest.replace('-', '_').upper()}"
            parameter.show_envvar = True
    if isinstance(command, click.Group):
        for child in command.commands.values():
            name_variables(child)


def offer_log_format(command: click.Command, part: str) -> None:
    """Let every command that reads a config, and so may warn, take `--log-format`.

    Where a command does not say otherwise its warnings are plain lines.
    """
    if isinstance(command, click.Group):
        for child in command.commands.values():
            offer_log_format(child, part)
        return
    names = {parameter.name for parameter in command.params}
    if "config" not in names or "log_format" in names:
        return

    def set_up(ctx: click.Context, parameter: click.Parameter, value: LogFormat | None) -> None:
        if value is not None:
            from inferwatch import logs

            logs.setup(value, part)

    command.params.append(
        click.Option(
            ["--log-format"],
            type=click.Choice(["text", "json"]),
            expose_value=False,
            callback=set_up,
            help="How log lines are written to standard error.",
        )
    )


def _exists(entry: Subcommand) -> bool:
    return find_spec(f"inferwatch.commands.{entry.module}") is not None


def _missing_extra(name: str, error: ModuleNotFoundError) -> UsageError:
    missing = (error.name or "").partition(".")[0]
    if missing in _OURS or not missing:
        raise error  # a part of inferwatch itself is gone: no extra would bring it
    extra = SUBCOMMANDS[name].extra if name in SUBCOMMANDS else ""
    package = f"inferwatch[{extra}]" if extra else "inferwatch"
    return UsageError(
        f"inferwatch {name} needs the package {missing}, which is not installed; "
        f"install it with: pip install '{package}'"
    )


@click.group(
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every option also reads INFERWATCH_<OPTION>, such as INFERWATCH_CONFIG.",
)
@click.version_option(__version__, prog_name="inferwatch")
def root() -> None:
    """Watch machine-learning models in production; tell what broke, why, and what to do next."""


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    root.main(args=None if args is None else list(args), prog_name="inferwatch")
