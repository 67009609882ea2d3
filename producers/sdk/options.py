"""The arguments of a monitor: keys of the config's `sidecar` section, and some other sections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from inferwatch.broker import kafka_options
from inferwatch.errors import ConfigError, UsageError
from inferwatch.settings import Settings, load
from inferwatch.settings.document import Document, spell
from inferwatch.settings.explain import explain
from inferwatch.settings.sidecar import SidecarSettings

SECTIONS = ("broker", "topics", "limits", "defaults", "models")
# These are about a process that stands in front of a server.
_OUTSIDE = (
    "upstream",
    "listen",
    "admin",
    "admin_token",
    "resources",
    "timeouts",
    "spool",
    "collector",
    "tls",
    "upstream_tls",
)


def settings_of(config: str | None, options: Mapping[str, Any]) -> Settings:
    """A config file's settings, or the defaults, with what the arguments say instead.

    Raises:
        ConfigError: one line a mistake of the file, or of the arguments: which, what is allowed.
        UsageError: the broker is an embedded one.

    >>> settings_of(None, {"model": "fraud", "broker": "localhost:9092"}).sidecar.model
    'fraud'
    >>> settings_of(None, {"quue": "1MiB"})
    Traceback (most recent call last):
        ...
    inferwatch.errors.ConfigError: quue: unknown key; did you mean queue? allowed are batch, \
broker, defaults, errors, features, headers, limits, mint_ids, model, models, protocol, queue, \
redact, routes, sample, segments, topics, version
    """
    asked: dict[str, Any] = {"sidecar": {}}
    for name, value in options.items():
        if name in SECTIONS:
            asked[name] = {"url": value} if name == "broker" and isinstance(value, str) else value
        else:
            asked["sidecar"][name] = value
    _check(asked)
    settings = load(config)
    update: dict[str, Any] = {}
    for name, value in asked.items():
        update[name] = _over(getattr(settings, name), name, value)
    settings = settings.model_copy(update=update)
    kafka_options(settings.broker)
    return settings


def _check(asked: Mapping[str, Any]) -> None:
    """Tell every mistake of the arguments by themselves."""
    inside = asked["sidecar"]
    allowed = sorted({*SidecarSettings.known_keys(), *SECTIONS} - {*_OUTSIDE})
    lines = [
        f"{name}: is about a sidecar in front of a server; leave it out here"
        for name in inside
        if name in _OUTSIDE
    ]
    document = Document.of(dict(asked))
    try:
        Settings.model_validate(asked)
    except ValidationError as error:
        for mistake in explain(error, Settings, document):
            path = mistake.path[1:] if mistake.path[:1] == ("sidecar",) else mistake.path
            text = mistake.text
            if len(path) == 1 and text.startswith("unknown key"):
                text = f"{text.partition('allowed are')[0]}allowed are {', '.join(allowed)}"
            lines.append(f"{spell(path)}: {text}")
    if lines:
        raise ConfigError(lines)


def _over(before: Any, name: str, asked: Any) -> Any:
    """A section with what was asked in the place of what the file says."""
    if not isinstance(asked, Mapping):
        return getattr(Settings.model_validate({name: asked}), name)
    kind = SidecarSettings if name == "sidecar" else type(before)
    given = {} if before is None else {key: getattr(before, key) for key in before.model_fields_set}
    try:
        return kind.model_validate({**given, **asked})
    except ValidationError as error:
        # Each by itself is right, and the two do not fit: the file's keys and the arguments.
        what = "; ".join(e["msg"].removeprefix("Value error, ") for e in error.errors())
        raise UsageError(f"{name}: the arguments do not fit the config file: {what}") from None
