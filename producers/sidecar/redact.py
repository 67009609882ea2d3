"""What must not leave this process: names that are left out, values that are hashed.

Redacted names hold everywhere (features, outputs, scores, segments); a redacted or denied
feature's *value* is also looked for in ids, segments, predictions and error texts, because
clients put what they know into them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TypeVar

from inferwatch.events.canonical import value_text
from inferwatch.settings.sidecar import SidecarFeatureSettings
from producers.sidecar.protocols.protocol import Value

T = TypeVar("T")

MASK = "[redacted]"
# A value of one or two characters stands in any text by chance.
_SHORTEST_SECRET = 3


class Redactor:
    """Decides by name, and finds values again.

    >>> settings = SidecarFeatureSettings(deny=("ssn",), hash=("user_id",))
    >>> redactor = Redactor(settings, ("email",))
    >>> kept, secrets = redactor.features({"email": "a@b.c", "ssn": "078-05", "amount": 1})
    >>> kept, redactor.scrub("078-05 is unknown", secrets)
    ({'amount': 1}, '[redacted] is unknown')
    """

    def __init__(self, features: SidecarFeatureSettings, redact: Iterable[str]) -> None:
        """Read the rules once; what they say about a name is remembered."""
        self._redact = tuple(pattern.lower() for pattern in redact)
        self._features = features
        key = features.hash_key
        self._key = key.get_secret_value().encode()[:64] if key is not None else b""
        self.hides = lru_cache(maxsize=4096)(self._hides)
        self._fate = lru_cache(maxsize=4096)(self._decide)
        self.has_rules = bool(redact) or features.deny != () or features.allow != ("*",)
        self.is_idle = not self.has_rules and not features.hash

    def features(self, row: Mapping[str, Value]) -> tuple[dict[str, Value], list[str]]:
        """What is left of a row's features, and the texts of the values that were taken out."""
        kept: dict[str, Value] = {}
        secrets: list[str] = []
        for name, value in row.items():
            fate = self._fate(name)
            if fate == "keep":
                kept[name] = value
                continue
            if isinstance(value, (str, int, float)):
                text = value_text(value)
                if len(text) >= _SHORTEST_SECRET:
                    secrets.append(text)
                if fate == "hash":
                    kept[name] = self._hashed(text)
            elif fate == "hash" and value is not None:
                kept[name] = None
        # The longest first: one that holds another must not leave its rest behind.
        return kept, sorted(secrets, key=len, reverse=True)

    def without_hidden(self, named: Mapping[str, T]) -> Mapping[str, T]:
        """Outputs or scores without those whose names are redacted."""
        if not self._redact:
            return named
        return {name: value for name, value in named.items() if not self.hides(name)}

    def scrub(self, text: str, secrets: Iterable[str]) -> str:
        """The text without those values."""
        for secret in secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        return text

    def _hashed(self, text: str) -> str:
        return hashlib.blake2b(
            text.encode(errors="replace"), digest_size=8, key=self._key
        ).hexdigest()

    def _hides(self, name: str) -> bool:
        """Whether a name is redacted: as a whole, or as a part between dots."""
        lower = name.lower()
        candidates = {lower, *lower.split(".")}
        return any(fnmatchcase(c, pattern) for pattern in self._redact for c in candidates)

    def _decide(self, name: str) -> str:
        features = self._features
        if self._hides(name) or _any(features.deny, name) or not _any(features.allow, name):
            return "drop"
        return "hash" if _any(features.hash, name) else "keep"


def _any(patterns: Iterable[str], name: str) -> bool:
    """Whether a pattern is the name, one of its parents, or a glob of it."""
    return any(fnmatchcase(name, pattern) or name.startswith(pattern + ".") for pattern in patterns)
