"""`${ENV}` and `${file:PATH}` in the values of the config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_MARKER = re.compile(r"\$(\$\{|\{([^{}]*)\})")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_FILE_BYTES = 2**20


class SubstitutionError(ValueError):
    """A `${…}` that cannot be filled in; the message names it and never tells a value."""


class Substitution:
    """Fills in `${ENV}` and `${file:PATH}`; `$${` stands for a literal `${`.

    >>> Substitution({"USER": "ann"}, Path(".")).fill("${USER}@host, $${kept}")
    'ann@host, ${kept}'
    """

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        """Take the environment, and the folder that a relative PATH starts from."""
        self.environment = environment
        self.folder = folder
        self.values: set[str] = set()
        """Everything that was filled in so far: what no message may tell."""

    def fill(self, text: str) -> str:
        """The text with every `${…}` replaced by its value.

        Raises:
            SubstitutionError: a variable is not set, or a file cannot be read.
        """
        return _MARKER.sub(self._replace, text)

    def conceal(self, message: str) -> str:
        """A message without any of the values that were filled in."""
        for value in sorted(self.values, key=len, reverse=True):
            message = message.replace(value, "…")
        return message

    def _replace(self, match: re.Match[str]) -> str:
        if match[1] == "${":
            return "${"
        value = self._look_up(match[2])
        if value.strip():
            self.values |= {value, value.strip()}
        return value

    def _look_up(self, name: str) -> str:
        if name.startswith("file:"):
            return self._read(name.removeprefix("file:"))
        if not _NAME.fullmatch(name):
            raise SubstitutionError(
                f"${{{name}}} is no variable; allowed are ${{NAME}} and ${{file:PATH}}, "
                "and $${ for a literal ${"
            )
        if name not in self.environment:
            raise SubstitutionError(f"the environment variable {name} is not set; set it")
        return self.environment[name]

    def _read(self, name: str) -> str:
        path = self.folder / name
        try:
            with path.open("rb") as file:
                content = file.read(_MAX_FILE_BYTES + 1)
            text = content.decode()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise SubstitutionError(f"the file {path} cannot be read: {reason}") from None
        except UnicodeDecodeError:
            raise SubstitutionError(f"the file {path} is no UTF-8 text") from None
        except ValueError:
            raise SubstitutionError(f"{name!r} is no path of a file") from None
        if len(content) > _MAX_FILE_BYTES:
            raise SubstitutionError(f"the file {path} is larger than 1 MiB; it is no secret")
        return text.rstrip("\r\n")  # editors end a file with a newline that is no part of it
