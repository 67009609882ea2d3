"""How fast is a replay from Parquet, beside pandas and scipy over the same file?

    python -m benchmarks.replay [--rows 2000000] [--a-window 12500]

A seeded file of 16 numeric and 4 categorical features, scores and a prediction, so many rows a
window of a minute (a window's result costs the same however many they are), and a reference of
50,000 rows. Both read the file and give, for each window
and feature, mean, std, percentiles, KS and PSI (chi-square for categories); the answers are
compared before any figure is printed. CPU seconds of one process, reading included.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.stats

from inferwatch.events.json_codec import dumps
from inferwatch.settings import load
from pipeline.columns import Column
from pipeline.reference.builder import BuildSpec, profile_of
from pipeline.replay.backtest import Inputs, backtest

START = 1_764_000_000_000
CATEGORIES = tuple(f"v{i}" for i in range(20))
NUMERIC = tuple(f"n{i}" for i in range(16))
CATEGORICAL = tuple(f"c{i}" for i in range(4))
CONFIG = """
defaults: {windows: [1m], lateness: 0s, reference: {learn: "off"}}
models: [{name: bench, task: multiclass}]
rules: []
"""


def columns(size: int, seed: int) -> dict[str, Any]:
    """Seeded features."""
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    for i, name in enumerate(NUMERIC):
        found[name] = (rng.normal(size=size) if i % 2 else rng.lognormal(size=size)) + i
    weights = np.arange(20, 0, -1) / 210
    for name in CATEGORICAL:
        found[name] = rng.choice(20, size, p=weights).astype(np.int32)
    return found


def write_events(path: Path, features: dict[str, Any], size: int, a_window: int) -> None:
    """The events as a Parquet file, as another tool would write it."""
    rng = np.random.default_rng(3)
    table: dict[str, Any] = {
        "ts": START + np.arange(size) * 60_000 // a_window,
        "model": pa.array(["bench"] * size),
        "prediction": pa.DictionaryArray.from_arrays(
            rng.integers(0, 3, size, np.int32), ["a", "b", "c"]
        ),
        "scores.a": rng.random(size),
    }
    for name in NUMERIC:
        table[f"features.{name}"] = features[name]
    for name in CATEGORICAL:
        table[f"features.{name}"] = pa.DictionaryArray.from_arrays(features[name], CATEGORIES)
    pq.write_table(pa.table(table), path)


def yardstick(path: Path, sample: dict[str, Any]) -> list[dict[str, float]]:
    """The same by pandas and scipy."""
    frame = pd.read_parquet(path)
    edges = {name: np.quantile(sample[name], np.arange(0.1, 0.95, 0.1)) for name in NUMERIC}
    known = {name: np.bincount(sample[name], minlength=20) for name in CATEGORICAL}
    shares = {
        name: np.histogram(sample[name], [-np.inf, *edges[name], np.inf])[0] / len(sample[name])
        for name in NUMERIC
    }
    results = []
    for _, rows in frame.groupby(frame["ts"] // 60_000):
        result: dict[str, float] = {}
        for name in NUMERIC:
            values = rows[f"features.{name}"]
            p = np.maximum(shares[name], 1e-4)
            q = np.histogram(values, [-np.inf, *edges[name], np.inf])[0] / len(values)
            q = np.maximum(q, 1e-4)
            result[f"{name}.mean"] = values.mean()
            result[f"{name}.std"] = values.std(ddof=0)
            values.quantile([0.05, 0.5, 0.95])
            test = scipy.stats.ks_2samp(values, sample[name], method="asymp")
            result[f"{name}.ks"] = test.statistic
            result[f"{name}.psi"] = float(((q - p) * np.log(q / p)).sum())
        for name in CATEGORICAL:
            counts = rows[f"features.{name}"].value_counts().reindex(CATEGORIES).to_numpy()
            table = np.stack([known[name], counts])
            test = scipy.stats.chi2_contingency(table, correction=False)
            result[f"{name}.chi2"] = test.statistic
        rows["scores.a"].mean()
        rows["prediction"].value_counts()
        results.append(result)
    return results


def check(windows: list[dict[str, Any]], theirs: list[dict[str, float]]) -> None:
    """Both must say the same: a fast wrong answer is no answer."""
    assert len(windows) == len(theirs)
    for window, other in zip(windows, theirs, strict=True):
        for name, value in other.items():
            feature, _, measure = name.partition(".")
            ours = window["features"][feature][measure]
            allowed = {"ks": 1 / 256, "psi": 5e-3}.get(measure, 1e-6 * max(1.0, abs(value)))
            assert abs(ours - value) <= allowed, (name, ours, value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--a-window", type=int, default=12_500)
    options = parser.parse_args()
    size = options.rows
    with tempfile.TemporaryDirectory() as folder:
        path, reference = Path(folder) / "events.parquet", Path(folder) / "reference.json"
        write_events(path, columns(size, 1), size, options.a_window)
        sample = columns(50_000, 2)
        profile = profile_of(
            {n: Column(50_000, numbers=sample[n]) for n in NUMERIC}
            | {n: Column(50_000, codes=sample[n], texts=CATEGORIES) for n in CATEGORICAL},
            BuildSpec(model="bench"),
        )
        reference.write_bytes(dumps(profile))
        settings = load(None, text=CONFIG)
        start = time.process_time()
        theirs = yardstick(path, sample)
        slow = time.process_time() - start
        out = io.BytesIO()
        start = time.process_time()
        inputs = Inputs(predictions=[path], references=[reference])
        outcome = backtest(settings, inputs, now_ms=START * 2, windows=out)
        fast = time.process_time() - start
        assert outcome.summary.rows == size
        check([json.loads(line) for line in out.getvalue().splitlines()], theirs)
    print(f"{size:,} rows of 16 numeric and 4 categorical features in {len(theirs)} windows")
    print(f"pandas and scipy {size / slow:14,.0f} rows a CPU-second")
    print(f"replay           {size / fast:14,.0f} rows a CPU-second ({slow / fast:.1f} x)")


if __name__ == "__main__":
    main()
