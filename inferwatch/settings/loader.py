"""Reads a config: from a file, from standard input or from a text, with all mistakes at once."""

from __future__ import annotations

import copy
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from inferwatch.errors import ConfigError
from inferwatch.settings.anatomy import section_at
from inferwatch.settings.document import Document, Mistake, Place, parse
from inferwatch.settings.document import Path as KeyPath
from inferwatch.settings.explain import explain
from inferwatch.settings.section import Remark, Section
from inferwatch.settings.substitution import Substitution
from inferwatch.settings.tree import Settings

STDIN = "-"
_MAX_BYTES = 16 * 2**20


def load(path: str | None, *, text: str | None = None, with_files: bool = False) -> Settings:
    """The settings of a config file (`-`: standard input); without one, the defaults.

    Args:
        path: the file; with `text` it only names the text in messages.
        text: the config itself.
        with_files: also look at the certificates that it names. Only who uses them does: another
            command of the same config may run where they are not.

    Raises:
        ConfigError: with all mistakes, one a line: `FILE:LINE:COLUMN: path.to.key: what, allowed`.

    >>> load(None, text="topics: {partitions: 8}").topics.partitions
    8
    """
    if path is None and text is None:
        return Settings()
    source = path or STDIN
    if text is None:
        text = read_source(source)
    folder = Path() if source == STDIN else Path(source).parent
    substitution = Substitution(os.environ, folder)
    document = parse(text, substitution)
    settings, mistakes = _validate(document, substitution)
    if settings is None or mistakes:
        raise ConfigError([m.line(source) for m in sorted(mistakes)])
    if with_files:
        faults = sorted(_placed(settings, document, "faults"))
        if faults:
            raise ConfigError([substitution.conceal(m.line(source)) for m in faults])
    warnings = sorted(set(_surprises(settings, document)))
    return settings.with_warnings(substitution.conceal(w.line(source)) for w in warnings)


def read_source(source: str) -> str:
    """The text of a config file (`-`: standard input), UTF-8 or UTF-16.

    Raises:
        ConfigError: it cannot be read, or is no text.
    """
    try:
        if source == STDIN:
            content = sys.stdin.buffer.read(_MAX_BYTES + 1)
        else:
            with Path(source).open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        text = f"cannot be read: {reason}; allowed is a file, or - for standard input"
        raise _unreadable(source, text) from None
    except ValueError:  # a NUL in the name
        text = "is no name of a file; allowed is a file, or - for standard input"
        raise _unreadable(source, text) from None
    if len(content) > _MAX_BYTES:
        raise _unreadable(source, "is larger than 16 MiB; is it a config?")
    try:
        # YAML allows UTF-16 with a byte order mark too; some editors write it.
        utf_16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        return content.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        place = Place(before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        raise _unreadable(source, "is no UTF-8 text; save it as UTF-8", place) from None


def _unreadable(source: str, text: str, place: Place | None = None) -> ConfigError:
    return ConfigError([Mistake(place or Place(1, 1), (), text).line(source)])


def _validate(
    document: Document, substitution: Substitution
) -> tuple[Settings | None, list[Mistake]]:
    mistakes = [*document.mistakes, *_repeated_names(document)]
    try:
        return Settings.model_validate(document.data), mistakes
    except ValidationError as error:
        found = explain(error, Settings, document)
    found += _behind(found, document)
    if document.secret:
        found = list(_without_secrets(found, document, substitution))
    # What could not be read is known already; that it is also no number says nothing new.
    unread = {m.path for m in document.mistakes}
    return None, [*mistakes, *(m for m in found if m.path not in unread)]


def _behind(found: list[Mistake], document: Document) -> list[Mistake]:
    """Mistakes that show only once the wrong keys are out of the way.

    Keys of a section are compared with each other when each is right by itself. So the sections
    are read once more without the keys that are wrong; what is then said about those is dropped.
    """
    data = copy.deepcopy(document.data)
    gone = {m.path for m in found if _removed(data, m.path)}
    try:
        Settings.model_validate(data)
    except ValidationError as error:
        names = {str(path[-1]) for path in gone}
        return [
            m
            for m in explain(error, Settings, document)
            if m not in found and m.path not in gone and not names & set(re.findall(r"\w+", m.text))
        ]
    return []


def _removed(data: Any, path: KeyPath) -> bool:
    """Take an unknown key out, or one with a scalar value; False for anything else."""
    for part in path[:-1]:
        data = data[part]
    key = path[-1] if path else None
    if not isinstance(data, dict) or key not in data:
        return False
    section = section_at(Settings, path[:-1])
    known = section is None or key in section.known_keys()
    if known and isinstance(data[key], dict | list):
        return False
    del data[key]
    return True


def _without_secrets(
    found: list[Mistake], document: Document, substitution: Substitution
) -> Iterator[Mistake]:
    """The same mistakes, told about `${NAME}` and not about the value that it stands for."""
    told: dict[KeyPath, str] = {}
    try:
        Settings.model_validate(document.raw)
    except ValidationError as error:
        told = {m.path: m.text for m in explain(error, Settings, document)}
    for mistake in found:
        if mistake.path in document.secret:
            fallback = f"the value of {document.value_at(mistake.path)} is not allowed here"
            yield mistake._replace(text=told.get(mistake.path, fallback))
        else:
            yield mistake._replace(text=substitution.conceal(mistake.text))


def _repeated_names(document: Document) -> Iterator[Mistake]:
    """Entries that bear a name twice; found also where other keys of theirs are wrong."""
    for section in ("models", "rules"):
        entries = document.raw.get(section)
        seen: set[str] = set()
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            name = entry.get("name") if isinstance(entry, dict) else None
            if not isinstance(name, str):
                continue
            if name in seen:
                path = (section, index, "name")
                text = f"{name!r} stands here twice; allowed is once"
                yield Mistake(document.value_place(path), path, text)
            seen.add(name)


def _surprises(settings: Settings, document: Document) -> Iterator[Mistake]:
    for mistake in _placed(settings, document, "surprises"):
        yield mistake._replace(text=f"warning: {mistake.text}")


def _placed(settings: Settings, document: Document, said: str) -> Iterator[Mistake]:
    for remark in _remarks(settings, said):
        yield Mistake(document.value_place(remark.where), remark.where, remark.text)


def _remarks(section: Section, said: str) -> Iterator[Remark]:
    """What a section and all below it say (`surprises` or `faults`), with their whole paths."""
    yield from getattr(section, said)()
    for key, name in section.known_keys().items():
        yield from _below(getattr(section, name), (key,), said)


def _below(value: object, path: KeyPath, said: str) -> Iterator[Remark]:
    if isinstance(value, Section):
        for remark in _remarks(value, said):
            yield Remark((*path, *remark.where), remark.text)
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            yield from _below(item, (*path, index), said)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _below(item, (*path, key), said)
