"""An acknowledgement: somebody on call has seen an incident and works on it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """Who took an incident, when (ms since the epoch), and what they said.

    Until the incident resolves, people are not told of it again; its end they are told.
    """

    incident: str
    at: int
    by: str
    comment: str


def acknowledgement_to_json(acknowledgement: Acknowledgement) -> bytes:
    """The acknowledgement as one object.

    >>> ack = Acknowledgement(incident="i", at=1, by="ann", comment="on it")
    >>> acknowledgement_from_json(acknowledgement_to_json(ack)) == ack
    True
    """
    return orjson.dumps(asdict(acknowledgement))


def acknowledgement_from_json(data: bytes) -> Acknowledgement:
    """The acknowledgement that `acknowledgement_to_json` wrote."""
    return Acknowledgement(**orjson.loads(data))
