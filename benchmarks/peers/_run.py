"""Run one peer in its own interpreter: `python -P _run.py NAME FOLDER WINDOW ROUNDS`.

`NAME.py` beside this file has `prepare(reference, windows)`, which gives the work that is timed,
and `numbers(answer)`: for each window the numbers that are compared, by feature and by the name of
the field that means the same here. Printed as JSON are the version, the least CPU seconds, and
these numbers.

Nothing of this project is imported: it is not installed beside the peer. `-P`, since a script that
has the name of the package must not be imported in its place.
"""

import contextlib
import gc
import importlib.metadata
import json
import logging
import runpy
import sys
import time
import warnings
from pathlib import Path

import pyarrow.parquet


def main(name: str, folder: Path, window: int, rounds: int) -> None:
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore")
    peer = runpy.run_path(str(Path(__file__).with_name(f"{name}.py")))
    reference = pyarrow.parquet.read_table(folder / "reference.parquet")
    rows = pyarrow.parquet.read_table(folder / "rows.parquet")
    windows = [rows.slice(first, window) for first in range(0, len(rows), window)]
    seconds = []
    # Whatever the peer prints would spoil the answer.
    with contextlib.redirect_stdout(sys.stderr):
        work = peer["prepare"](reference, windows)
        gc.collect()
        gc.freeze()
        for _ in range(rounds):
            start = time.process_time()
            answer = work()
            seconds.append(time.process_time() - start)
        numbers = peer["numbers"](answer)
    version = importlib.metadata.version(name)
    print(json.dumps({"version": version, "seconds": min(seconds), "numbers": numbers}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
