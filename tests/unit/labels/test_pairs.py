"""Pairs sorted into panes: what each pane counts is what its rows say one by one."""

import random

import numpy as np
import pytest
from found_rows import found_prediction

from pipeline.labels.pairs import Pairs
from pipeline.labels.record import Said
from pipeline.stats import ClassificationCounter, RegressionCounter
from pipeline.windows.pane import PaneKey
from pipeline.windows.watermark import NEVER

PANE = 10_000
NAN = float("nan")


def random_pairs(rnd, count):
    """(row, label, sign) of two models and versions, with and without scores and segments."""
    made = []
    for n in range(count):
        text, number = rnd.choice([("a", NAN), ("b", NAN), ("1", 1.0), (None, rnd.random())])
        names = rnd.choice([(), ("a", "b"), ("", "b")])
        segments = rnd.choice([(), ("x=1",), ("x=2", "y=1"), ("y=1",)])
        row = found_prediction(
            f"p:{n}:0", rnd.choice("mn"), rnd.choice("12"), rnd.randrange(30_000), text, number,
            {name: rnd.random() for name in names}, rnd.choice([NEVER, 20_000]), segments,
        )  # fmt: skip
        said = Said(row.ts + rnd.randrange(1_000), n, rnd.choice(["a", "b", "1"]), rnd.random())
        made.append((row, said, rnd.choice([1, 1, -1])))
    return made


def one_by_one(pairs, empty):
    """The counters of every pane, each row by itself: nothing is grouped."""
    counters = {}
    for row, said, sign in pairs:
        shape = row.rows.shape
        for segment in ("", *row.segments):
            start = row.ts // PANE * PANE
            key = (PaneKey(row.model, shape.version, segment, start), shape.closed_until)
            counter = counters.setdefault(key, empty())
            delay = np.array([float(said.ts - row.ts)])
            if isinstance(counter, RegressionCounter):
                values = np.array([said.number]), np.array([row.number])
                counter.update(*values, delay, sign)
            else:
                scores = {name: np.array([score]) for name, score in row.scores.items()}
                counter.update([said.text], [row.text], scores, delay, sign)
    return {key: counter.snapshot() for key, counter in counters.items()}


def gathered(pairs, empty):
    """The same through `Pairs`."""
    found = Pairs()
    for row, said, sign in pairs:
        (found.add if sign > 0 else found.take_back)(row, said)
    counters = {}
    for key, closed_until, columns in found.by_pane(lambda model: PANE):
        counter = counters.setdefault((key, closed_until), empty())
        if isinstance(counter, RegressionCounter):
            actual, predicted = columns.actual_number, columns.predicted_number
            here = np.isfinite(actual) & np.isfinite(predicted)
            counter.update(actual[here], predicted[here], columns.delay[here], columns.sign)
        else:
            counter.update(
                columns.actual, columns.predicted, columns.scores, columns.delay, columns.sign
            )
    return {key: counter.snapshot() for key, counter in counters.items()}


@pytest.mark.parametrize("seed", range(15))
def test_every_pane_has_its_own_rows_counted_once(seed):
    pairs = random_pairs(random.Random(seed), 120)

    def empty():
        return ClassificationCounter(("a", "b"), "a" if seed % 2 else None)

    assert gathered(pairs, empty) == one_by_one(pairs, empty)


@pytest.mark.parametrize("seed", range(5))
def test_values_of_a_regression(seed):
    pairs = [p for p in random_pairs(random.Random(seed), 200) if np.isfinite(p[0].number)]
    assert gathered(pairs, RegressionCounter) == one_by_one(pairs, RegressionCounter)
