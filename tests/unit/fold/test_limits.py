"""A partition holds no more names than the limits, whatever comes; some names always stay."""

import pytest
from limited_windows import OTHER, Partitions

from inferwatch.events.kinds import Kind
from inferwatch.events.reference import CategoricalReference, ReferenceProfile
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.windows.pane import PaneKey
from pipeline.windows.watermark import NEVER
from pipeline.work import PaneExpiry

CONFIG = """
defaults: {windows: [1m], lateness: 0s, reference: {learn: "off"}}
limits: {models: 5, segments: 4}
models: [{name: named}, {name: "*", segments: [region]}]
rules:
  - {name: eu, metric: rows, when: "< 1", segments: region=eu}
  - {name: stable, metric: quality.accuracy, when: "drop > 0.1", baseline: "version:stable"}
"""
MANY = 3_000


def row(**more):
    about = {"model": "named", "version": "1", "ts": 1_000, "prediction": "a"}
    region = more.pop("region", "eu")
    return about | {"segment": {"region": region}} | more


def keys(system, kind=Kind.PREDICTION):
    return [PaneKey.parse(text) for text in system.states[kind, 0].panes]


def take(system, rows, kind=Kind.PREDICTION, size=500):
    for first in range(0, len(rows), size):
        system.take(kind, 0, rows[first : first + size])


@pytest.mark.parametrize(("what", "most"), [("model", 25), ("version", 12), ("region", 7)])
def test_any_number_of_names_makes_so_many_panes(what, most):
    system = Partitions(CONFIG)
    model = {} if what == "model" else {"model": "m"}
    take(system, [row(**model | {what: f"n{n}"}) for n in range(MANY)])
    # 4 models beside the named one, each with a version's pane, its list, and a segment;
    # 4 versions beside the named one, each with a segment; 3 segments beside the named one.
    assert len(keys(system)) <= most
    assert sum(result.rows for (_, _, s, *_), result in system.windows().items() if not s) == MANY


def test_requests_and_labels_make_no_more():
    system = Partitions(CONFIG)
    rows = [row(model=f"m{n}", id=f"i{n}", region=f"r{n}") for n in range(MANY)]
    take(system, rows)
    take(system, [row(model=f"m{n}", latency_ms=1.0) for n in range(MANY)], Kind.LATENCY)
    labels = [{"id": f"i{n}", "ts": 2_000, "label": "a"} for n in range(MANY)]
    take(system, labels, Kind.LABEL)
    assert all(len(keys(system, kind)) <= 25 for kind in (Kind.LATENCY, Kind.LABEL))
    whole = {k: r for k, r in system.windows().items() if not k[2]}
    assert {r.latency.count for r in whole.values()} == {r.rows for r in whole.values()}
    assert all(r.quality.labelled == r.rows == r.latency.count for r in whole.values())


def names(system, place):
    return {key[place] for key in system.windows()}


def test_what_the_config_names_stays():
    system = Partitions(CONFIG)
    take(system, [row(model=f"m{n}") for n in range(30)])
    take(system, [row(model="named")])
    assert {"named", OTHER} < names(system, 0) and len(names(system, 0)) == 6
    system = Partitions(CONFIG)
    take(system, [row(model="m", version=f"v{n}", region=f"r{n}") for n in range(30)])
    take(system, [row(model="m", version="stable", region="eu")])
    assert {"stable", OTHER} < names(system, 1) and len(names(system, 1)) == 6
    system = Partitions(CONFIG)
    take(system, [row(model="m", region=f"r{n}") for n in range(30)])
    take(system, [row(model="m", region="eu")])
    assert {"region=eu", f"region={OTHER}"} < names(system, 2) and len(names(system, 2)) == 6


@pytest.mark.parametrize("provisional", [False, True])
def test_what_a_reference_names_stays_unless_it_was_learned(provisional):
    region = CategoricalReference(rows=2, missing=0, shares={"x": 0.5, "y": 0.5})
    profile = ReferenceProfile(
        model="m", version="7", rows=2, fingerprint="f", created_at=0,
        features={"region": region}, provisional=provisional,
    )  # fmt: skip
    catalog = ReferenceCatalog()
    catalog.add(profile)
    config = CONFIG.replace("models: 5, segments: 4", "models: 3, segments: 3")
    system = Partitions(config, catalog)
    regions = [*(f"r{n}" for n in range(30)), "x", "y"]
    take(system, [row(model="m", version="7", region=region) for region in regions])
    take(system, [row(model="m", version=str(n)) for n in range(30)])
    take(system, [row(model=f"m{n}") for n in range(30)])
    known = ("m" in names(system, 0), "7" in names(system, 1))
    assert (all(known), {"region=x", "region=y"} < names(system, 2)) in (
        [(True, True)] if not provisional else [(False, False)]
    )


@pytest.mark.parametrize("others", [False, True])
def test_panes_stay_for_those_who_may_tell_of_them_and_models_without_any_are_forgotten(others):
    system = Partitions(CONFIG)
    take(system, [row(model=f"m{n}") for n in range(30)])
    state = system.states[Kind.PREDICTION, 0]
    assert len(state.models) > 5
    closed = dict.fromkeys(state.models, 10**9) | ({} if others else {OTHER: NEVER})
    gone = PaneExpiry(system.settings, lambda: closed)(state)
    assert set(gone) == (set(state.panes) if others else set())
    assert (state.models == set()) is others


def test_a_partition_learns_first_references_of_no_more_models_at_once():
    system = Partitions(CONFIG.replace('"off"', "1h"))
    take(system, [row(model=f"m{n}") for n in range(30)])
    take(system, [row(model="named")])
    state = system.states[Kind.PREDICTION, 0]
    assert state.samples.keys() == {*(f"m{n}" for n in range(5)), "named"}
