"""How the rows that references are learned from lie in a partition's state: in parts, by model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from pipeline.reference.learning import Part
from pipeline.reference.row_sample import EVERY_PART, RowSample
from pipeline.state.packing import pack, unpack
from pipeline.windows.names import join_names, split_names


def sample_fields(model: str) -> list[str]:
    """The fields of the hash in which a model's sample lies.

    >>> len(sample_fields("m"))
    65
    """
    return [_field((model, number)) for number in EVERY_PART]


def packed_parts(
    samples: Mapping[str, RowSample], changed: Collection[Part]
) -> tuple[dict[str, bytes], list[str]]:
    """The changed parts as they are stored, and the fields of samples that are gone."""
    kept = {_field(p): pack(samples[p[0]].part(p[1])) for p in changed if p[0] in samples}
    return kept, [_field(part) for part in changed if part[0] not in samples]


def unpacked_samples(fields: Mapping[str, bytes], what: str) -> dict[str, RowSample]:
    """The samples of all models of these fields; `what` names them in an error.

    Raises:
        StateFormatError: a newer version wrote a part.
    """
    parts: dict[str, dict[int, Any]] = defaultdict(dict)
    for field, data in fields.items():
        model, number = split_names(field)
        parts[model][int(number)] = unpack(data, what)
    return {model: RowSample.restore(found) for model, found in parts.items()}


def _field(part: Part) -> str:
    model, number = part
    return join_names(model, str(number))
