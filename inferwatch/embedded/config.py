"""A config with the addresses of embedded parts filled in, for the services that use them.

Everything else of the text stays as the user wrote it: quotes (`1.0` and `"1.0"` differ), and
`${NAME}` and `${file:PATH}`, so that no secret is written to a second place. A relative PATH is
made absolute, because the new text lies in another folder.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_FILE = re.compile(r"(?<!\$)\$\{file:([^{}]*)\}")
_TEXT = "tag:yaml.org,2002:str"
_MAPPING = "tag:yaml.org,2002:map"


def fill_in(text: str, folder: Path, values: Mapping[tuple[str, str], str]) -> str:
    r"""The config's text with `values` set, each at (section, key).

    Args:
        text: a config without mistakes.
        folder: what its relative paths start from.
        values: what to set; a section that is not there is added.

    >>> print(fill_in("redis: {url: embedded}\nstart: '2h'", Path("/etc"), {
    ...     ("redis", "url"): "redis://127.0.0.1:7000/0", ("topics", "prefix"): "a."}))
    redis: {url: "redis://127.0.0.1:7000/0"}
    start: '2h'
    topics:
      prefix: "a."
    <BLANKLINE>
    """
    root = _yaml().compose(text) or MappingNode(_MAPPING, [])
    for scalar in _scalars(root, set()):
        scalar.value = _FILE.sub(lambda m: f"${{file:{(folder / m[1]).absolute()}}}", scalar.value)
    for (section, key), value in values.items():
        _set(_section(root, section), key, ScalarNode(_TEXT, value, style='"'))
    out = io.StringIO()
    _yaml().serialize(root, out)
    return out.getvalue()


def _yaml() -> Any:
    yaml = YAML(typ="safe", pure=True)
    yaml.width = 2**16
    return yaml


def _scalars(node: Node, seen: set[int]) -> Iterator[ScalarNode]:
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, ScalarNode):
        yield node
    elif isinstance(node, SequenceNode):
        for item in node.value:
            yield from _scalars(item, seen)
    elif isinstance(node, MappingNode):
        for _, value in node.value:
            yield from _scalars(value, seen)


def _section(root: MappingNode, name: str) -> MappingNode:
    for key_node, value in root.value:
        if key_node.value == name and isinstance(value, MappingNode):
            return value
    section = MappingNode(_MAPPING, [])
    _set(root, name, section)
    return section


def _set(mapping: MappingNode, key: str, value: Node) -> None:
    """Replace the entry's own node: one that an alias repeats elsewhere stays as it is there."""
    for index, (key_node, _) in enumerate(mapping.value):
        if key_node.value == key:
            mapping.value[index] = (key_node, value)
            return
    mapping.value.append((ScalarNode(_TEXT, key), value))
