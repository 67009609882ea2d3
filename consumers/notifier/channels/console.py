"""Console: the page on the terminal, as the one on call would read it."""

from __future__ import annotations

import asyncio
import sys
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from consumers.notifier.channels.interface import Retryable, Sent
from consumers.notifier.notification import Notification
from consumers.notifier.page import KIND_HEARTBEAT, Page, page_of
from consumers.notifier.transition import Transition
from inferwatch.settings.notify.channels import ConsoleSettings

_COLOURS = {"page": "red", "ticket": "yellow", "info": "cyan"}


class ConsoleChannel:
    """Prints each alert of a message."""

    def __init__(self, settings: ConsoleSettings, file: TextIO | None = None) -> None:
        """Print to a file, the standard output by default."""
        self._console = Console(file=file or sys.stdout, highlight=False, emoji=False)

    async def send(self, message: Notification, now: int) -> Sent:
        """See `Channel`."""
        try:
            await asyncio.to_thread(self._print, message)
        except OSError as error:
            raise Retryable(f"cannot print: {error.strerror or error}") from None
        return Sent("printed")

    def _print(self, message: Notification) -> None:
        for alert in message.alerts:
            self._console.print(
                panel(alert, f"{message.receiver}: {message.preface or message.reason}")
            )
        self._console.file.flush()

    async def close(self) -> None:
        """See `Channel`."""


def panel(alert: Transition, subtitle: str) -> Panel:
    """The page of an alert in a frame of its severity's colour."""
    page = page_of(alert)
    heartbeat = alert.event.get("kind") == KIND_HEARTBEAT
    kind = KIND_HEARTBEAT if heartbeat else f"{alert.severity} {alert.status}"
    colour = _COLOURS.get(alert.severity, "white") if alert.open else "green"
    return Panel(
        Group(*_parts(page, colour)),
        title=Text(kind),
        subtitle=Text(subtitle),
        border_style=colour,
    )


def _parts(page: Page, colour: str) -> list[RenderableType]:
    # Everything goes in as Text: what came with the traffic is never read as markup.
    facts = Table.grid(padding=(0, 2))
    for name, value in page.facts:
        facts.add_row(Text(name, style="dim"), Text(value))
    parts: list[RenderableType] = [Text(page.headline, style=f"bold {colour}"), facts]
    for title, lines in (("Evidence", page.evidence), ("Probable causes", page.causes)):
        if lines:
            parts.append(Text(f"\n{title}", style="bold"))
            parts += [Text(f"  • {line}") for line in lines]
    if page.suggestions:
        parts.append(Text("\nWhat to do", style="bold"))
        for suggestion in page.suggestions:
            parts.append(Text(f"  • {suggestion.text}"))
            if suggestion.command:
                parts.append(Text(f"    $ {suggestion.command}", style="cyan"))
            if suggestion.url:
                parts.append(Text(f"    {suggestion.url}", style="blue underline"))
    if page.links:
        parts.append(Text(""))
        parts += [Text(f"{name}: {url}", style="blue") for name, url in page.links]
    return parts
