"""What a dead process left in its folder: whole entries are kept, torn ends are cut off."""

from __future__ import annotations

import errno
import logging
from pathlib import Path

from inferwatch.events.kinds import Kind
from producers.batching import Drop
from producers.counters import Counters
from producers.delivery import TOPICS
from producers.spool.segment import DAMAGED, Segment, UnknownFormatError

log = logging.getLogger("inferwatch.spool")


def recover(folder: Path, counters: Counters) -> dict[Kind, list[Segment]]:
    """The files of each topic, in order; what cannot be read is told of, and left as it is.

    Raises:
        OSError: the folder cannot be listed.
    """
    found: dict[Kind, list[Segment]] = {}
    for segment in Segment.found(folder):
        try:
            tear = segment.recover()
        except UnknownFormatError:
            log.error("%s is of a later version: it is left as it is", segment.path)
            continue
        except OSError as error:
            count_error(counters, error)
            log.error("%s cannot be read (%s): it is left as it is", segment.path, error)
            continue
        finally:
            segment.close()
        if tear is not None:
            counters.add("spool_cut_bytes_total", tear.size)
            count_dropped(counters, segment.kind, Drop(tear.rows, DAMAGED))
        found.setdefault(segment.kind, []).append(segment)
    return found


def count_dropped(counters: Counters, kind: Kind, drop: Drop) -> None:
    """Count rows that will never reach Kafka."""
    counters.add("rows_dropped_total", drop.rows, topic=TOPICS[kind].name, reason=drop.reason)


def count_error(counters: Counters, error: OSError) -> None:
    """Count a failure of the disk, by its name (`ENOSPC`)."""
    name = errno.errorcode.get(error.errno or 0, type(error).__name__)
    counters.add("spool_errors_total", error=name)
