"""What the demo shows on the terminal: where the story is, the latest window, the pages."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

PHASES = {
    "start": "start broker, Redis, model server, sidecar, worker, notifier, dashboard",
    "calm": "real flights through the sidecar; windows are quiet",
    "fault": "an upstream change sends dep_delay in seconds instead of minutes",
    "mended": "the change is taken back; the incident resolves",
}


class Screen:
    """A live view on a terminal; plain lines elsewhere. Safe to call from any thread."""

    def __init__(self, console: Console) -> None:
        """Show on this console; a context manager."""
        self._console = console
        self._lock = threading.Lock()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}", style="dim"),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._progress.add_task("start", total=None, note=PHASES["start"])
        self._windows: list[dict[str, Any]] = []
        self._live = Live(console=console, get_renderable=self._view, refresh_per_second=4)

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last view on the terminal."""
        if self._console.is_terminal:
            self._live.stop()

    def phase(self, name: str) -> None:
        """The story has come to this phase."""
        self._progress.update(self._task, description=name, note=PHASES[name], completed=0)
        if not self._console.is_terminal:
            self.say(f"[bold]{name}[/bold]: {PHASES[name]}")

    def done(self, share: float) -> None:
        """How much of the phase is over, 0 to 1."""
        self._progress.update(self._task, total=1.0, completed=min(share, 1.0))

    def windows(self, latest: list[dict[str, Any]]) -> None:
        """The latest windows."""
        with self._lock:
            self._windows = latest[-5:]

    def say(self, what: RenderableType) -> None:
        """Print something that stays."""
        self._console.print(what)

    def _view(self) -> Group:
        with self._lock:
            windows = list(self._windows)
        return Group(self._progress, *([_table(windows)] if windows else []))


def _table(windows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="dim")
    for title in ("window", "rows", "accuracy", "labels", "PSI dep_delay", "p95", "complete"):
        table.add_column(title, justify="right")
    for window in windows:
        quality = window.get("quality") or {}
        delay = (window.get("features") or {}).get("dep_delay") or {}
        latency = window.get("latency") or {}
        table.add_row(
            f"{datetime.fromtimestamp(window['start'] / 1000, UTC):%H:%M:%S}",
            str(window["rows"]),
            _number(quality.get("accuracy"), "{:.3f}"),
            _number(quality.get("label_coverage"), "{:.0%}"),
            _number(delay.get("psi"), "{:.3f}"),
            _number(latency.get("p95_ms"), "{:.1f} ms"),
            _number(window.get("completeness"), "{:.0%}"),
        )
    return table


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
