"""The options that several commands share, and how they read the config."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from inferwatch.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

_log = logging.getLogger(__name__)


def config_option(function: F) -> F:
    """`-c/--config FILE`, as the argument `config` (None when it is not given)."""
    return click.option(
        "-c",
        "--config",
        "config",
        metavar="FILE",
        help="The config file; - reads standard input. Without it the defaults hold.",
    )(function)


def json_option(function: F) -> F:
    """`--json`, as the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")(
        function
    )


def log_format_option(function: F) -> F:
    """`--log-format text|json`, as the argument `log_format`."""
    return click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="How log lines are written to standard error.",
    )(function)


def read_settings(config: str | None, *, with_files: bool = False) -> Settings:
    """The settings of the config file; what is surprising in it is logged.

    Raises:
        ConfigError: the file has mistakes; `with_files`: or a certificate that it names has.
    """
    from inferwatch.settings import load

    settings = load(config, with_files=with_files)
    for line in settings.warnings:
        _log.warning("%s", line)
    return settings.read_from(config)
