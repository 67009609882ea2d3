"""The commands that an alert suggests: such as on-call can paste into a shell."""

from __future__ import annotations

import shlex
from dataclasses import replace

from inferwatch.events.alert import Suggestion
from pipeline.diagnosis.view import Diagnosis, View

STATUS = "inferwatch status"
STDIN = "-"


def show_reference(view: View) -> str:
    """What shows the reference that the model is measured against."""
    return shlex.join(["inferwatch", "reference", "show", view.result.model])


def build_reference(view: View) -> str:
    """What builds a new one; the data file is for the reader to name."""
    command = ["inferwatch", "reference", "build", "--model", view.result.model]
    return shlex.join([*command, "--model-version", view.result.version, "--data", "FILE"])


def with_config(diagnosis: Diagnosis, file: str | None) -> Diagnosis:
    """The same diagnosis, its commands with the config that the worker was given.

    A worker without a config runs on the defaults, as a command without one does. One that read its
    config from standard input cannot name it: there the reader has to.

    >>> diagnosis = Diagnosis((), (), (Suggestion(text="Look.", command=STATUS),))
    >>> with_config(diagnosis, "my watch.yaml").suggestions[0].command
    "inferwatch status -c 'my watch.yaml'"
    >>> with_config(diagnosis, None).suggestions[0].command
    'inferwatch status'
    >>> with_config(diagnosis, "-").suggestions[0].command
    'inferwatch status -c CONFIG'
    """
    if file is None:
        return diagnosis
    name = "CONFIG" if file == STDIN else shlex.quote(file)
    return replace(
        diagnosis,
        suggestions=tuple(_told(suggestion, name) for suggestion in diagnosis.suggestions),
    )


def _told(suggestion: Suggestion, name: str) -> Suggestion:
    if suggestion.command is None:
        return suggestion
    return replace(suggestion, command=f"{suggestion.command} -c {name}")
