from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
import sklearn.metrics as skm

from inferwatch.errors import UsageError
from inferwatch.events.json_codec import dumps, reference_from_json
from inferwatch.events.reference import CategoricalReference, NumericReference
from pipeline.columns import Column
from pipeline.decode.column_values import column_of
from pipeline.reference.atoms import condense
from pipeline.reference.builder import BuildSpec, build, profile_of
from pipeline.reference.quantile_cells import psi_ranks, quantile_cells
from pipeline.reference.sorted_values import SortedValues


def numeric(values: np.ndarray) -> NumericReference:
    reference = profile_of({"x": Column(len(values), numbers=values)}).features["x"]
    assert isinstance(reference, NumericReference)
    return reference


def edges_by_definition(values: np.ndarray) -> list[float]:
    """The contract's words: halfway from the value of rank ceil(i·m/10) to the next larger one."""
    distinct = np.unique(values)
    if len(distinct) == 1:
        width = max(abs(distinct[0]) * 1e-6, 1e-12)
        return [distinct[0] - width, distinct[0] + width]
    ordered, edges = np.sort(values), set()
    for i in range(1, 10):
        value = ordered[math.ceil(i * len(values) / 10) - 1]
        above = distinct[distinct > value]
        if len(above):
            edges.add((value + above[0]) / 2)
    return sorted(edges)


DATA = {
    "normal": np.random.default_rng(0).normal(size=3_333),
    "zeros": np.concatenate([np.zeros(720), np.random.default_rng(1).exponential(size=280)]),
    "few": np.array([1.0, 1.0, 2.0, 5.0]),
    "one": np.array([42.0]),
    "constant": np.full(30, -3.5),
    "constant zero": np.zeros(30),
    "two values": np.array([0.0] * 95 + [1.0] * 5),
    "mostly the largest": np.array([0.0] * 5 + [1.0] * 95),
    "zipf": np.random.default_rng(2).zipf(1.6, 2_000).astype(float),
    "neighbours": np.array([1.0, np.nextafter(1.0, 2), np.nextafter(1.0, 2), 3.0] * 20),
    "huge": np.array([-1.7e308, 1.7e308, 0.0, 1e300] * 5),
    "large and narrow": 1e12 + np.random.default_rng(3).normal(0, 0.1, 999),
}


@pytest.mark.parametrize("name", DATA)
def test_psi_edges_are_those_of_the_definition(name: str) -> None:
    reference = numeric(DATA[name])
    assert list(reference.psi_edges) == pytest.approx(edges_by_definition(DATA[name]), rel=1e-12)
    assert math.fsum(reference.psi_shares) == pytest.approx(1)
    assert set(reference.psi_edges) <= set(reference.cell_edges)


@pytest.mark.parametrize("name", DATA)
def test_no_cell_is_heavier_than_a_256th_unless_it_is_a_spikes_own(name: str) -> None:
    values = DATA[name]
    reference = numeric(values)
    edges = np.array(reference.cell_edges)
    assert (np.diff(edges) > 0).all() and np.isfinite(edges).all()
    place = edges.searchsorted(values, "left")
    np.testing.assert_array_equal(
        np.bincount(place, minlength=len(edges) + 1), reference.cell_counts
    )
    for cell, count in enumerate(reference.cell_counts):
        if count > max(1, len(values) // 256):
            held = np.unique(values[place == cell])
            assert len(held) == 1 and held[0] in reference.spikes
    assert len(edges) <= 600


@pytest.mark.parametrize("name", DATA)
def test_moments_and_percentiles_are_exact(name: str) -> None:
    values = DATA[name]
    reference = numeric(values)
    assert (reference.min, reference.max) == (values.min(), values.max())
    assert reference.mean == float(sum(map(Fraction, values.tolist())) / len(values))
    for value, percent in ((reference.p05, 5), (reference.p50, 50), (reference.p95, 95)):
        assert value == np.percentile(values, percent, method="inverted_cdf")


@pytest.mark.parametrize("run_values", [7, 100, 10_000])
def test_runs_on_disk_give_the_same_cells_as_memory(run_values: int) -> None:
    rng = np.random.default_rng(4)
    values = np.where(rng.random(5_000) < 0.4, 0.0, rng.normal(size=5_000))
    gathered = SortedValues(run_values)
    for part in np.array_split(values, 50):
        gathered.update(part)
    atoms = condense(gathered.distinct(), 5_000, psi_ranks(5_000))
    assert quantile_cells(atoms).edges == list(numeric(values).cell_edges)
    gathered.close()


def test_many_values_are_condensed_without_moving_an_edge() -> None:
    values = np.random.default_rng(5).normal(size=40_000)
    gathered = SortedValues()
    gathered.update(values)
    atoms = condense(gathered.distinct(), 40_000, psi_ranks(40_000), atoms=2_000)
    assert len(atoms.rows) < 4_100 and atoms.rows.max() <= 40
    cells = quantile_cells(atoms)
    assert cells.psi_edges == pytest.approx(edges_by_definition(values), rel=1e-12)
    assert max(cells.counts) <= 40_000 // 256


def test_kinds_of_columns() -> None:
    columns = {
        "number": column_of([1, 2.5, None, math.nan]),
        "text": column_of(["a", "a", None, "b"]),
        "mixed": column_of([1, "n/a", 2, "n/a"]),
        "code": column_of([1.0, "1", 2, True]),
        "nothing": column_of([None] * 4),
        "array": column_of([[1], [2], None, None]),
    }
    profile = profile_of(columns, BuildSpec(categorical=frozenset({"code"})))
    number, text, code = (profile.features[name] for name in ("number", "text", "code"))
    assert isinstance(number, NumericReference)
    assert (number.rows, number.missing, sum(number.cell_counts)) == (4, 1, 2)
    assert isinstance(text, CategoricalReference)
    assert text.shares == {"a": 2 / 3, "b": 1 / 3} and text.missing == 1
    assert profile.features["mixed"].type == "numeric"
    assert isinstance(code, CategoricalReference) and code.counts == {"1": 2, "2": 1, "true": 1}
    nothing = profile.features["nothing"]
    assert isinstance(nothing, CategoricalReference) and not nothing.shares


def test_a_column_that_appears_late_lacks_the_rows_before() -> None:
    parts = [{"a": column_of([1.0, 2.0])}, {"a": column_of([3.0]), "b": column_of(["x"])}]
    profile = build(lambda: parts, BuildSpec())
    assert (profile.features["b"].rows, profile.features["b"].missing) == (3, 2)
    parts.reverse()
    profile = build(lambda: parts, BuildSpec())
    assert (profile.features["b"].rows, profile.features["b"].missing) == (3, 2)


def test_only_rows_of_the_model_count() -> None:
    columns = {"model": column_of(["a", "b", "a"]), "x": column_of([1.0, 2.0, 3.0])}
    assert profile_of(columns, BuildSpec(model="a")).rows == 2
    assert profile_of(columns, BuildSpec()).rows == 3
    with pytest.raises(UsageError, match="no row of the model 'c'"):
        profile_of(columns, BuildSpec(model="c"))
    with pytest.raises(UsageError, match="no row"):
        build(list, BuildSpec())


def test_performance_by_split_and_outputs_of_rows_it_was_not_trained_on() -> None:
    rng = np.random.default_rng(6)
    score = rng.random(400)
    label = np.where(rng.random(400) < score, "yes", "no").tolist()
    guess = np.where(score > 0.5, "yes", "no").tolist()
    train = [i % 2 == 0 for i in range(400)]
    guess = [label[i] if train[i] else guess[i] for i in range(400)]
    columns = {
        "label": column_of(label),
        "prediction": column_of(guess),
        "scores.yes": Column(400, numbers=np.where(train, 0.99, score)),
        "split": column_of(["train" if t else "validation" for t in train]),
    }
    profile = profile_of(columns, BuildSpec(task="binary", positive="yes"))
    theirs = [i for i in range(400) if not train[i]]
    truth, answers = [label[i] for i in theirs], [guess[i] for i in theirs]
    assert profile.performance["train_accuracy"] == 1.0
    assert profile.performance["accuracy"] == skm.accuracy_score(truth, answers)
    assert profile.performance["f1"] == pytest.approx(skm.f1_score(truth, answers, pos_label="yes"))
    assert profile.scores["yes"].rows == 200 and profile.scores["yes"].spikes != (0.99,)
    assert isinstance(profile.prediction, CategoricalReference)


def test_performance_of_a_regression() -> None:
    rng = np.random.default_rng(7)
    label = rng.normal(size=100)
    columns = {
        "label": Column(100, numbers=label),
        "prediction": Column(100, numbers=label + 0.5),
    }
    profile = profile_of(columns)
    assert isinstance(profile.prediction, NumericReference)
    assert profile.performance["mae"] == pytest.approx(0.5)
    classes = {name: column_of([0, 1, 1.0, "1"]) for name in ("label", "prediction")}
    profile = profile_of(classes)
    assert profile.prediction is not None and profile.prediction.type == "categorical"
    assert profile.performance["accuracy"] == 1.0


def test_wandering_shows_only_where_there_is_some() -> None:
    rng = np.random.default_rng(8)
    size = 20_000
    day = np.repeat(np.arange(100), size // 100)
    columns = {
        "ts": Column(size, numbers=1.764e12 + np.arange(size) * 1000.0),
        "still": Column(size, numbers=rng.normal(size=size)),
        "wandering": Column(size, numbers=rng.normal(size=size) + rng.normal(size=100)[day]),
        "text": column_of([f"c{i}" for i in rng.integers(0, 4, size)]),
        "season": column_of([f"c{i}" for i in (day // 25 + rng.integers(0, 2, size))]),
    }
    order = rng.permutation(size)
    shuffled = {name: column.take(order) for name, column in columns.items()}
    profile = build(lambda: [shuffled], BuildSpec())
    phi = {name: column.chunk_phi for name, column in profile.features.items()}
    assert phi["still"] == 1.0 and phi["text"] == 1.0
    assert (phi["wandering"] or 0) > 5 and (phi["season"] or 0) > 5
    assert profile.features["still"].chunk_rows == size // 64
    without = profile_of({name: c for name, c in columns.items() if name != "ts"})
    assert without.features["still"].chunk_phi is None


def test_the_fingerprint_is_of_the_content() -> None:
    columns = {"x": column_of([1.0, 2.0, 3.0])}
    one = profile_of(columns, BuildSpec(model="a", created_at=1))
    assert len(one.fingerprint) == 16
    assert one.fingerprint == profile_of(columns, BuildSpec(model="b", created_at=2)).fingerprint
    other = profile_of({"x": column_of([1.0, 2.0, 3.5])}, BuildSpec(model="a"))
    assert one.fingerprint != other.fingerprint
    assert reference_from_json(dumps(one)) == one
    assert dataclasses.replace(one, provisional=True).fingerprint == one.fingerprint
