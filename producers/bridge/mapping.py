"""Where our fields stand in foreign events, as `bridge.topics[].map` says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from inferwatch.events.json_event import Event
from inferwatch.json_path import JsonPath
from inferwatch.settings.bridge import NUMBER_KEYS

Column = Sequence[object]
Read = Callable[[Sequence[Event]], Column]


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Reads one field of many events at a time; about 50 ns an event for `$.name`.

    What a path does not find is None: absent and null mean the same in an event.

    >>> mapped = FieldMap.compile({"model": "=fraud", "features.amount": "$.tx.amount"})
    >>> events = [{"tx": {"amount": 12.5}}, {}]
    >>> mapped.column("model", events), mapped.column("ts", events)
    (['fraud', 'fraud'], [None, None])
    >>> mapped.column("features", events)
    [{'amount': 12.5}, {'amount': None}]
    """

    _reads: Mapping[str, Read]
    _parts: Mapping[str, Mapping[str, Read]]

    @classmethod
    def compile(cls, sources: Mapping[str, str]) -> FieldMap:
        """From our keys to paths (`$.x`) or constants (`=fraud`, `=200`)."""
        reads: dict[str, Read] = {}
        parts: dict[str, dict[str, Read]] = {}
        for key, source in sources.items():
            head, dot, name = key.partition(".")
            if dot:
                parts.setdefault(head, {})[name] = _read(source, is_number=False)
            else:
                reads[key] = _read(source, is_number=key in NUMBER_KEYS)
        return cls(reads, parts)

    @classmethod
    def same(cls, keys: Iterable[str]) -> FieldMap:
        """Every field stands under the name that it has with us."""
        return cls({key: _names((key,)) for key in keys}, {})

    def column(self, key: str, events: Sequence[Event]) -> Column:
        """What each event says of this field of ours."""
        read = self._reads.get(key)
        whole = [None] * len(events) if read is None else read(events)
        parts = self._parts.get(key)
        if parts is None:
            return whole
        names = tuple(parts)
        rows = zip(*(part(events) for part in parts.values()), strict=True)
        return [
            _joined(value, dict(zip(names, row, strict=True)))
            for value, row in zip(whole, rows, strict=True)
        ]

    def one(self, key: str, event: Event) -> object:
        """What one event says of a field."""
        return self.column(key, [event])[0]


def _joined(whole: object, parts: Mapping[str, object]) -> object:
    """An object with the fields that the map names one by one; those win."""
    if whole is None:
        return parts
    if isinstance(whole, dict):
        return {**whole, **parts}
    if isinstance(whole, (int, float)):
        return {"": whole, **parts}  # a bare score
    return whole  # to be rejected


def _read(source: str, *, is_number: bool) -> Read:
    if source.startswith("="):
        constant = float(source[1:]) if is_number else source[1:]
        return lambda events: [constant] * len(events)
    path = JsonPath.parse(source)
    if path.names:
        return _names(path.names)
    return lambda events: [_found(path, event) for event in events]


def _names(names: tuple[str, ...]) -> Read:
    first, rest = names[0], names[1:]
    get = itemgetter(first)

    def read(events: Sequence[Event]) -> Column:
        try:
            values: Column = list(map(get, events))
        except KeyError:
            values = [event.get(first) for event in events]
        for name in rest:
            values = [value.get(name) if type(value) is dict else None for value in values]
        return values

    return read


def _found(path: JsonPath, event: Event) -> object:
    try:
        return path.read(event)
    except LookupError:
        return None
