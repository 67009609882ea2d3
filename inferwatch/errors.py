"""The errors of inferwatch, as a tree.

InferwatchError                 raised on purpose; names the value, its place and the cure
├── UsageError                  exit 2: a wrong option or file
│   └── ConfigError             exit 2: all mistakes of a config, one a line
├── ServiceUnreachableError     exit 3: what was tried, and how to start one
├── StateFormatError            exit 2: stored by a newer version, or not ours
├── RejectedEventError          one bad event: a reason for the dead-letter topic
└── MergeError                  two statistics with different parameters
"""

from __future__ import annotations


class InferwatchError(Exception):
    """Anything that inferwatch raises on purpose."""

    exit_code = 1


class UsageError(InferwatchError):
    """A wrong option, a missing file, a missing extra: the caller can mend it."""

    exit_code = 2


class ConfigError(UsageError):
    """All mistakes of one config, each `FILE:LINE:COLUMN: path.to.key: what, what is allowed`."""

    def __init__(self, mistakes: list[str]) -> None:
        """Keep the lines; the message is all of them."""
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class ServiceUnreachableError(InferwatchError):
    """Kafka or Redis did not answer; the message says what was tried and how to start one."""

    exit_code = 3


class StateFormatError(InferwatchError):
    """Stored state has a format that this version cannot read."""

    exit_code = 2


class MergeError(InferwatchError):
    """Two statistics of different parameters were to be merged; the message names both."""


class RejectedEventError(InferwatchError):
    """One event that cannot be counted.

    Attributes:
        reason: one of `inferwatch.events.deadletter.REASONS`.
        where: the path inside the event, `features.amount` or ``.
    """

    def __init__(self, reason: str, where: str, detail: str) -> None:
        """Remember the reason and the place."""
        super().__init__(f"{reason} at {where or 'the event'}: {detail}")
        self.reason = reason
        self.where = where
        self.detail = detail
