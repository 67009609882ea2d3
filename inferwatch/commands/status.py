"""`inferwatch status`: how far the work is, and what fires."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from inferwatch.commands.options import config_option, json_option, read_settings

if TYPE_CHECKING:
    from pipeline.status import SystemStatus


@click.command()
@config_option
@json_option
def command(config: str | None, as_json: bool) -> None:
    """Show lag, watermark, completeness and firing alerts."""
    from inferwatch.events.json_codec import dumps
    from pipeline.status import read_status

    status = read_status(read_settings(config))
    if as_json:
        click.echo(dumps(status))
    else:
        print_status(status)


def print_status(status: SystemStatus) -> None:
    """Print a status for a person."""
    from rich.console import Console
    from rich.table import Table

    from inferwatch.settings.types import size_text

    # Sentences are left in one piece: what is printed may be searched, line by line.
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(f"{_many(status.workers, 'worker')}, {_many(status.lag, 'record')} to go")
    if status.rebuild is not None:
        counted, of = status.rebuild.counted, status.rebuild.of
        console.print(
            f"reading the log again: {counted} of {of} records ({counted / of:.0%}); nothing is "
            "published before all of them are counted"
        )
    unowned = [p for p in status.partitions if p.worker is None]
    if unowned:
        names = ", ".join(f"{p.topic}:{p.partition}" for p in unowned[:8])
        names += ", …" if len(unowned) > 8 else ""
        console.print(
            f"no worker owns {len(unowned)} of {len(status.partitions)} partitions ({names}); "
            "start one with: inferwatch worker -c FILE"
        )
    models = Table("model", "watermark", "behind", "window", "rows", "complete", box=None)
    for model in status.models:
        models.add_row(
            model.model,
            _time(model.watermark),
            "-" if model.behind_ms is None else f"{model.behind_ms / 1000:.1f} s",
            model.window or "-",
            "-" if model.rows is None else str(model.rows),
            "-" if model.completeness is None else f"{model.completeness:.1%}",
        )
    console.print(models if status.models else "no model has sent anything yet")
    for model in status.models:
        if model.kept is not None and model.kept.sample < model.kept.of:
            kept = model.kept
            console.print(
                f"{model.model}: labels of {100 * kept.sample:.4g} % of the ids are counted, "
                f"not of {100 * kept.of:.4g} %: kept predictions take {size_text(kept.bytes)} of "
                f"labels.memory {size_text(kept.memory)}"
            )
    for part in status.partitions:
        if part.rejected or part.too_late:
            reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(part.rejected.items()))
            console.print(
                f"{part.topic}:{part.partition}: {part.too_late} too late; "
                f"rejected: {reasons or 'none'}"
            )
        if part.senders_forgotten:
            console.print(
                f"{part.topic}:{part.partition}: {_many(part.senders_forgotten, 'sender')} "
                "forgotten for others; what they send again counts again"
            )
        if part.labels_given_up:
            console.print(
                f"{part.topic}:{part.partition}: {_many(part.labels_given_up, 'label')} "
                "given up: they found no prediction, and too many waited"
            )
    console.print(f"{_many(len(status.firing), 'incident')} firing")
    for alert in status.firing:
        console.print(f"  {alert.severity} {alert.incident}: {alert.summary}")


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _time(ms: int | None) -> str:
    return "-" if ms is None else f"{datetime.fromtimestamp(ms / 1000, UTC):%H:%M:%S} UTC"
