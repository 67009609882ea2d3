"""`inferwatch routes`: whom an alert would reach."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click

from inferwatch.commands.options import config_option, json_option, read_settings
from inferwatch.errors import UsageError
from inferwatch.settings.types import format_duration


@click.group()
def command() -> None:
    """Show whom an alert would reach."""


@command.command("test")
@click.argument("labels", nargs=-1, metavar="[LABEL=VALUE]...")
@config_option
@click.option(
    "--at",
    metavar="TIME",
    help="Also show which time intervals mute it then: 2026-01-31T17:30:00Z, or ms since 1970.",
)
@json_option
def try_labels(labels: tuple[str, ...], config: str | None, at: str | None, as_json: bool) -> None:
    """Show which receivers an alert with these labels reaches, and why.

    A label is split at its first `=`; the value is literal.
    """
    alert = dict(_split(text) for text in labels)
    time = None if at is None else _time(at)
    notify = read_settings(config).notify
    if notify is None:
        raise UsageError("the config has no `notify` section, so there are no routes")
    from consumers.notifier.stages.intervals import TimeTable
    from consumers.notifier.stages.route import build_tree

    routes = build_tree(notify).reached(alert)
    answer: dict[str, Any] = {"receivers": [r.receiver for r in routes]}
    steps = [
        {"receiver": step.receiver, "after_ms": step.escalation.after}
        for route in routes
        for step in route.steps
        if step.escalation is not None
    ]
    if steps:
        answer["escalation"] = steps
    table = TimeTable(notify.intervals())
    muting = [] if time is None else [table.muted_by(r, time) for r in routes]
    if time is not None:
        answer["muted_by"] = list(dict.fromkeys(name for names in muting for name in names))
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    for i, route in enumerate(routes):
        quiet = f"  (muted by {', '.join(muting[i])})" if muting and muting[i] else ""
        click.echo(f"{route.receiver}{quiet}")
        click.echo(f"    because of the route {route.key}")
        if route.digest is not None:
            click.echo("    in a digest")
        for step in route.steps:
            if step.escalation is not None:
                after = format_duration(step.escalation.after)
                click.echo(f"    {step.receiver}, when nobody acknowledges it for {after}")


def _split(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"{text!r} is no label; allowed is LABEL=VALUE")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{text!r} is no UTF-8") from None
    return name, value


def _time(text: str) -> int:
    if text.lstrip("-").isdecimal():
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is no time; allowed are 2026-01-31T17:30:00Z and ms since 1970"
        ) from None
    # A time without a zone is UTC, like everything else here.
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
