"""How fast do the counters count, beside other tools that look at the same rows?

    python -m benchmarks.fold_peers [--rows 50000] [--rounds 2] [--install] [NAME …]

The rows of `fold_core`, in windows of 12,500 of which the last has drifted, and a reference of
50,000 are written to a Parquet file once; no value is missing. Each peer reads them in an
interpreter of its own, since their requirements contradict one another's and ours: `--install`
makes it, by `python -m venv .peers/NAME && .peers/NAME/bin/pip install` of what `PEERS` says.

What a peer does is in `benchmarks/peers/NAME.py`: of what it has, what comes nearest. None does
quite the same as ours, which counts batches of 1,024 rows, works out all results, and has latency
and quality to count beside the features. Timed is the work on rows that lie in memory in the form
that each takes, without reading, imports and what can be prepared of the reference.

Where a peer's number means the same as one of ours, both are compared before its figure is printed.
A peer that is absent, fails, or says another number is one line that says so.

CPU seconds, all threads together; the best of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from benchmarks._fold_input import CATEGORIES, WINDOW, Rows, batches_of
from benchmarks.fold_core import Stopwatch, fold
from pipeline.reference.builder import profile_of

SCRIPTS = Path(__file__).parent / "peers"
FOLDER = Path(__file__).parents[1] / ".peers"
PEERS = {
    # What pip is asked for: the newest whose own requirements leave open what they cannot do with.
    "evidently": ("evidently", "pandas<3", "pyarrow"),
    "nannyml": ("nannyml", "statsmodels", "pyarrow"),
    "river": ("river", "pyarrow"),
    "whylogs": ("whylogs", "numpy<2", "pandas<3", "pyarrow<20"),
}
ENVIRONMENT = {
    # It may have its threads spin beside the one that works.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # A benchmark is no use that anyone need be told of.
    "DO_NOT_TRACK": "1",
    "NML_DISABLE_USAGE_LOGGING": "1",
    "WHYLOGS_NO_ANALYTICS": "True",
}

Numbers = list[dict[str, dict[str, Any]]]
"""Of each window: by feature, by the name of a field of its block."""

TOLERANCES: dict[str, tuple[float, float]] = {
    # Relative, absolute. What is counted or picked must be equal.
    "count": (0, 0),
    "missing": (0, 0),
    "min": (0, 0),
    "max": (0, 0),
    "mean": (1e-9, 0),
    # Some divide by n - 1, which is 4e-5 of the deviation at this size.
    "std": (1e-4, 0),
    # Ours may be less by 1/256; theirs is an estimate too from 10,000 rows of reference on.
    "ks": (0, 1 / 256),
    "js": (1e-6, 1e-9),
    "wasserstein": (0.05, 0.01),
    # Both are estimates: their sketch, our cells.
    "p50": (0.05, 0.05),
}


class Disagreement(Exception):
    """A peer's number is not ours."""


def drifted(rows: Rows) -> Rows:
    """The numbers of the last window a little off, for distances that are more than noise."""
    for numbers in rows.numbers:
        numbers[-WINDOW:] = numbers[-WINDOW:] * 1.1 + 0.3
    return rows


def write(rows: Rows, path: Path) -> None:
    """The features, as a Parquet file with texts for categories."""
    names = np.array(CATEGORIES, object)
    columns = {f"n{i}": pa.array(numbers) for i, numbers in enumerate(rows.numbers)}
    columns |= {f"c{i}": pa.array(names[codes]) for i, codes in enumerate(rows.codes)}
    pyarrow.parquet.write_table(pa.table(columns), path)


def compare(theirs: Numbers, ours: list[dict[str, Any]]) -> Counter[str]:
    """How many numbers of each kind were found to be the same.

    Raises:
        Disagreement: one is not, or there is none.
    """
    same: Counter[str] = Counter()
    for at, (window, blocks) in enumerate(zip(theirs, ours, strict=True)):
        for feature, numbers in window.items():
            for name, other in numbers.items():
                mine = getattr(blocks[feature], name)
                if not _same(name, mine, other):
                    where = f"window {at}, {feature}, {name}"
                    raise Disagreement(f"{where}: it says {other}, we say {mine}")
                same[name] += 1
    if not same:
        raise Disagreement("no number of it could be compared")
    return same


def _same(name: str, mine: Any, other: Any) -> bool:
    if name == "top":
        # A likeliest name, of which there may be two, and its share, which may be a sketch's.
        text, share = other
        return all(abs(ours - share) <= 0.005 for ours in (mine[0][1], dict(mine).get(text, 0)))
    relative, absolute = TOLERANCES[name]
    return bool(abs(mine - other) <= max(relative * abs(mine), absolute))


def install(name: str) -> None:
    """Make the peer's environment; pip says itself what it cannot do, and then the peer fails."""
    python = FOLDER / name / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", FOLDER / name], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS[name]], check=False)


def ask(name: str, folder: Path, rounds: int) -> dict[str, Any]:
    """What the peer's own interpreter says.

    Raises:
        subprocess.CalledProcessError: it failed; `stderr` says why.
    """
    argv = [FOLDER / name / "bin" / "python", "-P", SCRIPTS / "_run.py", name, folder]
    done = subprocess.run(
        [*map(str, argv), str(WINDOW), str(rounds)],
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def figure(name: str, folder: Path, rounds: int, rows: int, ours: list[dict[str, Any]]) -> str:
    """The line that is printed of a peer."""
    if not (FOLDER / name / "bin" / "python").exists():
        needs = shlex.join(PEERS[name])
        return f"absent: python -m venv .peers/{name} && .peers/{name}/bin/pip install {needs}"
    try:
        answer = ask(name, folder, rounds)
        same = compare(answer["numbers"], ours)
    except subprocess.CalledProcessError as error:
        return f"failed: {(error.stderr.strip().splitlines() or [error])[-1]}"
    except (subprocess.TimeoutExpired, Disagreement) as error:
        return f"no figure: {error}"
    compared = ", ".join(f"{count} {what}" for what, count in same.items())
    return f"{answer['version']}: {rows / answer['seconds']:,.0f} (the same: {compared})"


def main() -> None:
    """Measure ours, then each peer."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PEERS))
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--install", action="store_true", help="install what the peers lack")
    arguments = parser.parse_args()
    # Whole windows only: so that each holds the same number of rows.
    size = max(arguments.rows // WINDOW, 1) * WINDOW
    rows, sample = drifted(Rows(size, np.float64, seed=1)), Rows(50_000, np.float64, seed=2)
    reference = profile_of(sample.columns(0, sample.size))
    batches = batches_of(rows, 1_024)
    watch = Stopwatch()
    for _ in range(max(arguments.rounds, 5)):
        counted = watch.time("ours", lambda: fold(batches, reference))
        ours = watch.time("results", lambda: [window.results() for window in counted])  # noqa: B023
    print(f"{size:,} rows of 16 numeric and 4 categorical features, {size // WINDOW} windows")
    print("rows a CPU-second")
    print(f"ours: {size / (watch.best['ours'] + watch.best['results']):,.0f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        write(rows, Path(folder) / "rows.parquet")
        write(sample, Path(folder) / "reference.parquet")
        for name in arguments.names or PEERS:
            if arguments.install:
                install(name)
            told = figure(name, Path(folder), arguments.rounds, size, ours)
            print(f"{name} {told}", flush=True)


if __name__ == "__main__":
    main()
