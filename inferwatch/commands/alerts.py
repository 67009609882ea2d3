"""`inferwatch alerts`: what is wrong now, one incident as a page, and who works on it."""

from __future__ import annotations

import getpass
import json
from typing import TYPE_CHECKING, Any

import click

from inferwatch import logs
from inferwatch.commands.options import config_option, json_option, read_settings
from inferwatch.errors import InferwatchError, UsageError

if TYPE_CHECKING:
    from consumers.notifier.acknowledgement import Acknowledgement
    from consumers.notifier.transition import Transition
    from inferwatch.settings import Settings


@click.group()
def command() -> None:
    """List, show and acknowledge alerts."""
    logs.setup("text", "alerts")


@command.command("list")
@click.option("--all", "with_resolved", is_flag=True, help="Those that are over, too.")
@config_option
@json_option
def show_all(with_resolved: bool, config: str | None, as_json: bool) -> None:
    """List the incidents that go on, the newest last."""
    from consumers.notifier.desk import Desk
    from consumers.notifier.incidents import read_incidents

    settings = read_settings(config)
    acknowledged = Desk(settings).acknowledgements()
    found = [t for t in read_incidents(settings).values() if with_resolved or t.open]
    found.sort(key=lambda t: (t.starts_at, t.incident))
    if as_json:
        plain = [_plain(t, acknowledged.get(t.incident)) for t in found]
        click.echo(json.dumps(plain, ensure_ascii=False))
        return
    for t in found:
        click.echo(_line(t, acknowledged.get(t.incident)))


@command.command()
@click.argument("incident", metavar="ID")
@config_option
@json_option
def show(incident: str, config: str | None, as_json: bool) -> None:
    """Show an incident as the one on call reads it."""
    from consumers.notifier.desk import Desk
    from consumers.notifier.page import page_of, page_text

    settings = read_settings(config)
    acknowledgement = Desk(settings).acknowledgements().get(incident)
    found = _find(settings, incident)
    if as_json:
        click.echo(json.dumps(_plain(found, acknowledgement), ensure_ascii=False))
        return
    click.echo(page_text(page_of(found)))
    if acknowledgement is not None:
        click.echo(f"\n{_taken(acknowledgement)}")


@command.command()
@click.argument("incident", metavar="ID")
@click.option("--comment", default="", metavar="TEXT", help="What the others should know.")
@click.option("--author", metavar="NAME", help="Who takes it; the user's name by default.")
@config_option
@json_option
def ack(incident: str, comment: str, author: str | None, config: str | None, as_json: bool) -> None:
    """Take an incident: until it resolves, nobody is told of it again."""
    from consumers.notifier.desk import Desk

    settings = read_settings(config)
    desk = Desk(settings)
    if not _find(settings, incident).open:
        raise InferwatchError(f"the incident {incident} is over; there is nothing to acknowledge")
    taken = desk.acknowledge(incident, by=author or getpass.getuser(), comment=comment)
    if as_json:
        click.echo(json.dumps({"incident": incident, **_acknowledgement(taken)}))
    else:
        click.echo(f"{incident} {_taken(taken)}")


def _find(settings: Settings, incident: str) -> Transition:
    from consumers.notifier.incidents import read_incidents

    found = read_incidents(settings).get(incident)
    if found is None:
        raise UsageError(f"there is no incident {incident!r}; see `inferwatch alerts list --all`")
    return found


def _line(alert: Transition, acknowledgement: Acknowledgement | None) -> str:
    from consumers.notifier.page import clock, page_of

    line = f"{alert.incident}  since {clock(alert.starts_at)}  {page_of(alert).headline}"
    return line if acknowledgement is None else f"{line} [{_taken(acknowledgement)}]"


def _taken(acknowledgement: Acknowledgement) -> str:
    from consumers.notifier.page import clock

    words = f"acknowledged by {acknowledgement.by} at {clock(acknowledgement.at)}"
    return f"{words}: {acknowledgement.comment}" if acknowledgement.comment else words


def _plain(alert: Transition, acknowledgement: Acknowledgement | None) -> dict[str, Any]:
    taken = None if acknowledgement is None else _acknowledgement(acknowledgement)
    return {**alert.event, "acknowledgement": taken}


def _acknowledgement(acknowledgement: Acknowledgement) -> dict[str, Any]:
    return {
        "at": acknowledgement.at,
        "by": acknowledgement.by,
        "comment": acknowledgement.comment,
    }
