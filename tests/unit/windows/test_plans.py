"""What the config names of models and features holds, whatever else comes."""

from inferwatch.settings import load
from pipeline.models import ModelPlans
from pipeline.windows.name_limit import OTHER


def plans(text):
    return ModelPlans(load(None, text=text))


def test_a_plan_is_a_matter_of_the_name_alone():
    of = plans("models: [{name: late}, {name: 'g-*', windows: [90s]}]\nlimits: {models: 1}").of
    assert [of(name).name for name in ("a", "late", "g-1", OTHER)] == ["a", "late", "g-1", OTHER]


def test_panes_of_models_that_may_be_pooled_lie_evenly_in_those_of_the_pool():
    of = plans("models: [{name: own, windows: [90s]}, {name: 'g-*', windows: [90s]}]").of
    assert [of(name).grid.pane for name in ("own", "g-1", OTHER)] == [90_000, 30_000, 60_000]


def test_features_may_be_named_by_globs():
    features = "{include: ['*'], exclude: [id_*], categorical: [c*, 'x[0]']}"
    plan = plans(f"models: [{{name: m, features: {features}}}]").of("m")
    assert [plan.watches(name) for name in ("amount", "id_card")] == [True, False]
    named = [plan.counting.is_categorical(name) for name in ("carrier", "x[0]", "amount")]
    assert named == [True, True, False]
