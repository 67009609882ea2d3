"""Which encoding a record has: by its `content-type` header, else by its first byte."""

from __future__ import annotations

from enum import Enum

from inferwatch.errors import RejectedEventError
from inferwatch.events.arrow_framing import MAGIC
from inferwatch.events.kinds import ARROW_STREAM, CLOUDEVENTS_JSON, CONTENT_TYPE, JSON


class Encoding(Enum):
    """How the value of a record is written."""

    JSON = JSON
    CLOUDEVENT = CLOUDEVENTS_JSON
    ARROW = ARROW_STREAM


_BY_MEDIA_TYPE = {encoding.value: encoding for encoding in Encoding}


def encoding_of(headers: tuple[tuple[str, bytes], ...], value: bytes) -> Encoding:
    r"""The encoding of a value.

    Only the media type of the header counts, in any case, whatever its parameters. Without the
    header, what does not begin like Arrow is taken for JSON, which then says what is wrong.

    Raises:
        RejectedEventError: `content_type`, for a media type that is none of the three.

    >>> encoding_of((("content-type", b"Application/JSON; charset=utf-8"),), b"")
    <Encoding.JSON: 'application/json'>
    >>> encoding_of((), b"\xff\xff\xff\xff...")
    <Encoding.ARROW: 'application/vnd.apache.arrow.stream'>
    """
    stated: bytes | None = None
    for name, content in headers:
        if content is not None and name.lower() == CONTENT_TYPE:
            stated = content
    if stated is None:
        return Encoding.ARROW if value.startswith(MAGIC) else Encoding.JSON
    media_type = stated.partition(b";")[0].strip().lower().decode("utf-8", "replace")
    encoding = _BY_MEDIA_TYPE.get(media_type)
    if encoding is None:
        known = ", ".join(_BY_MEDIA_TYPE)
        raise RejectedEventError(
            "content_type", CONTENT_TYPE, f"{media_type[:80]!r} is not known; send one of {known}"
        )
    return encoding
