"""A silence as JSON: in Redis, and in the answers of `inferwatch silence`."""

from __future__ import annotations

import orjson

from consumers.notifier.stages.silence import Silence
from inferwatch.settings.notify.matchers import Matcher, Operator


def silence_to_json(silence: Silence) -> bytes:
    """The silence as one object."""
    return orjson.dumps(
        {
            "id": silence.id,
            "matchers": [[m.name, m.operator, m.value] for m in silence.matchers],
            "starts_at": silence.starts_at,
            "ends_at": silence.ends_at,
            "created_by": silence.created_by,
            "comment": silence.comment,
        }
    )


def silence_from_json(data: bytes) -> Silence:
    """The silence that `silence_to_json` wrote."""
    plain = orjson.loads(data)
    matchers = tuple(Matcher(n, Operator(op), v) for n, op, v in plain.pop("matchers"))
    return Silence(matchers=matchers, **plain)
