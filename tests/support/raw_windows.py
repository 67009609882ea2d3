"""Raw rows of all shapes, folded into a window in an order and by a cut that a seed draws.

The rows come in batches, from several panes of as many partitions; half of the panes are stored and
read back before they are merged.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from window_oracle import SLOW_MS

from inferwatch.events.reference import ReferenceProfile
from inferwatch.events.window import WindowResult
from pipeline.columns import Column
from pipeline.decode.column_values import column_of
from pipeline.reference.builder import BuildSpec, profile_of
from pipeline.state.packing import pack, unpack
from pipeline.windows.counting import CountingRules
from pipeline.windows.grid import Span
from pipeline.windows.pane import Counts
from pipeline.windows.result import WindowKey, window_result

Values = list[object]
Draw = Callable[[np.random.Generator, int], np.ndarray]

NUMBERS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "lognormal": lambda rng, n: rng.lognormal(0, 2, n),
    "uniform": lambda rng, n: rng.uniform(-1, 3, n),
    "cauchy": lambda rng, n: rng.standard_cauchy(n),
    "zipf": lambda rng, n: np.minimum(rng.zipf(1.5, n), 10**9).astype(float),
    "constant": lambda rng, n: np.full(n, 7.25),
    "ties": lambda rng, n: rng.integers(0, 12, n).astype(float),
    "mostly zero": lambda rng, n: np.where(rng.random(n) < 0.72, 0.0, rng.exponential(size=n)),
    "large": lambda rng, n: 1e12 + rng.normal(0, 0.1, n),
    "tiny": lambda rng, n: rng.normal(0, 1e-9, n),
    "two spikes": lambda rng, n: rng.choice([0.1, 0.7, -0.3], n),
}
TEXTS = {
    "two texts": lambda rng, n: [f"t{i}" for i in rng.integers(0, 2, n)],
    "thousand texts": lambda rng, n: [f"t{i}" for i in rng.permutation(np.arange(n) % 1000)],
    "zipf texts": lambda rng, n: [f"t{min(i, 900)}" for i in rng.zipf(1.3, n)],
}
BINARY = ("no", "yes")
THREE = ("a", "b", "c")
RULES = {
    task: CountingRules(
        task=task,
        classes=(),
        positive="yes" if task == "binary" else None,
        max_categories=2_000,
        categorical=frozenset(),
    )
    for task in ("binary", "multiclass", "regression")
}
SPAN = Span(end=120_000, size=60_000, text="1m")


@dataclass
class Raw:
    """The raw rows of a window, or of a reference: a value a row, None where it is missing."""

    features: dict[str, Values]
    prediction: Values
    scores: dict[str, np.ndarray]


def classes_of(task: str) -> tuple[str, ...]:
    return BINARY if task == "binary" else THREE


def draw(rng: np.random.Generator, rows: int, task: str, dtype: type) -> Raw:
    features: dict[str, Values] = {
        name: made(rng, rows).astype(dtype).astype(float).tolist() for name, made in NUMBERS.items()
    }
    features |= {name: list(made(rng, rows)) for name, made in TEXTS.items()}
    if task == "regression":
        return Raw(features, rng.normal(50, 9, rows).tolist(), {})
    classes = classes_of(task)
    shares = rng.dirichlet(np.arange(1, len(classes) + 1), rows)
    scores = {name: shares[:, i].copy() for i, name in enumerate(classes)}
    return Raw(features, [classes[i] for i in shares.argmax(axis=1)], scores)


def spoil(rng: np.random.Generator, raw: Raw) -> None:
    """Rows without a value, numbers that are none, texts where a number belongs."""
    rows = len(raw.prediction)
    for name in ("normal", "ties"):
        for bad in (None, math.nan, math.inf, "text", None):
            raw.features[name][int(rng.integers(rows))] = bad
    for name in TEXTS:
        raw.features[name][int(rng.integers(rows))] = None
        raw.features[name][int(rng.integers(rows))] = "never seen"
    raw.features["uniform"] = [None] * rows
    raw.features["two texts"] = [None] * rows


def columns(values: Mapping[str, Sequence[object]], rows: Sequence[int], dtype: type):
    """The columns of some rows, numbers in this width."""
    made = {name: column_of([column[row] for row in rows]) for name, column in values.items()}
    return {
        name: column
        if column.numbers is None
        else dataclasses.replace(column, numbers=column.numbers.astype(dtype))
        for name, column in made.items()
    }


def profile(raw: Raw, task: str) -> ReferenceProfile:
    rows = range(len(raw.prediction))
    table = columns(raw.features | {"prediction": raw.prediction}, rows, float)
    table |= {f"scores.{name}": Column(len(rows), numbers=s) for name, s in raw.scores.items()}
    return profile_of(table, BuildSpec(task=task))


def window(
    seed: int,
    raw: Raw,
    task: str,
    reference: ReferenceProfile | None,
    dtype: type = float,
    add: Callable[[Counts, np.ndarray], None] = lambda counts, rows: None,
) -> WindowResult:
    """Fold the rows in some order, cut somehow; `add` counts what comes beside predictions."""
    rng = np.random.default_rng(seed)
    rules = RULES[task]
    rows = len(raw.prediction)
    panes = []
    for part in np.array_split(rng.permutation(rows), 4):
        counts = Counts(rules)
        for batch in np.array_split(part, int(rng.integers(1, 5))):
            counts.rows += len(batch)
            counts.joinable += len(batch)
            taken = {name: column[batch] for name, column in raw.scores.items()}
            counts.against(reference).update(
                columns(raw.features, batch, dtype),
                column_of([raw.prediction[row] for row in batch]),
                {name: Column(len(batch), numbers=score) for name, score in taken.items()},
            )
            add(counts, batch)
        if rng.random() < 0.5:
            known = {} if reference is None else {reference.fingerprint: reference}
            counts = Counts.restore(unpack(pack(counts.snapshot()), "a pane"), known, rules)
        panes.append(counts)
    whole = Counts(rules)
    for place in rng.permutation(len(panes)):
        whole.merge(panes[place])
    fingerprint = None if reference is None else reference.fingerprint
    key = WindowKey(SPAN, "7", "")
    return window_result("m", key, whole, reference=fingerprint, slow_ms=SLOW_MS)
