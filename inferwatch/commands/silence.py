"""`inferwatch silence`: do not tell of some alerts for a while."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from inferwatch import logs
from inferwatch.commands.options import config_option, json_option, read_settings
from inferwatch.errors import UsageError

if TYPE_CHECKING:
    from consumers.notifier.stages.silence import Silence
    from inferwatch.settings.notify.matchers import Matcher


@click.group()
def command() -> None:
    """Add, list and expire silences."""
    logs.setup("text", "silence")


@command.command()
@click.argument("matchers", nargs=-1, required=True, metavar="MATCHER...")
@click.option("--duration", required=True, metavar="TIME", help="How long: 30m, 2h, 1d.")
@click.option("--comment", required=True, metavar="TEXT", help="Why, for the others on call.")
@click.option("--author", metavar="NAME", help="Who asks for it; the user's name by default.")
@config_option
@json_option
def add(
    matchers: tuple[str, ...],
    duration: str,
    comment: str,
    author: str | None,
    config: str | None,
    as_json: bool,
) -> None:
    """Silence the alerts that all matchers fit, such as model=fraud 'kind=~"latency|errors"'.

    A word without an operator is the name of an alert.
    """
    from inferwatch.settings.types import parse_duration

    try:
        wanted = [m for text in matchers for m in _matchers(text)]
        length = parse_duration(duration)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if not wanted or length <= 0:
        raise UsageError("a silence has at least one matcher, and lasts longer than 0")
    if all(m.matches({}) for m in wanted):
        raise UsageError("these matchers also fit an alert without any label: that is every alert")
    from consumers.notifier.desk import Desk

    silence = Desk(read_settings(config)).add(
        wanted, duration=length, comment=comment, created_by=author or getpass.getuser()
    )
    if as_json:
        click.echo(json.dumps({"id": silence.id}))
    else:
        click.echo(f"{silence.id} until {_clock(silence.ends_at)}")


@command.command("list")
@config_option
@json_option
def show_all(config: str | None, as_json: bool) -> None:
    """List the silences that are not over."""
    from consumers.notifier.desk import Desk

    silences = Desk(read_settings(config)).list()
    if as_json:
        click.echo(json.dumps([_plain(s) for s in silences], ensure_ascii=False))
        return
    for s in silences:
        matchers = ", ".join(str(m) for m in s.matchers)
        click.echo(f"{s.id}  {matchers}  until {_clock(s.ends_at)}  {s.created_by}: {s.comment}")


@command.command()
@click.argument("silence_id", metavar="ID")
@config_option
@json_option
def expire(silence_id: str, config: str | None, as_json: bool) -> None:
    """End a silence now."""
    from consumers.notifier.desk import Desk

    silence = Desk(read_settings(config)).expire(silence_id)
    click.echo(json.dumps({"id": silence.id}) if as_json else f"{silence.id} is over")


def _matchers(text: str) -> tuple[Matcher, ...]:
    from inferwatch.settings.notify.matchers import Matcher, Operator, parse_matchers

    if not any(sign in text for sign in "=~"):
        return (Matcher("alertname", Operator.EQUAL, text),)
    return parse_matchers(text)


def _plain(silence: Silence) -> dict[str, Any]:
    return {
        "id": silence.id,
        "matchers": [str(m) for m in silence.matchers],
        "starts_at": silence.starts_at,
        "ends_at": silence.ends_at,
        "created_by": silence.created_by,
        "comment": silence.comment,
    }


def _clock(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
