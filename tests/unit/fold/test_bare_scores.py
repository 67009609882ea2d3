"""A bare number in `scores` is the positive class's, under its name where the config tells it."""

import numpy as np
import pytest

from inferwatch.settings import load
from pipeline.columns import Column
from pipeline.decode.column_values import column_of
from pipeline.reference.builder import BuildSpec, profile_of
from pipeline.scores import scores_by_name
from pipeline.windows.counting import rules_of
from pipeline.windows.inputs import InputCounts

REFERENCE = {"prediction": column_of(["y", "n"] * 50), "scores": column_of([0.7, 0.2] * 50)}


def counts(reference=None, positive="y"):
    settings = load(None, text=f"models: [{{name: m, positive: {positive}}}]")
    return InputCounts(reference, rules_of(settings.for_model("m"), settings))


def update(inputs, scores):
    size = next(iter(scores.values())).size
    inputs.update({}, column_of(["y"] * size), scores)
    return inputs


def test_rows_with_a_bare_number_and_rows_with_names_are_one_class():
    scores = {"y": column_of([0.9, None, None]), "": column_of([0.1, 0.4, "high"])}
    block = update(counts(), scores).score_blocks()
    assert list(block) == ["y"]
    assert (block["y"].count, block["y"].mean, block["y"].type_mismatch) == (2, 0.65, 1)
    assert block["y"].missing == 0


def test_a_batch_of_each_kind_adds_up():
    inputs = update(counts(), {"": column_of([0.4])})
    block = update(inputs, {"y": column_of([0.6])}).score_blocks()["y"]
    assert (block.count, block.mean) == (2, 0.5)


def test_without_a_positive_class_it_has_no_name():
    bare = {"": column_of([0.4])}
    assert scores_by_name(bare, None) == bare


@pytest.mark.parametrize("positive", ["y", None])
def test_a_reference_of_bare_numbers_serves_also_when_built_without_the_config(positive):
    reference = profile_of(REFERENCE, BuildSpec(positive=positive))
    inputs = update(counts(reference), {"": column_of([0.7, 0.2])})
    assert inputs.score_blocks()["y"].psi == pytest.approx(0)
    restored = InputCounts.restore(inputs.snapshot(), reference, inputs.rules)
    assert restored.score_blocks() == inputs.score_blocks()


def test_texts_that_both_hold_stay_one():
    mixed = scores_by_name(
        {
            "y": Column(2, codes=np.array([0, -1], np.int32), texts=("a",)),
            "": column_of(["b", "a"]),
        },
        "y",
    )["y"]
    assert [mixed.texts[code] for code in mixed.codes] == ["a", "a"]
