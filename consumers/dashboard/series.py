"""What a series is named after: one model, version, segment and window."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import orjson

from inferwatch.events.window import WindowResult
from inferwatch.settings.types import parse_window


@dataclass(frozen=True, slots=True)
class SeriesId:
    """The key of a series; `segment` None is the whole model.

    >>> s = SeriesId("fraud", "7", None, "15m/1m")
    >>> s.text
    '["fraud","7",null,"15m/1m"]'
    >>> SeriesId.parse(s.text) == s
    True
    >>> s.slide_ms
    60000
    """

    model: str
    version: str
    segment: str | None
    window: str

    @classmethod
    def of(cls, result: WindowResult) -> SeriesId:
        """The series that a result belongs to."""
        return cls(result.model, result.version, result.segment, result.window)

    @classmethod
    def parse(cls, text: str | bytes) -> SeriesId:
        """The series of a `text`."""
        return cls(*orjson.loads(text))

    @property
    def text(self) -> str:
        """Unambiguous for any name: a JSON array."""
        return orjson.dumps([self.model, self.version, self.segment, self.window]).decode()

    @property
    def digest(self) -> str:
        """16 hex digits for Redis keys, which stay short whatever a model is called."""
        return hashlib.blake2b(self.text.encode(), digest_size=8).hexdigest()

    @property
    def slide_ms(self) -> int:
        """Milliseconds from one window's start to the next one's."""
        return parse_window(self.window).slide

    @property
    def size_ms(self) -> int:
        """Milliseconds that one window covers."""
        return parse_window(self.window).size
