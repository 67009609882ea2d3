"""`inferwatch replay`: the same core over files, as a backtest."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from inferwatch.commands.options import (
    config_option,
    json_option,
    log_format_option,
    read_settings,
)
from inferwatch.commands.several import SeveralFiles
from inferwatch.errors import UsageError
from inferwatch.logs import LogFormat, setup

if TYPE_CHECKING:
    from pipeline.replay.backtest import Outcome

_log = logging.getLogger(__name__)

_EVENTS = ".jsonl[.gz|.zst], .csv, .parquet or .arrow"


def _files(name: str, text: str, *, required: bool = False) -> Callable[[Any], Any]:
    return click.option(
        name,
        metavar="FILE...",
        multiple=True,
        required=required,
        type=click.Path(path_type=Path),
        help=text,
    )


def _out(name: str, text: str) -> Callable[[Any], Any]:
    return click.option(name, metavar="FILE", type=click.Path(path_type=Path), help=text)


@click.command(cls=SeveralFiles)
@config_option
@_files("--predictions", f"Prediction events: {_EVENTS}.", required=True)
@_files("--latencies", "Latency events.")
@_files("--labels", "Labels, in any order.")
@_files("--resources", "Resource samples.")
@_files("--reference", "A profile (.json) or raw data; holds from the first row.")
@_out("--windows", "Where window results are written, one JSON object a line.")
@click.option("--revisions", is_flag=True, help="Write every revision of a window, not the last.")
@_out("--alerts", "Where alert transitions are written, one JSON object a line.")
@_out("--report", "Where a report with plots is written: one HTML file.")
@_out("--incidents", "Known bad times: CSV or JSONL with model, start, end (ms), name.")
@click.option("--sort", is_flag=True, help="Take the rows by time, not in the order of the files.")
@json_option
@log_format_option
def command(
    config: str | None,
    predictions: tuple[Path, ...],
    latencies: tuple[Path, ...],
    labels: tuple[Path, ...],
    resources: tuple[Path, ...],
    reference: tuple[Path, ...],
    windows: Path | None,
    revisions: bool,
    alerts: Path | None,
    report: Path | None,
    incidents: Path | None,
    sort: bool,
    as_json: bool,
    log_format: LogFormat,
) -> None:
    """Replay files through the same core as the worker, without a broker: a backtest.

    The order of a file is the order of arrival, so lateness can be studied; several files are
    merged by time. A row may carry `received` (ms), when its record was written.
    """
    from inferwatch.events.json_codec import dumps
    from pipeline.replay.backtest import Inputs, backtest
    from pipeline.replay.known import read_bad_times
    from pipeline.replay.report import Curves, write_report

    setup(log_format, "replay")
    settings = read_settings(config)
    bad_times = None if incidents is None else read_bad_times(incidents)
    inputs = Inputs(
        predictions=predictions,
        latencies=latencies,
        labels=labels,
        resources=resources,
        references=reference,
        by_time=sort,
    )
    curves = Curves(settings) if report else None
    with ExitStack() as stack:
        files = {path: stack.enter_context(_writable(path)) for path in (windows, alerts, report)}
        told = stack.enter_context(_progress(inputs.size))
        outcome = backtest(
            settings,
            inputs,
            now_ms=time.time_ns() // 1_000_000,
            windows=files[windows],
            revisions=revisions,
            bad_times=bad_times,
            see=curves.see if curves else lambda result: None,
            progress=told,
        )
        for warning in outcome.warnings:
            _log.warning("%s", warning)
        alerts_file, report_file = files[alerts], files[report]
        if alerts_file is not None:
            alerts_file.writelines(dumps(alert) + b"\n" for alert in outcome.alerts)
        if report_file is not None and curves is not None:
            report_file.write(write_report(outcome.summary, curves, bad_times or []).encode())
    if as_json:
        click.echo(json.dumps(outcome.summary.as_plain()))
    else:
        _print(outcome)


@contextmanager
def _writable(path: Path | None) -> Iterator[BinaryIO | None]:
    """The file, empty; None where none is wanted."""
    if path is None:
        yield None
        return
    try:
        file = path.open("wb")
    except OSError as error:
        raise UsageError(f"{path}: it cannot be written: {error.strerror}") from error
    with file:
        yield file


@contextmanager
def _progress(size: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal's standard error; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda read: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("Replaying"), BarColumn(), DownloadColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=size)
        yield lambda read: bar.advance(task, read)


def _print(outcome: Outcome) -> None:
    """The summary, as tables."""
    from rich.console import Console
    from rich.table import Table

    from inferwatch.events.alert import Severity
    from pipeline.replay.wording import duration, per_month, sentence

    summary = outcome.summary
    console = Console(markup=False)
    console.print(sentence(summary), highlight=False)
    table = Table("model", "pages", "a month", "tickets", "a month")
    for column in table.columns[1:]:
        column.justify = "right"
    for model in summary.models:
        pages = summary.severities(Severity.PAGE, model)
        tickets = summary.severities(Severity.TICKET, model)
        table.add_row(
            model,
            str(pages),
            per_month(summary.a_month(pages)),
            str(tickets),
            per_month(summary.a_month(tickets)),
        )
    console.print(table)
    if summary.score is not None:
        known = Table("known bad time", "model", "found after")
        for bad, delay in summary.score.found:
            known.add_row(bad.name, bad.model, duration(delay))
        for bad in summary.score.missed:
            known.add_row(bad.name, bad.model, "missed")
        console.print(known)
        console.print(f"{len(summary.score.false)} incidents of no known bad time.")
