"""`inferwatch deadletter redrive`: send rejected records again."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from inferwatch import logs
from inferwatch.commands.options import (
    config_option,
    json_option,
    log_format_option,
    read_settings,
)
from inferwatch.errors import InferwatchError, UsageError
from inferwatch.events.deadletter import REASONS, DeadLetter
from inferwatch.logs import LogFormat

if TYPE_CHECKING:
    from inferwatch.redrive.run import Outcome, Progress

_SHOWN = 20


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@config_option
@click.option("--reason", type=click.Choice(REASONS), help="Only those with this reason.")
@click.option("--topic", metavar="NAME", help="Only those of this topic.")
@click.option("--since", metavar="TIME", help="Only those rejected in the last 30m, 2h, 1d.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@json_option
@log_format_option
def redrive(
    ids: tuple[str, ...],
    config: str | None,
    reason: str | None,
    topic: str | None,
    since: str | None,
    dry_run: bool,
    as_json: bool,
    log_format: LogFormat,
) -> None:
    """Send rejected records again, to the topic and partition that they came from.

    For after a mend: of a limit of the config, say. ID is TOPIC/PARTITION/OFFSET, as `list` prints
    it, with /ROW behind it for one row of a batch; without any ID all are sent that the options
    choose. Key, headers and bytes are as they came, apart from the sender's numbers, which are new;
    the header `redriven` names the dead letter. What is rejected again is a new dead letter. What a
    batch that was rejected whole left as `lost` is taken back, unless its sender has been silent
    for retention.restate meanwhile.

    Each is sent once, however often this runs and wherever it is broken off. What is not kept
    whole (deadletter.keep, or more than 64 KiB) is told and not sent, and the exit code is then 1.
    """
    from inferwatch.deadletter_log import is_asked_for
    from inferwatch.redrive.run import redrive as send_again
    from producers.origin import new_origin

    logs.setup(log_format, "deadletter")
    from_ms = _from_ms(since)
    known: set[str] = set()

    def wanted(letter: DeadLetter) -> bool:
        asked = [one for one in ids if is_asked_for(letter, one)]
        known.update(asked)
        return (
            (bool(asked) or not ids)
            and reason in (None, letter.reason)
            and topic in (None, letter.topic)
            and letter.at >= from_ms
        )

    with ExitStack() as stack:
        outcome = send_again(
            read_settings(config),
            wanted,
            new_origin=lambda: new_origin("redrive"),
            dry_run=dry_run,
            progress=lambda total: _bar(stack, total),
        )
    _tell(outcome, dry_run=dry_run, as_json=as_json)
    unknown = [one for one in ids if one not in known]
    if unknown:
        raise InferwatchError(
            f"no dead letter {', '.join(unknown)}; `inferwatch deadletter list` prints those that "
            "are kept"
        )
    if outcome.not_whole:
        raise click.exceptions.Exit(1)


def _from_ms(since: str | None) -> int:
    from inferwatch.settings.types import parse_duration

    if since is None:
        return 0
    try:
        return time.time_ns() // 1_000_000 - parse_duration(since)
    except ValueError as error:
        raise UsageError(f"--since: {error}") from None


def _bar(stack: ExitStack, total: int) -> Progress:
    """A bar on a terminal's standard error; nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda _: None
    bar = click.progressbar(length=total, label="redrive", file=sys.stderr)
    update: Callable[[int], object] = stack.enter_context(bar).update
    return update


def _tell(outcome: Outcome, *, dry_run: bool, as_json: bool) -> None:
    from inferwatch.redrive.run import counted

    if as_json:
        click.echo(
            json.dumps(
                {
                    "chosen": outcome.chosen,
                    "sent": 0 if dry_run else outcome.sent,
                    "would_send": outcome.sent if dry_run else 0,
                    "finished": outcome.finished,
                    "sent_before": outcome.before,
                    "not_sent": counted(outcome),
                    "unsendable": {
                        name: why.name.lower() for name, why in sorted(outcome.not_whole.items())
                    },
                    "dry_run": dry_run,
                    "ok": not outcome.not_whole,
                }
            )
        )
    else:
        would = "Would send" if dry_run else "Sent"
        click.echo(
            f"{would} {outcome.sent:,} of {outcome.chosen:,} dead letters; "
            f"{outcome.before:,} were sent before, {len(outcome.not_whole):,} cannot be sent."
        )
        if outcome.finished:
            click.echo(f"{would} {outcome.finished:,} of a run that was broken off.")
    for number, (name, why) in enumerate(sorted(outcome.not_whole.items())):
        if number == _SHOWN and not as_json:
            click.echo(f"… and {len(outcome.not_whole) - _SHOWN:,} more", err=True)
            break
        click.echo(f"{name}: not sent: {why}", err=True)
