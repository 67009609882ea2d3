"""A program that tells from several processes, and never flushes: run with a monitor's options.

It prints the number of the process that told each prediction: its own, before and after; a forked
child's, which ends as Python programs do; and a child's of multiprocessing.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys

from inferwatch.sdk import Monitor

ROWS = 5


def tell(monitor: Monitor) -> None:
    for _ in range(ROWS):
        monitor.log(features={"pid": os.getpid()}, prediction=1, latency_ms=1)
    print(os.getpid(), flush=True)


def main() -> None:
    monitor = Monitor(**json.loads(sys.argv[1]))
    tell(monitor)
    assert monitor.flush(20), "the parent's connection stands when it forks"
    child = os.fork()
    tell(monitor)
    if child == 0:
        return
    assert os.waitpid(child, 0)[1] == 0
    worker = multiprocessing.get_context("fork").Process(target=tell, args=(monitor,))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    tell(monitor)


if __name__ == "__main__":
    main()
