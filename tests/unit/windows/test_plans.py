"""What the config names of models and features holds, whatever else comes."""

from inferwatch.settings import load
from pipeline.models import OTHER, ModelPlans


def plans(text):
    return ModelPlans(load(None, text=text))


def test_a_model_that_the_config_names_is_never_among_the_others():
    of = plans("models: [{name: late}, {name: 'g-*'}]\nlimits: {models: 3}").of
    assert [of(name).name for name in ("a", "b", "c", "late", "g-1", "a")] == [
        *("a", "b", OTHER, "late", OTHER, "a")
    ]


def test_a_limit_below_the_names_of_the_config_lets_nobody_else_in():
    of = plans("models: [{name: one}, {name: two}]\nlimits: {models: 1}").of
    assert [of(name).name for name in ("x", "one", "two")] == [OTHER, "one", "two"]


def test_features_may_be_named_by_globs():
    features = "{include: ['*'], exclude: [id_*], categorical: [c*, 'x[0]']}"
    plan = plans(f"models: [{{name: m, features: {features}}}]").of("m")
    assert [plan.watches(name) for name in ("amount", "id_card")] == [True, False]
    named = [plan.counting.is_categorical(name) for name in ("carrier", "x[0]", "amount")]
    assert named == [True, True, False]
