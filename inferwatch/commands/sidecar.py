"""`inferwatch sidecar`: the tap beside a model server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from inferwatch.commands.options import config_option, log_format_option, read_settings
from inferwatch.errors import ConfigError
from inferwatch.logs import LogFormat, setup

if TYPE_CHECKING:
    from inferwatch.settings import Settings


@click.command("sidecar", help="Tap the traffic beside a model server. Needs no config file.")
@config_option
@click.option("--upstream", metavar="URL", help="The model server: http://HOST:PORT, unix:/PATH.")
@click.option("--listen", metavar="ADDR", help="HOST:PORT for clients; port 0 takes a free one.")
@click.option("--admin", metavar="ADDR", help="HOST:PORT for health, metrics and labels.")
@click.option("--model", metavar="NAME", help="The model, where the wire names none.")
@click.option("--model-version", metavar="V", help="Its version, where the wire names none.")
@click.option("--protocol", metavar="NAME", help="What the server speaks; auto by default.")
@click.option("--broker", metavar="HOST:PORT", help="Kafka; kafka://HOST:PORT is the same.")
@log_format_option
def command(
    config: str | None,
    upstream: str | None,
    listen: str | None,
    admin: str | None,
    model: str | None,
    model_version: str | None,
    protocol: str | None,
    broker: str | None,
    log_format: LogFormat,
) -> None:
    """Tap the traffic beside a model server."""
    setup(log_format, "sidecar")
    options = {
        "upstream": upstream,
        "listen": listen,
        "admin": admin,
        "model": model,
        "version": model_version,
        "protocol": protocol,
    }
    given = {key: value for key, value in options.items() if value is not None}

    def read() -> Settings:
        return override(read_settings(config, with_files=True), given, broker)

    settings = read()

    from producers.sidecar.app import run

    # Standard input is read to its end, and cannot be read again.
    run(settings, read if config not in (None, "-") else None)


def override(settings: Settings, sidecar: dict[str, Any], broker: str | None) -> Settings:
    """The settings with what the command line says instead.

    Raises:
        ConfigError: an option has a wrong value; one line each.
    """
    from pydantic import ValidationError

    from inferwatch.settings.services import BrokerSettings
    from inferwatch.settings.sidecar import SidecarSettings

    mistakes: list[str] = []
    update: dict[str, Any] = {}
    try:
        before = settings.sidecar or SidecarSettings()
        given = {name: getattr(before, name) for name in before.model_fields_set}
        update["sidecar"] = SidecarSettings.model_validate({**given, **sidecar})
    except ValidationError as error:
        mistakes += _lines(error)
    if broker is not None:
        given = {name: getattr(settings.broker, name) for name in settings.broker.model_fields_set}
        try:
            update["broker"] = BrokerSettings.model_validate({**given, "url": broker})
        except ValidationError as error:
            mistakes += [line.replace("--url", "--broker") for line in _lines(error)]
    if mistakes:
        raise ConfigError(mistakes)
    return settings.model_copy(update=update)


def _lines(error: Any) -> list[str]:
    names = {"version": "model-version"}
    found = []
    for mistake in error.errors(include_url=False):
        key = str(mistake["loc"][0]) if mistake["loc"] else "sidecar"
        what = mistake["msg"].removeprefix("Value error, ")
        found.append(f"--{names.get(key, key)}: {what}")
    return found
