"""`inferwatch labels`: send labels from a file."""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inferwatch import logs
from inferwatch.commands.options import (
    config_option,
    json_option,
    log_format_option,
    read_settings,
)
from inferwatch.errors import RejectedEventError
from inferwatch.logs import LogFormat

if TYPE_CHECKING:
    from inferwatch.settings import Settings

_SHOWN = 10


@click.group()
def command() -> None:
    """Send labels: what the predictions should have been."""


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@config_option
@json_option
@log_format_option
def send(file: Path, config: str | None, as_json: bool, log_format: LogFormat) -> None:
    """Send the labels of FILE: .csv, .jsonl (both also .gz) or .parquet.

    Its columns `id`, `ts` (milliseconds since the epoch) and `label` are read. A row that is no
    label is told on standard error and not sent; the others are, and the exit code is then 1.
    Sending a file again is harmless: a label that comes twice counts once.
    """
    logs.setup(log_format, "labels")
    sent, refused, partitions, topic = _send(file, read_settings(config))
    if as_json:
        click.echo(
            json.dumps(
                {
                    "sent": sent,
                    "rejected": refused,
                    "topic": topic,
                    "partitions": partitions,
                    "ok": not refused,
                }
            )
        )
    else:
        click.echo(f"Sent {sent:,} labels to {topic} ({partitions} partitions).")
        if refused:
            counts = ", ".join(f"{count:,} {reason}" for reason, count in sorted(refused.items()))
            click.echo(f"Not sent: {counts}.")
    if refused:
        raise click.exceptions.Exit(1)


def _send(file: Path, settings: Settings) -> tuple[int, dict[str, int], int, str]:
    from inferwatch.broker import kafka_options
    from inferwatch.provision.partitions import partitions_of
    from inferwatch.topics import LABELS
    from producers.label_files.check import checked_label
    from producers.label_files.files import read_labels
    from producers.label_files.sender import LabelSender
    from producers.origin import new_origin

    refused: dict[str, int] = {}
    limits = settings.limits
    latest = time.time_ns() // 1_000_000 + limits.future
    with _Progress(file) as progress:
        rows = read_labels(file, progress)
        topic = LABELS.full_name(settings.topics.prefix)
        partitions = partitions_of(settings.broker, topic)
        sender = LabelSender(
            kafka_options(settings.broker),
            topic=topic,
            partitions=partitions,
            origin=new_origin("labels"),
            batch_bytes=limits.event_bytes // 2,
        )
        with closing(sender):
            for row in rows:
                try:
                    label = checked_label(row, latest=latest, event_bytes=limits.event_bytes)
                except RejectedEventError as error:
                    refused[error.reason] = refused.get(error.reason, 0) + 1
                    if sum(refused.values()) <= _SHOWN:
                        progress.say(f"{file}: {row.place}: {error}")
                else:
                    sender.add(label)
            sender.finish()
            return sender.sent, refused, partitions, topic


class _Progress:
    """A bar on a terminal's standard error, by the bytes of the file; nothing elsewhere."""

    def __init__(self, file: Path) -> None:
        self._size = file.stat().st_size if file.is_file() else 0
        self._shown = sys.stderr.isatty()
        self._percent = -1

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._percent >= 0:
            click.echo("\r" + " " * 60 + "\r", nl=False, err=True)

    def __call__(self, read: int) -> None:
        percent = 100 * read // self._size if self._size else 100
        if self._shown and percent > self._percent:
            self._percent = percent
            bar = "#" * (percent * 40 // 100)
            click.echo(f"\rlabels [{bar:<40}] {percent:3d} %", nl=False, err=True)

    def say(self, line: str) -> None:
        """A line of its own, above the bar."""
        click.echo(f"\r{line}" if self._percent >= 0 else line, err=True)
