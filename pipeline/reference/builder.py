"""From a table to a reference profile, however large the table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from inferwatch.errors import UsageError
from inferwatch.events.reference import ColumnReference, ReferenceProfile
from inferwatch.settings.globs import fits_any
from pipeline.columns import Column
from pipeline.decode.column_values import as_texts
from pipeline.reference.atoms import condense
from pipeline.reference.catalog import EVERY_MODEL
from pipeline.reference.column_builder import MAX_CATEGORIES, ColumnBuilder
from pipeline.reference.fingerprint import fingerprint_of
from pipeline.reference.performance import (
    Performance,
    looks_like_regression,
    train_rows,
)
from pipeline.reference.roles import Roles, roles_of, rows_that_say
from pipeline.reference.sorted_values import SortedValues
from pipeline.reference.wander import Wander, chunk_count
from pipeline.scores import scores_by_name
from pipeline.stats import Kind
from pipeline.stats.column import has_values

Table = Iterable[Mapping[str, Column]]
"""Parts of a table, each of some thousand rows: columns by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSpec:
    """What a profile is for, and what the config says of its columns.

    Attributes:
        model: whose reference it is; `*` serves every model.
        version: None serves every version.
        created_at: milliseconds since the epoch.
        task: `regression`, another task, or None: judged by the predictions.
        classes, positive: as in the config.
        categorical: names and globs of features that are categories whatever they hold.
        watches: whether a feature is looked at.
        max_categories: how many categories a column may name.
        provisional: learned from the first rows, not given.
    """

    model: str = EVERY_MODEL
    version: str | None = None
    created_at: int = 0
    task: str | None = None
    classes: tuple[str, ...] = ()
    positive: str | None = None
    categorical: frozenset[str] = frozenset()
    watches: Callable[[str], bool] = lambda name: True
    max_categories: int = MAX_CATEGORIES
    provisional: bool = False


def build(read: Callable[[], Table], spec: BuildSpec) -> ReferenceProfile:
    """The profile of a table.

    The table is read once; a second time when it has a column `ts`, to see how much its own chunks
    of time differ. Of a table with a column `model` only the rows of this model count. Where
    `split` tells training from validation, prediction and scores are taken from the rows that
    the model was not trained on: its answers to those it knows are too sure.

    Guarantee: cells, PSI edges and shares, percentiles and moments are exact at any size. Memory
    is bounded: 8 MB a numeric column; what is beyond lies sorted in a temporary folder. Cost: 60 ns
    a value, 130 ns with `ts`.

    Args:
        read: opens the table; called once or twice.
        spec: what the profile is for.

    Raises:
        UsageError: there is no row.
    """
    first = _FirstPass(spec)
    for columns in read():
        first.update(_rows_of(roles_of(columns), spec))
    profile = first.finish()
    chunks = chunk_count(first.times.count)
    if chunks:
        second = _SecondPass(profile, first.times, chunks)
        for columns in read():
            second.update(_rows_of(roles_of(columns), spec))
        profile = second.finish()
    first.times.close()
    return dataclasses.replace(profile, fingerprint=fingerprint_of(profile))


def profile_of(columns: Mapping[str, Column], spec: BuildSpec | None = None) -> ReferenceProfile:
    """The profile of columns in memory.

    >>> profile = profile_of({"amount": Column(3, numbers=np.array([1.0, 2.0, 4.0]))})
    >>> profile.model, profile.rows, profile.features["amount"].psi_edges
    ('*', 3, (1.5, 3.0))
    """
    return build(lambda: [columns], spec or BuildSpec())


class _FirstPass:
    """Gathers the columns."""

    def __init__(self, spec: BuildSpec) -> None:
        self._spec = spec
        self._rows = 0
        self._features: dict[str, ColumnBuilder] = {}
        self._outputs: dict[tuple[str, bool], ColumnBuilder] = {}
        self._regression = None if spec.task is None else spec.task == "regression"
        self._performance: Performance | None = None
        self.times = SortedValues()

    def update(self, rows: Roles) -> None:
        if not rows.size:
            return
        spec = self._spec
        for name, column in rows.features.items():
            if spec.watches(name):
                self._feature(name).update(column)
        self._rows += rows.size
        for builder in self._features.values():
            builder.lack(self._rows - builder.rows)
        if "prediction" in rows.others and self._performance is None:
            if self._regression is None:
                self._regression = looks_like_regression(rows)
            self._performance = Performance(self._regression, spec.classes, spec.positive)
        if self._performance is not None:
            self._performance.update(rows)
        train = train_rows(rows)
        for known, mask in ((False, ~train), (True, train)):
            if mask.any():
                self._update_outputs(rows.take(mask), known)
        if "ts" in rows.others:
            times = rows.others["ts"].doubles()
            self.times.update(times[np.isfinite(times)])

    def _feature(self, name: str) -> ColumnBuilder:
        if name not in self._features:
            named = fits_any(name, self._spec.categorical)
            kind: Kind | None = "categorical" if named else None
            self._features[name] = ColumnBuilder(kind, self._spec.max_categories)
            self._features[name].lack(self._rows)
        return self._features[name]

    def _update_outputs(self, rows: Roles, known: bool) -> None:
        outputs: dict[str, Column] = {f"scores.{name}": c for name, c in rows.scores.items()}
        if "prediction" in rows.others:
            outputs["prediction"] = rows.others["prediction"]
        for name, column in outputs.items():
            kind: Kind = "numeric"
            if name == "prediction" and not self._regression:
                kind = "categorical"
            key = (name, known)
            if key not in self._outputs:
                self._outputs[key] = ColumnBuilder(kind, self._spec.max_categories)
            self._outputs[key].update(column)

    def finish(self) -> ReferenceProfile:
        spec = self._spec
        if not self._rows:
            of_model = "" if spec.model == EVERY_MODEL else f" of the model {spec.model!r}"
            raise UsageError(f"the reference data hold no row{of_model}; a reference needs some")
        outputs: dict[str, ColumnReference] = {}
        for (name, known), builder in sorted(self._outputs.items()):
            if not known or (name, False) not in self._outputs:
                outputs[name] = builder.finish()
        return ReferenceProfile(
            model=spec.model,
            version=spec.version,
            rows=self._rows,
            fingerprint="",
            created_at=spec.created_at,
            features={name: self._features[name].finish() for name in sorted(self._features)},
            prediction=outputs.pop("prediction", None),
            scores={name.removeprefix("scores."): column for name, column in outputs.items()},
            performance=self._performance.result() if self._performance else {},
            calibration=self._performance.calibration() if self._performance else {},
            provisional=spec.provisional,
        )


class _SecondPass:
    """Looks at the chunks of time."""

    def __init__(self, profile: ReferenceProfile, times: SortedValues, chunks: int) -> None:
        self._profile = profile
        self._chunk_rows = profile.rows // chunks
        ranks = [-(-i * times.count // chunks) for i in range(1, chunks)]
        atoms = condense(times.distinct(), times.count, ranks)
        self._bounds = np.array([atoms.value_at(rank) for rank in ranks])
        known = {f"features.{name}": column for name, column in profile.features.items()}
        known |= {f"scores.{name}": column for name, column in profile.scores.items()}
        if profile.prediction is not None:
            known["prediction"] = profile.prediction
        self._wander = {
            name: Wander(column, chunks) for name, column in known.items() if has_values(column)
        }

    def update(self, rows: Roles) -> None:
        if "ts" not in rows.others or not rows.size:
            return
        rows = rows.take(np.isfinite(rows.others["ts"].doubles()))
        chunk = self._bounds.searchsorted(rows.others["ts"].doubles(), "left")
        columns = {f"features.{name}": column for name, column in rows.features.items()}
        columns |= {f"scores.{name}": column for name, column in rows.scores.items()}
        columns |= {name: column for name, column in rows.others.items() if name == "prediction"}
        for name, column in columns.items():
            if name in self._wander:
                self._wander[name].update(column, chunk)

    def finish(self) -> ReferenceProfile:
        profile = self._profile
        prediction = profile.prediction
        return dataclasses.replace(
            profile,
            features={
                name: self._with_phi(f"features.{name}", column)
                for name, column in profile.features.items()
            },
            scores={
                name: self._with_phi(f"scores.{name}", column)
                for name, column in profile.scores.items()
            },
            prediction=None if prediction is None else self._with_phi("prediction", prediction),
        )

    def _with_phi(self, name: str, column: ColumnReference) -> ColumnReference:
        phi = self._wander[name].phi() if name in self._wander else None
        if phi is None:
            return column
        return dataclasses.replace(column, chunk_phi=phi, chunk_rows=self._chunk_rows)


def _rows_of(rows: Roles, spec: BuildSpec) -> Roles:
    """The rows of the profile's model, with bare scores under the positive class's name."""
    mine = _rows_of_model(rows, spec.model)
    return dataclasses.replace(mine, scores=scores_by_name(mine.scores, spec.positive))


def _rows_of_model(rows: Roles, model: str) -> Roles:
    column = rows.others.get("model")
    if column is None or model == EVERY_MODEL:
        return rows
    return rows.take(rows_that_say(as_texts(column), model))
