"""A YAML 1.2 (or JSON) text as plain values, with the line and column of every key.

Every scalar stays the text that was written, so that `yes`, `17:30` and `1.10` mean what they say
where a text is wanted; only a plain `null`, `~` or nothing is None.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode
from ruamel.yaml.reader import ReaderError

from inferwatch.settings.substitution import Substitution, SubstitutionError
from inferwatch.settings.types import Plain

Path = tuple[str | int, ...]

_NULL = "tag:yaml.org,2002:null"
_KNOWN_TAGS = tuple(
    f"tag:yaml.org,2002:{t}" for t in ("null", "bool", "int", "float", "str", "seq", "map")
)
# Aliases of aliases grow without bound (the "billion laughs"); no honest config comes near.
_MAX_VALUES = 200_000


class Place(NamedTuple):
    """Line and column, counted from 1."""

    line: int
    column: int


class Mistake(NamedTuple):
    """One mistake (or warning) at one place."""

    place: Place
    path: Path
    text: str

    def line(self, source: str) -> str:
        """`FILE:LINE:COLUMN: path.to.key: what is wrong, what is allowed`, always one line.

        >>> Mistake(Place(3, 7), ("rules", 2, "when"), "is missing").line("a.yaml")
        'a.yaml:3:7: rules[2].when: is missing'
        """
        told = " ".join(f"{spell(self.path)}: {self.text}".split())
        return f"{source}:{self.place.line}:{self.place.column}: {told}"


def spell(path: Path) -> str:
    """A path as the user reads it.

    >>> spell(("tags", "a.b")), spell(("rules", 0, "when")), spell(())
    ('tags."a.b"', 'rules[0].when', 'config')
    """
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = part.replace("_", "").replace("-", "").isalnum()
            text += f".{part}" if bare else f'."{part}"'
    return text.lstrip(".") or "config"


@dataclass
class Document:
    """One parsed text.

    Attributes:
        data: mappings, lists, texts and None; `${…}` is filled in.
        raw: the same with `${…}` as it was written, for messages that must not tell a secret.
        mistakes: what is wrong with the text itself.
        secret: the paths whose value came from `${…}`.
    """

    data: Any = None
    raw: Any = None
    mistakes: list[Mistake] = field(default_factory=list)
    secret: set[Path] = field(default_factory=set)
    _keys: dict[Path, Place] = field(default_factory=dict)
    _values: dict[Path, Place] = field(default_factory=dict)

    @classmethod
    def of(cls, data: dict[str, Any]) -> Document:
        """Values that stand in no text, such as arguments: each one's place is the first.

        >>> list(Document.of({"a": {"b": [1]}}).paths())
        [(), ('a',), ('a', 'b'), ('a', 'b', 0)]
        """
        document = cls(data=data, raw=data)
        todo: list[tuple[Path, Any]] = [((), data)]
        while todo:
            path, value = todo.pop()
            document._values[path] = Place(1, 1)
            if isinstance(value, dict):
                todo += [((*path, key), item) for key, item in value.items()]
            elif isinstance(value, list | tuple):
                todo += [((*path, index), item) for index, item in enumerate(value)]
        return document

    def paths(self) -> Iterator[Path]:
        """Every key and list item, in the order of the text."""
        return iter(self._values)

    def key_place(self, path: Path) -> Place:
        """Where the key stands, else the nearest one above it."""
        while path and path not in self._values:
            path = path[:-1]
        return self._keys.get(path) or self.value_place(path)

    def value_place(self, path: Path) -> Place:
        """Where the value begins, else the key of the nearest one above it."""
        return self._values[path] if path in self._values else self._above(path)

    def _above(self, path: Path) -> Place:
        return self.key_place(path[:-1]) if path else Place(1, 1)

    def value_at(self, path: Path) -> Any:
        """The value at a path, as it was written."""
        value = self.raw
        for part in path:
            value = value[part]
        return value


def parse(text: str, substitution: Substitution) -> Document:
    """Read a text; what is wrong with it stands in `mistakes`, and the rest is still read."""
    document = Document(data={}, raw={})
    text = text.removeprefix("\ufeff")
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        if root is not None:
            _Reader(document, substitution).read(root)
    except MarkedYAMLError as error:
        document.mistakes.append(_syntax_mistake(error, text))
    except ReaderError as error:
        before = text[: error.position]
        place = Place(before.count("\n") + 1, error.position - before.rfind("\n"))
        document.mistakes.append(
            Mistake(place, (), f"no YAML: U+{error.character:04X} is no character of a text")
        )
    except RecursionError:
        document.mistakes.append(Mistake(Place(1, 1), (), "no config: nested too deeply"))
    return document


def _syntax_mistake(error: MarkedYAMLError, text: str) -> Mistake:
    mark = error.problem_mark or error.context_mark
    if not isinstance(mark, StringMark):
        return Mistake(Place(1, 1), (), f"no YAML: {error.problem}")
    context = f" ({error.context})" if error.context else ""
    if text[max(0, mark.index - 1) : mark.index + 1] == "${":
        context = "; inside of { } and [ ] put quotes around it: '${NAME}'"
    return Mistake(Place(mark.line + 1, mark.column + 1), (), f"no YAML: {error.problem}{context}")


class _Reader:
    """Walks the nodes of one text into a document."""

    def __init__(self, document: Document, substitution: Substitution) -> None:
        self.document = document
        self.substitution = substitution
        self.open: list[Node] = []  # the nodes that are being read, to see an alias to one of them
        self.count = 0

    def read(self, root: Node) -> None:
        if isinstance(root, ScalarNode) and _is_null(root):
            return
        if not isinstance(root, MappingNode):
            self._mistake(root, (), "a mapping of sections is wanted (broker: …), nothing else")
            return
        self.document.data, self.document.raw = self._value(root, ())

    def _value(self, node: Node, path: Path) -> tuple[Any, Any]:
        self.count += 1
        self.document._values[path] = _place(node)  # noqa: SLF001 - the reader builds the document
        if node in self.open:
            self._mistake(node, path, "this alias stands inside of what it repeats")
            return None, None
        if self.count > _MAX_VALUES:
            if self.count == _MAX_VALUES + 1:
                self._mistake(node, path, f"more than {_MAX_VALUES} values; are aliases nested?")
            return None, None
        if str(node.tag) not in _KNOWN_TAGS:
            self._mistake(node, path, f"the tag {node.tag} is not understood; leave it out")
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        self.open.append(node)
        if isinstance(node, MappingNode):
            values = self._mapping(node, path)
        else:
            values = self._sequence(node, path)
        self.open.pop()
        return values

    def _mapping(self, node: MappingNode, path: Path) -> tuple[Any, Any]:
        data: dict[str, Any] = {}
        raw: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._mistake(key_node, path, "a key is a text, not a list or a mapping")
                continue
            key = str(key_node.value)
            here = (*path, key)
            if key in data:
                self._mistake(key_node, here, "stands here twice; keep one of them")
                continue
            if key == "<<":
                self._mistake(key_node, here, "YAML 1.2 has no merge keys; write the keys out")
                continue
            self.document._keys[here] = _place(key_node)  # noqa: SLF001
            data[key], raw[key] = self._value(value_node, here)
        return data, raw

    def _sequence(self, node: Node, path: Path) -> tuple[Any, Any]:
        pairs = [self._value(item, (*path, i)) for i, item in enumerate(node.value)]
        return [data for data, _ in pairs], [raw for _, raw in pairs]

    def _scalar(self, node: ScalarNode, path: Path) -> tuple[Any, Any]:
        if _is_null(node):
            return None, None
        raw = str(node.value) if node.style else Plain(node.value)
        try:
            filled = self.substitution.fill(raw)
        except SubstitutionError as error:
            self._mistake(node, path, str(error))
            return raw, raw
        if filled != raw:
            self.document.secret.add(path)
        return type(raw)(filled), raw

    def _mistake(self, node: Node, path: Path, text: str) -> None:
        self.document.mistakes.append(Mistake(_place(node), path, text))


def _is_null(node: ScalarNode) -> bool:
    return node.style is None and str(node.tag) == _NULL


def _place(node: Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
