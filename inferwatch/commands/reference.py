"""`inferwatch reference`: build, publish and look at reference profiles."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inferwatch.commands.options import config_option, json_option, read_settings
from inferwatch.commands.several import SeveralFiles
from inferwatch.errors import InferwatchError, UsageError

if TYPE_CHECKING:
    from inferwatch.events.reference import ReferenceProfile
    from inferwatch.settings import Settings
    from pipeline.reference.builder import BuildSpec, Table
    from pipeline.reference.tables import Progress


@click.group()
def command() -> None:
    """Build, publish, promote and list references: what a model's data looked like when good."""


@command.command(cls=SeveralFiles)
@click.option("--model", required=True, help="The model that the reference is for; * is every one.")
@click.option("--model-version", help="Its version; without it the reference serves every version.")
@click.option(
    "--data",
    "files",
    metavar="FILE...",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="Training or validation data: .parquet, .csv, .jsonl[.gz|.zst] or .arrow.",
)
@config_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Where the profile is written; standard output without it.",
)
def build(
    model: str,
    model_version: str | None,
    files: tuple[Path, ...],
    config: str | None,
    out: Path | None,
) -> None:
    """Build a reference profile from files of any size.

    Columns are features, and when present `prediction`, `scores.*`, `label`, `ts` (times show how
    much the reference itself wanders) and `split` (train or validation). Of data with a column
    `model` only the rows of this model count. `id`, `version`, `origin`, `seq`, `received` and
    `segment.*` are an event's own and left out, unless named `features.id` and so on; which column
    was taken as what is said on standard error.
    """
    from inferwatch.events.json_codec import dumps
    from pipeline.reference.builder import build as build_profile
    from pipeline.reference.roles import describe_columns
    from pipeline.reference.tables import read_tables

    spec = _spec(model, model_version, config)
    size = sum(file.stat().st_size for file in files if file.is_file())
    with _progress(
        f"Reading {len(files)} files" if len(files) > 1 else f"{files[0]}", size
    ) as told:
        names: dict[str, None] = {}
        profile = build_profile(lambda: _noted(read_tables(files, told), names), spec)
    data = dumps(profile)
    if out is None:
        click.echo(data.decode())
    else:
        try:
            out.write_bytes(data + b"\n")
        except OSError as error:
            raise UsageError(f"{out}: it cannot be written: {error.strerror}") from error
    click.echo(_summary(profile), err=True)
    click.echo(f"Columns: {describe_columns(names, spec.watches)}.", err=True)


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@config_option
@json_option
def publish(file: Path, config: str | None, as_json: bool) -> None:
    """Publish the profile in FILE: its model is measured against it from now on.

    A model's first reference holds for every row that arrives after this; a later one from the
    first window that begins after this. Publishing the same profile again changes nothing.
    """
    from pipeline.reference.profile_file import read_profile
    from pipeline.reference_publish import published_references

    profile = read_profile(file)
    settings = read_settings(config)
    published = published_references(settings).published()
    published_at, again = _publish_once(settings, profile, published)
    if as_json:
        click.echo(json.dumps({**_line(profile, published_at), "again": again}))
    else:
        done = "was already published" if again else "is published"
        click.echo(f"{_summary(profile)} It {done}, at {_utc(published_at)}.")


@command.command()
@click.argument("model")
@click.option("--model-version", help="Make it the reference of this version, not of every one.")
@config_option
@json_option
def promote(model: str, model_version: str | None, config: str | None, as_json: bool) -> None:
    """Make the reference that was learned for MODEL the model's own.

    It is published once more, as one that was given: what is measured against it from the next
    window on is no longer provisional.
    """
    from pipeline.reference_publish import published_references

    settings = read_settings(config)
    published = published_references(settings).published()
    profile = _learned(model, [profile for profile, _ in published], settings)
    own = dataclasses.replace(profile, version=model_version, provisional=False)
    published_at, again = _publish_once(settings, own, published)
    if as_json:
        click.echo(json.dumps({**_line(own, published_at), "again": again}))
    else:
        done = "was already promoted" if again else "is no longer provisional"
        click.echo(f"{_summary(own)} It {done}, since {_utc(published_at)}.")


def _learned(
    model: str, published: Sequence[ReferenceProfile], settings: Settings
) -> ReferenceProfile:
    """The newest reference that was learned for a model."""
    from inferwatch.settings.types import format_duration

    mine = [profile for profile in published if profile.model == model]
    learned = [profile for profile in mine if profile.provisional]
    if learned:
        return learned[-1]
    build = f"inferwatch reference build --model {shlex.quote(model)} --data FILE"
    if mine:
        raise InferwatchError(
            f"the model {model!r} has no provisional reference: {mine[-1].fingerprint} was given; "
            f"to replace it: {build}"
        )
    span = settings.for_model(model).reference.learn
    cure = (
        "its config says `reference: {learn: off}`"
        if span is None
        else f"one is learned once {format_duration(span)} of event time (`reference.learn`) passed"
    )
    raise InferwatchError(
        f"no reference of the model {model!r} is published yet: {cure}; or build one: {build}"
    )


@command.command("list")
@config_option
@json_option
def list_(config: str | None, as_json: bool) -> None:
    """List the published references, oldest first for each model."""
    from pipeline.reference_publish import published_references

    lines = [_line(*found) for found in published_references(read_settings(config)).published()]
    if as_json:
        click.echo(json.dumps(lines))
        return
    if not lines:
        click.echo("No reference is published. Build one with: inferwatch reference build --help")
    for line in lines:
        provisional = "  provisional" if line["provisional"] else ""
        click.echo(
            f"{line['model']}  {line['version'] or 'every version'}  {line['fingerprint']}  "
            f"{line['rows']:,} rows  {_utc(line['published_at'])}{provisional}"
        )


@command.command()
@click.argument("model")
@click.option("--model-version", help="The reference of this version.")
@config_option
@json_option
def show(model: str, model_version: str | None, config: str | None, as_json: bool) -> None:
    """Show the reference that windows of MODEL are measured against now."""
    from inferwatch.events.json_codec import dumps

    profile, published_at = _in_force(model, model_version, config)
    if as_json:
        click.echo(dumps(profile).decode())
        return
    click.echo(f"{_summary(profile)} Published at {_utc(published_at)}.")
    if profile.provisional:
        click.echo(
            "It is provisional, learned from the model's first rows. If they were good: "
            f"inferwatch reference promote {shlex.quote(model)}"
        )
    for name, column in sorted(profile.features.items()):
        click.echo(f"  {name}: {_column(column)}")
    if profile.prediction is not None:
        click.echo(f"  prediction: {_column(profile.prediction)}")
    for name, column in sorted(profile.scores.items()):
        click.echo(f"  score {name or '(positive class)'}: {_column(column)}")
    for name, value in sorted(profile.performance.items()):
        click.echo(f"  {name}: {value:.4g}")


def _in_force(model: str, version: str | None, config: str | None) -> tuple[ReferenceProfile, int]:
    from pipeline.reference_publish import published_references

    catalog = published_references(read_settings(config))
    now = time.time_ns() // 1_000_000
    profile = catalog.in_force(model, version or "", now)
    if profile is None:
        raise InferwatchError(f"no published reference serves the model {model!r}")
    times = dict(_times(catalog.published()))
    name = (profile.model, profile.version, profile.fingerprint, profile.provisional)
    return profile, times[name]


def _publish_once(
    settings: Settings,
    profile: ReferenceProfile,
    published: list[tuple[ReferenceProfile, int]],
) -> tuple[int, bool]:
    """Publish what is not among the published ones; since when it is, and whether it was."""
    from pipeline.reference_publish import publish as publish_profile

    known = dict(_times(published))
    name = (profile.model, profile.version, profile.fingerprint, profile.provisional)
    again = name in known
    return known[name] if again else publish_profile(settings, profile), again


def _times(
    published: list[tuple[ReferenceProfile, int]],
) -> Iterator[tuple[tuple[str, str | None, str, bool], int]]:
    for profile, at in published:
        yield (profile.model, profile.version, profile.fingerprint, profile.provisional), at


def _spec(model: str, version: str | None, config: str | None) -> BuildSpec:
    from pipeline.reference.build_spec import spec_of

    now = time.time_ns() // 1_000_000
    ours = read_settings(config).for_model(model)
    return spec_of(model, ours, version=version, created_at=now)


@contextmanager
def _progress(what: str, size: int) -> Iterator[Progress]:
    """A bar on a terminal's standard error; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda read: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=size)
        yield lambda read: bar.update(task, completed=read)


def _noted(table: Table, names: dict[str, None]) -> Table:
    """The same table; the names of its columns are noted as they go by."""
    for columns in table:
        names.update(dict.fromkeys(columns))
        yield columns


def _line(profile: ReferenceProfile, published_at: int) -> dict[str, Any]:
    return {
        "model": profile.model,
        "version": profile.version,
        "fingerprint": profile.fingerprint,
        "rows": profile.rows,
        "provisional": profile.provisional,
        "created_at": profile.created_at,
        "published_at": published_at,
    }


def _summary(profile: ReferenceProfile) -> str:
    of = "every model" if profile.model == "*" else profile.model
    version = f" version {profile.version}" if profile.version else ""
    return (
        f"Reference {profile.fingerprint} of {of}{version}: {profile.rows:,} rows, "
        f"{len(profile.features)} features."
    )


def _column(column: Any) -> str:
    missing = f", {column.missing / column.rows:.1%} missing" if column.missing else ""
    if column.type == "numeric":
        if column.min is None:
            return f"numeric, no value{missing}"
        return f"numeric, {column.min:g} to {column.max:g}, mean {column.mean:g}{missing}"
    ranked = sorted(column.shares.items(), key=lambda item: -item[1])[:5]
    top = ", ".join(f"{name} {share:.1%}" for name, share in ranked)
    return f"{len(column.shares)} categories: {top}{missing}"


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
