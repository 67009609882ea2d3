"""Who sends: a name for one process, never used again."""

from __future__ import annotations

import os
import socket


def new_origin(part: str) -> str:
    """`PART-HOST-PID-RANDOM`: readable, and new with every start.

    >>> new_origin("sidecar").split("-")[0]
    'sidecar'
    """
    return f"{part}-{socket.gethostname()[:40]}-{os.getpid()}-{os.urandom(6).hex()}"
