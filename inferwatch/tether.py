"""Start a process that cannot outlive its parent, also when the parent is killed with SIGKILL.

The kernel does it (Linux, `PR_SET_PDEATHSIG`): this file, run as a script, asks for the signal
and then becomes the wanted program. A few lines in the child are used, rather than Popen's
`preexec_fn`, because that runs Python between fork and exec, which can hang a program with threads.

Guarantee: when the thread that called `start` ends, the child gets SIGKILL: so call it from a
thread that lives as long as the child may, best the main one. Elsewhere than on Linux a child of
a killed parent lives on. Costs about 15 ms a start.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing's own, without the 5 ms of importing it in every child
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import IO

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_SIGKILL = 9


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    output: int | IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `argv` in a process group of its own, tied to this thread's life.

    Args:
        argv: the program, looked up on the PATH, and its arguments.
        env: the whole environment; None: this process's.
        cwd: its working directory; None: this process's.
        output: where standard output and error go, as Popen takes it; None: where ours go.

    Raises:
        FileNotFoundError: there is no such program.
    """
    import shutil
    import subprocess

    path = (env or os.environ).get("PATH")
    if shutil.which(argv[0], path=path) is None:
        raise FileNotFoundError(f"{argv[0]}: no such program on the PATH")
    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(os.getpid()), *argv],
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output if output is None else subprocess.STDOUT,
        process_group=0,  # the terminal's Ctrl-C reaches the parent alone, which ends the child
    )


def _become(parent: int, argv: list[str]) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
