from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.metrics as skm
from numpy.typing import NDArray

from inferwatch.errors import MergeError
from pipeline.stats import ClassificationCounter
from pipeline.stats.roc_auc import RocAuc

Scores = dict[str, NDArray[np.float64]]


def no_delay(size: int) -> NDArray[np.float64]:
    return np.full(size, np.nan)


def binary(seed: int, size: int, skew: float = 1.0) -> tuple[list[str], list[str], Scores]:
    rng = np.random.default_rng(seed)
    score = rng.beta(1, 3 * skew, size)
    actual = np.where(rng.random(size) < score, "fraud", "legit").tolist()
    predicted = np.where(score > 0.4, "fraud", "legit").tolist()
    return actual, predicted, {"fraud": score, "legit": 1 - score}


def textbook_ece(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    error = 0.0
    for m in range(15):
        inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        if m == 0:
            inside |= confidence == 0
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            error += inside.mean() * gap
    return error


@pytest.mark.parametrize("size", [10, 60, 300, 1_500, 20_000])
@pytest.mark.parametrize("skew", [1.0, 300.0])
def test_binary_with_a_positive_class(size: int, skew: float) -> None:
    actual, predicted, scores = binary(size, size, skew)
    if len(set(actual)) < 2:
        actual[0] = "fraud"
    counter = ClassificationCounter((), "fraud")
    counter.update(actual, predicted, scores, no_delay(size))
    block = counter.result(size * 2)
    assert block is not None and block.labelled == size and block.label_coverage == 0.5
    truth = np.array(actual) == "fraud"
    score = scores["fraud"]
    assert block.accuracy == skm.accuracy_score(actual, predicted)
    if "fraud" in predicted:
        assert block.precision == pytest.approx(
            skm.precision_score(actual, predicted, pos_label="fraud")
        )
    else:
        assert block.precision is None
    assert block.recall == pytest.approx(skm.recall_score(actual, predicted, pos_label="fraud"))
    assert block.f1 == pytest.approx(skm.f1_score(actual, predicted, pos_label="fraud"))
    assert block.roc_auc == pytest.approx(skm.roc_auc_score(truth, score), abs=0.002)
    assert block.log_loss == pytest.approx(skm.log_loss(truth, score), abs=1e-9)
    assert block.brier == pytest.approx(skm.brier_score_loss(truth, score), abs=1e-12)
    confidence = np.where(np.array(predicted) == "fraud", score, 1 - score)
    right = np.array(actual) == np.array(predicted)
    assert block.ece == pytest.approx(textbook_ece(confidence, right), abs=1e-8)
    matrix = skm.confusion_matrix(actual, predicted, labels=["fraud", "legit"])
    for i, a in enumerate(("fraud", "legit")):
        for j, p in enumerate(("fraud", "legit")):
            assert block.confusion.get(a, {}).get(p, 0) == matrix[i, j]


@pytest.mark.parametrize("sent", [["fraud"], [""], ["legit"], ["fraud", "legit"]])
def test_one_score_of_a_binary_model_is_enough(sent: list[str]) -> None:
    actual, predicted, scores = binary(3, 400)
    scores[""] = scores["fraud"]
    counter = ClassificationCounter((), "fraud")
    counter.update(actual, predicted, {name: scores[name] for name in sent}, no_delay(400))
    block = counter.result(400)
    assert block is not None
    truth = np.array(actual) == "fraud"
    assert block.log_loss == pytest.approx(skm.log_loss(truth, scores["fraud"]), abs=1e-9)
    assert block.roc_auc == pytest.approx(skm.roc_auc_score(truth, scores["fraud"]), abs=0.002)


@pytest.mark.parametrize("size", [30, 3_000])
def test_multiclass(size: int) -> None:
    rng = np.random.default_rng(size)
    classes = ("a", "b", "c")
    scores = rng.dirichlet([1, 2, 3], size)
    actual = [classes[rng.choice(3, p=row)] for row in scores]
    predicted = [classes[i] for i in scores.argmax(axis=1)]
    counter = ClassificationCounter((), None)
    columns = {name: scores[:, i].copy() for i, name in enumerate(classes)}
    counter.update(actual, predicted, columns, no_delay(size))
    block = counter.result(size)
    assert block is not None
    precision, recall, f1, support = skm.precision_recall_fscore_support(
        actual, predicted, average=None, labels=classes, zero_division=0
    )
    assert block.precision == pytest.approx(precision.mean())
    assert block.recall == pytest.approx(recall.mean())
    assert block.f1 == pytest.approx(f1.mean())
    assert [block.per_class[name].support for name in classes] == support.tolist()
    auc = skm.roc_auc_score(actual, scores, multi_class="ovr", average="macro", labels=classes)
    assert block.roc_auc == pytest.approx(auc, abs=0.002)
    assert block.log_loss == pytest.approx(skm.log_loss(actual, scores, labels=classes), abs=1e-9)
    target = np.array([[a == name for name in classes] for a in actual])
    assert block.brier == pytest.approx(((scores - target) ** 2).sum(axis=1).mean(), abs=1e-12)
    right = np.array(actual) == np.array(predicted)
    assert block.ece == pytest.approx(textbook_ece(scores.max(axis=1), right), abs=1e-8)


def test_macro_averages_run_over_the_classes_of_the_config() -> None:
    counter = ClassificationCounter(("a", "b", "c"), None)
    counter.update(["a", "b"], ["a", "a"], {}, no_delay(2))
    block = counter.result(2)
    assert block is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = skm.precision_recall_fscore_support(
            ["a", "b"], ["a", "a"], labels=["a", "b", "c"], average="macro", zero_division=0
        )
    assert (block.precision, block.recall, block.f1) == pytest.approx(expected[:3])
    assert block.per_class["c"].precision is None and block.per_class["c"].support == 0
    assert block.log_loss is None and block.roc_auc is None and block.ece is None


def test_one_class_in_the_window() -> None:
    counter = ClassificationCounter((), "yes")
    counter.update(["no"] * 4, ["no"] * 4, {"yes": np.full(4, 0.1)}, no_delay(4))
    block = counter.result(4)
    assert block is not None
    assert (block.precision, block.recall, block.f1, block.roc_auc) == (None,) * 4
    assert block.accuracy == 1.0 and block.confusion == {"no": {"no": 4}}
    assert block.brier == pytest.approx(0.01)


def test_scores_are_taken_as_sent() -> None:
    counter = ClassificationCounter((), "yes")
    scores = {"yes": np.array([0.7, 0.4]), "no": np.array([0.6, 0.9])}
    counter.update(["yes", "no"], ["yes", "no"], scores, no_delay(2))
    block = counter.result(2)
    assert block is not None
    assert block.log_loss == pytest.approx(-(np.log(0.7) + np.log(0.9)) / 2)
    assert block.brier == pytest.approx((0.3**2 + 0.4**2) / 2)
    counter = ClassificationCounter((), "yes")
    counter.update(["yes"], ["yes"], {"yes": np.array([0.0])}, no_delay(1))
    block = counter.result(1)
    assert block is not None and block.log_loss == pytest.approx(-np.log(2.2e-16))


def test_what_is_taken_back_leaves_nothing_behind() -> None:
    actual, predicted, scores = binary(5, 900)
    delay = np.random.default_rng(1).exponential(1e6, 900)
    counter = ClassificationCounter((), "fraud")
    counter.update(actual, predicted, scores, delay)
    before = counter.snapshot()
    more = binary(6, 100)
    counter.update(*more, delay[:100])
    counter.update(*more, delay[:100], sign=-1)
    assert counter.snapshot() == before
    counter.update(actual, predicted, scores, delay, sign=-1)
    assert counter.result(10) is None


@pytest.mark.parametrize("sizes", [(500, 300, 900), (100, 100, 100), (2_000, 50, 3_000)])
def test_merged_in_any_order_equals_the_whole(sizes: tuple[int, ...]) -> None:
    parts, whole = [], ClassificationCounter((), "fraud")
    for seed, size in enumerate(sizes):
        rows = binary(seed, size)
        part = ClassificationCounter((), "fraud")
        part.update(*rows, no_delay(size))
        whole.update(*rows, no_delay(size))
        parts.append(part.snapshot())
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        merged = ClassificationCounter((), "fraud")
        for place in order:
            merged.merge(ClassificationCounter.restore(parts[place]))
        assert merged.result(9) == whole.result(9)
        assert merged.snapshot() == whole.snapshot()


def test_other_parameters_do_not_merge() -> None:
    with pytest.raises(MergeError, match=r"'fraud'.*'legit'"):
        ClassificationCounter((), "fraud").merge(ClassificationCounter((), "legit"))


def test_auc_of_scores_that_crowd_at_the_ends_or_are_no_probabilities() -> None:
    rng = np.random.default_rng(4)
    for scores in (
        rng.beta(0.05, 5, 5_000) * 1e-6,
        1 - rng.beta(0.05, 5, 5_000) * 1e-6,
        rng.normal(0, 5, 5_000),
        rng.integers(0, 10, 5_000) / 10,
    ):
        ranks = scores.argsort().argsort() / len(scores)
        truth = rng.random(5_000) < 0.2 + 0.5 * ranks
        auc = RocAuc()
        auc.update(scores, truth)
        assert auc.value() == pytest.approx(skm.roc_auc_score(truth, scores), abs=0.002)
