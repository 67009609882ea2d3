"""The keys of the config that this version reads but does not act on yet.

`config check` warns of each one that a file uses: nothing is silently ignored. A line goes when
the code that acts on its key comes.
"""

from __future__ import annotations

from collections.abc import Iterator

from inferwatch.settings.document import Document, Mistake, Path

TEXT = "warning: this version does not act on it yet"

# Dotted keys; `*` is any one key or list position, ` = ` asks for a value too.
NOT_YET: tuple[str, ...] = ()


def unused_keys(document: Document, patterns: tuple[str, ...] = NOT_YET) -> Iterator[Mistake]:
    """A warning for each key of the document that nothing acts on."""
    for pattern in patterns:
        keys, _, value = pattern.partition(" = ")
        parts = keys.split(".")
        for path in document.paths():
            if not _fits(path, parts):
                continue
            found = document.value_at(path)
            if found is not None and value in ("", found):
                yield Mistake(document.key_place(path), path, TEXT)


def _fits(path: Path, parts: list[str]) -> bool:
    return len(path) == len(parts) and all(
        part in ("*", key) for key, part in zip(path, parts, strict=True)
    )
