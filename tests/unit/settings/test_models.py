"""Which entry holds for a model, and what it has from the defaults."""

import pytest
from pydantic import ValidationError

from inferwatch.settings import load
from inferwatch.settings.models import ModelEntry

DAY = 86_400_000


def read(text):
    return load("f", text=text)


def test_a_model_without_an_entry_has_the_defaults():
    model = read("defaults: {windows: [7s], lateness: 1s, reference: {learn: off}}").for_model("x")

    assert model.name == "x"
    assert [w.text for w in model.windows] == ["7s"]
    assert (model.lateness, model.reference.learn) == (1_000, None)
    assert (model.task, model.positive, model.classes, model.segments) == (None, None, (), ())
    assert (model.labels.horizon, model.labels.sample, model.labels.wait) == (DAY, 1.0, None)
    assert (model.features.include, model.features.exclude) == (("*",), ())
    assert (model.expect, model.tags) == ({}, {})


def test_an_entry_wins_over_the_defaults_key_by_key():
    model = read(
        "defaults: {windows: [7s], lateness: 1s}\n"
        "models: [{name: x, lateness: 0, reference: {learn: 2h}}]"
    ).for_model("x")

    assert [w.text for w in model.windows] == ["7s"]
    assert (model.lateness, model.reference.learn) == (0, 7_200_000)


def test_the_first_match_wins_be_it_a_name_or_a_glob():
    settings = read(
        "models: [{name: fraud-eu, tags: {t: a}}, {name: 'fraud-*', tags: {t: b}}, "
        "{name: '*', tags: {t: c}}]"
    )
    tags = {name: settings.for_model(name).tags["t"] for name in ("fraud-eu", "fraud-us", "x")}
    assert tags == {"fraud-eu": "a", "fraud-us": "b", "x": "c"}
    assert settings.for_model("fraud-us").name == "fraud-us"


def test_a_name_that_looks_like_a_glob_matches_itself_and_case_counts():
    assert ModelEntry(name="a[1]").matches("a[1]")
    assert not ModelEntry(name="Fraud").matches("fraud")


@pytest.mark.parametrize(
    ("windows", "pane"),
    [
        ("[1m, 15m/1m]", 60_000),
        ("[1m, 90s]", 30_000),
        ("[15m/2m]", 60_000),
        ("[1h]", 3_600_000),
        ("[7s, 5s]", 1_000),
    ],
)
def test_a_pane_divides_every_size_and_slide(windows, pane):
    assert read(f"models: [{{name: x, windows: {windows}}}]").for_model("x").pane == pane


def test_the_longest_window_and_horizon_are_over_all_models():
    settings = read(
        "defaults: {windows: [1m]}\n"
        "models: [{name: a, windows: [2h]}, {name: b, labels: {horizon: 9d}}]"
    )
    assert settings.longest_window == 7_200_000
    assert settings.longest_horizon == 9 * DAY
    assert settings.for_model("a").longest_window == 7_200_000


def test_a_shorter_horizon_of_one_model_does_not_shorten_the_others():
    assert read("models: [{name: a, labels: {horizon: 1h}}]").longest_horizon == DAY


@pytest.mark.parametrize(
    ("earlier", "later", "swallowed"),
    [
        ("*", "anything", True),
        ("*", "a*", True),
        ("*", "a[bc]?", True),
        ("fraud-*", "fraud-eu", True),
        ("fraud-*", "fraud-eu-*", True),
        ("fraud-??", "fraud-eu", True),
        ("fraud-eu", "fraud-*", False),
        ("fraud-*", "*-eu", False),
        ("a?", "a*", False),
        ("*c]", "a[bc]", False),
        ("a*", "b", False),
    ],
)
def test_an_entry_swallows_another_when_it_matches_all_its_models(earlier, later, swallowed):
    assert ModelEntry(name=earlier).swallows(ModelEntry(name=later)) is swallowed


def test_quotes_decide_whether_a_class_is_a_number_or_a_text():
    def classes(text):
        return read(f"models: [{{name: x, classes: {text}}}]").for_model("x").classes

    assert classes("[1.0, 0, 1e3, -2.50]") == ("1", "0", "1000", "-2.5")
    assert classes('["1.0", "01"]') == ("1.0", "01")
    assert classes("[1e300, true]") == ("1e300", "true")


def test_the_positive_class_is_compared_in_its_shortest_form():
    assert (
        read("models: [{name: x, classes: [0, 1], positive: 1.0}]").for_model("x").positive == "1"
    )


def test_settings_made_in_code_are_checked_too():
    with pytest.raises(ValidationError, match="no class"):
        ModelEntry(name="x", classes=("a", "b"), positive="c")
