"""The live screen: drawn again and again until its user ends it."""

from __future__ import annotations

from rich.console import Console
from rich.live import Live

from inferwatch.top.keys import Keys
from inferwatch.top.looks import Looks
from inferwatch.top.screen import screen

_REDRAW_S = 0.25


def watch(looks: Looks) -> None:
    """Show the last look until `q` or Ctrl-C; the terminal is then as it was."""
    console = Console(highlight=False, markup=False)
    live = Live(console=console, screen=True, auto_refresh=False)
    try:
        with Keys() as keys, live:
            pressed = ""
            while "q" not in pressed.lower():
                last = looks.last
                live.update(
                    screen(last.status, last.rate, height=console.height, trouble=last.trouble),
                    refresh=True,
                )
                pressed = keys.wait(_REDRAW_S)
    except KeyboardInterrupt:
        pass
