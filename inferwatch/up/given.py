"""The config as the user of `inferwatch up` gave it: its text is needed to fill in addresses."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from inferwatch.settings import Settings, load
from inferwatch.settings.loader import STDIN, read_source

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GivenConfig:
    """The config as the user gave it.

    Attributes:
        path: the file, `-` for standard input, None for the defaults.
        text: what it holds; "" without a file.
    """

    path: str | None
    text: str
    settings: Settings

    @property
    def folder(self) -> Path:
        """What the config's relative paths start from."""
        return Path() if self.path in (None, STDIN) else Path(str(self.path)).parent


def read_config(path: str | None) -> GivenConfig:
    """Read and check the config, and log what is surprising in it.

    Raises:
        ConfigError: it has mistakes.
    """
    text = "" if path is None else read_source(path)
    settings = load(path, text=text)
    for line in settings.warnings:
        _log.warning("%s", line)
    return GivenConfig(path, text, settings)
