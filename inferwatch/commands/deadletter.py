"""`inferwatch deadletter`: look at rejected records, and send them again."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections import Counter
from datetime import UTC, datetime
from heapq import nlargest
from typing import TYPE_CHECKING, Any

import click

from inferwatch import logs
from inferwatch.commands.options import (
    config_option,
    json_option,
    log_format_option,
    read_settings,
)
from inferwatch.commands.redrive import redrive
from inferwatch.errors import InferwatchError
from inferwatch.events.deadletter import REASONS, DeadLetter
from inferwatch.logs import LogFormat
from inferwatch.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@click.group()
def command() -> None:
    """Look at records that were rejected, and why; send them again after a mend."""


command.add_command(redrive)


@command.command("list")
@config_option
@click.option("--reason", type=click.Choice(REASONS), help="Only those with this reason.")
@click.option("--topic", metavar="NAME", help="Only those of this topic.")
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="The newest so many."
)
@json_option
@log_format_option
def list_letters(
    config: str | None,
    reason: str | None,
    topic: str | None,
    limit: int,
    as_json: bool,
    log_format: LogFormat,
) -> None:
    """List the dead letters, newest last, and how many there are of each reason."""
    from inferwatch.deadletter_log import read_letters

    logs.setup(log_format, "deadletter")
    counts: Counter[str] = Counter()

    def wanted() -> Iterator[DeadLetter]:
        for letter in read_letters(read_settings(config)):
            if reason in (None, letter.reason) and topic in (None, letter.topic):
                counts[letter.reason] += 1
                yield letter

    # Partitions are read one beside the other, so the last one read is not the newest.
    shown = nlargest(limit, wanted(), key=_order)[::-1]
    if as_json:
        letters = [_summary(letter) for letter in shown]
        click.echo(json.dumps({"counts": dict(sorted(counts.items())), "deadletters": letters}))
        return
    for letter in shown:
        click.echo(_line(letter))
    total = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
    click.echo(f"{counts.total():,} dead letters{': ' + total if total else ''}.")


@command.command()
@click.argument("id", metavar="ID")
@config_option
@json_option
@log_format_option
def show(id: str, config: str | None, as_json: bool, log_format: LogFormat) -> None:
    """Show what is kept of a dead letter.

    ID is TOPIC/PARTITION/OFFSET, as `list` prints it; with /ROW behind it one row of a batch,
    without it all of that record's.
    """
    from inferwatch.deadletter_log import is_asked_for, read_letters

    logs.setup(log_format, "deadletter")
    settings = read_settings(config)
    found = [letter for letter in read_letters(settings) if is_asked_for(letter, id)]
    if not found:
        raise InferwatchError(
            f"no dead letter {id}; `inferwatch deadletter list` prints those that are kept"
        )
    _show(found, as_json)


def _show(letters: Iterable[DeadLetter], as_json: bool) -> None:
    from inferwatch.deadletter_log import letter_id

    if as_json:
        click.echo(json.dumps([_summary(letter) | {"text": _text(letter)} for letter in letters]))
        return
    for letter in letters:
        where = printable(letter.where or "the event")
        click.echo(f"{letter_id(letter)}  {letter.reason} at {where}")
        click.echo(f"  why     {printable(letter.detail)}")
        click.echo(f"  when    {_time(letter.at)}")
        click.echo(f"  length  {letter.length:,} bytes")
        click.echo(f"  sha256  {letter.sha256 or 'not kept'}")
        text = _text(letter)
        kept = "not kept (deadletter.keep)" if text is None else printable(text)
        click.echo(f"  data    {kept}")


def _order(letter: DeadLetter) -> tuple[int, str, int, int, int]:
    return letter.at, letter.topic, letter.partition, letter.offset, letter.row or 0


def _summary(letter: DeadLetter) -> dict[str, Any]:
    from inferwatch.deadletter_log import letter_id

    return {"id": letter_id(letter), **dataclasses.asdict(letter)}


def _line(letter: DeadLetter) -> str:
    from inferwatch.deadletter_log import letter_id

    where = letter.where or "the event"
    line = f"{_time(letter.at)}  {letter_id(letter)}  {letter.reason}  {where}: {letter.detail}"
    return printable(line)


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")


def _text(letter: DeadLetter) -> str | None:
    """The kept bytes as text."""
    if letter.data is None:
        return None
    return base64.b64decode(letter.data).decode("utf-8", "backslashreplace")
