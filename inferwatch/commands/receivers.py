"""`inferwatch receivers`: try a receiver out."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout

import click

from inferwatch.commands.options import config_option, json_option, read_settings
from inferwatch.errors import UsageError


@click.group()
def command() -> None:
    """Try receivers out."""


@command.command("test")
@click.argument("name")
@config_option
@json_option
def send_one(name: str, config: str | None, as_json: bool) -> None:
    """Send one test notification to a receiver, and show the result.

    The exit code is 1 when one of its channels failed.
    """
    settings = read_settings(config)
    notify = settings.notify
    if notify is None:
        raise UsageError("the config has no `notify` section, so there are no receivers")
    try:
        receiver = notify.receiver(name)
    except KeyError:
        defined = ", ".join(r.name for r in notify.receivers)
        raise UsageError(f"there is no receiver {name!r}; defined are {defined}") from None
    from consumers.notifier.trial import try_receiver

    # What a console channel prints must not stand before the JSON.
    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        results = try_receiver(receiver, settings)
    ok = bool(results) and all(r.ok for r in results)
    if as_json:
        channels = [{"channel": r.channel, "ok": r.ok, "detail": r.detail} for r in results]
        click.echo(json.dumps({"receiver": name, "ok": ok, "channels": channels}))
    else:
        for result in results:
            click.echo(f"{result.channel}: {'ok' if result.ok else 'FAILED'}, {result.detail}")
        if not results:
            click.echo(f"receiver {name!r} has no channels: its alerts end in silence")
    sys.exit(0 if ok else 1)
