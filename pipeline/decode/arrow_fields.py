"""The fields of a columnar batch by what they are: names flattened with dots, taken apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from inferwatch.events.flatten import MAX_NAME_CHARACTERS
from pipeline.decode.arrow_plain import python_value

_PREFIXES = ("features", "scores", "segment")


@dataclass(frozen=True, slots=True)
class Fields:
    """The columns of a batch.

    Attributes:
        size: rows.
        constants: `model`, `version` and `origin` of the whole batch, from the schema's metadata.
        plain: columns without a dot, `ts`.
        features, scores, segment: columns by the name behind the prefix.
    """

    size: int
    constants: Mapping[str, str]
    plain: dict[str, pa.Array] = field(default_factory=dict)
    features: dict[str, pa.Array] = field(default_factory=dict)
    scores: dict[str, pa.Array] = field(default_factory=dict)
    segment: dict[str, pa.Array] = field(default_factory=dict)

    def row(self, index: int) -> dict[str, Any]:
        """One row as the JSON event that it stands for."""
        event: dict[str, Any] = dict(self.constants)
        for name, array in self.plain.items():
            event[name] = python_value(array, index)
        for prefix in _PREFIXES:
            arrays = getattr(self, prefix)
            if arrays:
                event[prefix] = {name: python_value(array, index) for name, array in arrays.items()}
        return event


def fields_of(batch: pa.RecordBatch, constants: Mapping[str, str]) -> Fields:
    """Sort the columns of a batch; of a name given twice the last counts.

    A struct is an object: its children are columns with dotted names, and a column that has such
    a name literally wins.

    >>> batch = pa.record_batch({"ts": [1], "features": [{"amount": 2.5}]})
    >>> list(fields_of(batch, {}).features)
    ['amount']
    """
    fields = Fields(batch.num_rows, constants)
    structs: list[tuple[str, pa.Array]] = []
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        array = _storage(array)
        if array.type.id == pa.lib.Type_STRUCT:
            structs.append((name, array))
        else:
            _place(fields, name, array, literal=True)
    characters = 0
    while structs:
        deeper: list[tuple[str, pa.Array]] = []
        for prefix, struct in structs:
            for child, array in zip(struct.type, struct.flatten(), strict=True):
                name, array = f"{prefix}.{child.name}", _storage(array)
                characters += len(name)
                if characters > MAX_NAME_CHARACTERS:
                    raise ValueError("its nested names are too long")
                if array.type.id == pa.lib.Type_STRUCT:
                    deeper.append((name, array))
                else:
                    _place(fields, name, array, literal=False)
        structs = deeper
    return fields


def _storage(array: pa.Array) -> pa.Array:
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _place(fields: Fields, path: str, array: pa.Array, *, literal: bool) -> None:
    prefix, dot, name = path.partition(".")
    if dot and prefix in _PREFIXES:
        home: dict[str, pa.Array] = getattr(fields, prefix)
    else:
        home, name = fields.plain, path
    if literal or name not in home:
        home[name] = array
