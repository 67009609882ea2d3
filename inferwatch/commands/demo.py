"""`inferwatch demo`: the whole system on one machine, with an incident."""

from __future__ import annotations

from pathlib import Path

import click

from inferwatch.errors import UsageError


@click.command()
@click.option("--headless", is_flag=True, help="End by itself; exit 0 only if the story came out.")
@click.option(
    "--broker",
    default="embedded",
    show_default=True,
    metavar="embedded|HOST:PORT",
    help="The Kafka to use; topics of its own are made there, and deleted at the end.",
)
@click.option(
    "--redis",
    default="embedded",
    show_default=True,
    metavar="embedded|URL",
    help="The Redis to use; keys of its own are made there, and deleted at the end.",
)
@click.option(
    "--speed",
    type=click.FloatRange(0.25, 4.0),
    default=1.0,
    show_default=True,
    help="How fast the story is told: at 2 windows are half as long, and requests twice as many.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    default=8088,
    show_default=True,
    help="Where the dashboard serves; a free port when something listens there already.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("out"),
    show_default=True,
    help="Folder for the config, the windows, alerts and deliveries, the summary and the logs.",
)
def command(headless: bool, broker: str, redis: str, speed: float, port: int, out: Path) -> None:
    """Run the whole system on this machine, with real input and an injected incident.

    A real model answers real flights; sidecar, worker, notifier and dashboard watch it, each a
    process. Then an upstream change sends dep_delay in seconds instead of minutes: an incident
    fires, is explained, reaches the on-call phone, and resolves when the change is taken back.
    Takes about a minute and a half. Ctrl-C ends everything.
    """
    try:
        from rich.console import Console

        from inferwatch.demo.run import Demo, DemoOptions

        options = DemoOptions(
            headless=headless, broker=broker, redis=redis, speed=speed, port=port, out=out
        )
        Demo(options, Console(stderr=True)).run()
    except KeyboardInterrupt:
        click.echo("inferwatch: the demo is stopped", err=True)
        raise SystemExit(130) from None
    except PermissionError as error:
        raise UsageError(f"--out {out}: cannot be written ({error.strerror})") from error
