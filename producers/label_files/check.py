"""Which rows of a file are labels."""

from __future__ import annotations

from inferwatch.errors import RejectedEventError
from inferwatch.events.fields.answers import label_text
from inferwatch.events.fields.ids import event_id
from inferwatch.events.fields.timestamps import event_time
from inferwatch.events.label import Label
from producers.label_files.files import FileRow

# A batch has many rows; one that is nearly as large as a whole event may be has no place there.
_LARGEST_PART = 4


def checked_label(row: FileRow, *, latest: int, event_bytes: int) -> Label:
    """The label that a row holds, by the rules that the worker applies.

    Args:
        row: of the file.
        latest: the latest time that is not in the future, in milliseconds since the epoch.
        event_bytes: `limits.event_bytes`.

    Raises:
        RejectedEventError: the worker would refuse it.

    >>> row = FileRow("line 2", 17, 1764000000000, "late")
    >>> checked_label(row, latest=1764000000000, event_bytes=1048576)
    Label(id='17', ts=1764000000000, label='late')
    """
    if row.fault is not None:
        raise row.fault
    ts = event_time(row.ts, latest)
    found = event_id(row.id)
    if found is None:
        raise RejectedEventError("malformed", "id", "a label without an id joins nothing")
    text = label_text(row.label)
    if len(found) + len(text) > event_bytes // _LARGEST_PART:
        raise RejectedEventError("oversized", "", "its id and label are too long")
    return Label(id=found, ts=ts, label=text)
