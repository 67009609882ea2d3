"""Settings of the bridge: foreign topics of single JSON events, and how their keys map to ours."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, model_validator

from inferwatch.events.kinds import Kind
from inferwatch.events.label import Label
from inferwatch.events.latency import Latency
from inferwatch.events.prediction import Prediction
from inferwatch.events.resource import RESOURCE_METRICS, Resource
from inferwatch.json_path import JsonPath
from inferwatch.settings.section import Remark, Section, SectionError
from inferwatch.settings.types import Address, Text

_RECORDS = {
    Kind.PREDICTION: Prediction,
    Kind.LATENCY: Latency,
    Kind.RESOURCE: Resource,
    Kind.LABEL: Label,
}
NUMBER_KEYS = frozenset(
    {
        "latency_ms",
        "status",
        "rows",
        "request_bytes",
        "response_bytes",
        "ttft_ms",
        "tokens_in",
        "tokens_out",
        *RESOURCE_METRICS,
    }
)
"""Keys whose constants are numbers."""
_NUMBER = re.compile(r"\d+(\.\d+)?")
_MAPPINGS = ("features", "scores", "segment")
# The bridge knows who sent a record (topic and partition): no event has to say it.
_KNOWN_TO_THE_BRIDGE = ("origin",)


class BridgeTopic(Section):
    """One foreign topic."""

    topic: Annotated[Text, Field(min_length=1)]
    """The topic that is read; `topics.prefix` is not put in front."""
    kind: Kind
    """What its events are: prediction, latency, label or resource."""
    map: dict[str, Text] = {}
    """Our key: a JSONPath into the event ($.x.y), or a constant (=fraud). Absent: the same keys."""

    @model_validator(mode="after")
    def _map_makes_an_event(self) -> BridgeTopic:
        remarks = list(self._map_mistakes())
        if remarks:
            raise SectionError(*remarks)
        return self

    def _map_mistakes(self) -> Iterator[Remark]:
        fields = dataclasses.fields(_RECORDS[self.kind])
        names = [f.name for f in fields]
        for key, source in self.map.items():
            head, dot, _ = key.partition(".")
            if head not in names or (dot and head not in _MAPPINGS):
                yield Remark(
                    ("map", key), f"no key of a {self.kind}; allowed are {', '.join(names)}"
                )
            elif (mistake := _source_mistake(head, source)) is not None:
                yield Remark(("map", key), mistake)
        if not self.map:
            return
        for f in fields:
            needed = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
            if needed and f.name not in self.map and f.name not in _KNOWN_TO_THE_BRIDGE:
                yield Remark(("map",), f"`{f.name}` is missing; every {self.kind} needs it")


def _source_mistake(key: str, source: str) -> str | None:
    """What is wrong with a path or a constant."""
    if source.startswith("="):
        if key == "ts":
            return "every event has a time of its own; allowed is a path ($.key)"
        if key in NUMBER_KEYS and not _NUMBER.fullmatch(source[1:]):
            return f"{source!r} is no number; allowed are $.key and =200"
        return None
    if not source.startswith("$"):
        return f"{source!r} is neither a path nor a constant; allowed are $.key and =value"
    try:
        JsonPath.parse(source)
    except ValueError as error:
        return str(error)
    return None


class BridgeSettings(Section):
    """Foreign topics of single JSON events that are republished in columns."""

    topics: tuple[BridgeTopic, ...] = ()
    """The foreign topics."""
    admin: Address | None = None
    """Address of /healthz and /metrics; absent: none."""

    @model_validator(mode="after")
    def _topics_differ(self) -> BridgeSettings:
        names = [t.topic for t in self.topics]
        remarks = [
            Remark(("topics", i, "topic"), f"{name!r} is bridged twice; allowed is once a topic")
            for i, name in enumerate(names)
            if name in names[:i]
        ]
        if remarks:
            raise SectionError(*remarks)
        return self
