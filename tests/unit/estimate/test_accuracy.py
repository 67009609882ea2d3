"""The estimate beside what simulated labels say: right when calibrated, off when it cannot be."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from inferwatch.events.json_codec import dumps, reference_from_json
from pipeline.columns import Column
from pipeline.estimate.accuracy import estimated_accuracy
from pipeline.estimate.confidence import ConfidenceCounter, Confidences
from pipeline.estimate.isotonic import isotonic
from pipeline.reference.builder import BuildSpec, profile_of
from pipeline.stats import ClassificationCounter

CLASSES = ("no", "yes")


def text(flags):
    return Column(len(flags), codes=flags.astype(np.int32), texts=CLASSES)


class World:
    """A binary model whose score of yes is distorted: p**2 shown, p true."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def rows(self, size, low=0.0, high=1.0, flip=0.0):
        """(scores, labels): `flip` of the labels are another concept's."""
        truth = self.rng.uniform(low, high, size)
        labels = self.rng.random(size) < truth
        changed = self.rng.random(size) < flip
        return truth**2, labels ^ changed

    def reference(self, size=4_000, **how):
        scores, labels = self.rows(size, **how)
        columns = {
            "prediction": text(scores > 0.25),
            "label": text(labels),
            "scores.yes": Column(size, numbers=scores),
        }
        return profile_of(columns, BuildSpec(positive="yes"))


def counted(scores):
    counter = ConfidenceCounter()
    counter.update(Confidences.of(text(scores > 0.25), {"yes": scores}, "yes"))
    return counter


def quality_of(scores, labels, could=None):
    counter = ClassificationCounter((), "yes")
    counter.update(text(labels), text(scores > 0.25), {}, np.zeros(len(labels)))
    return counter.result(could or len(labels))


def test_isotonic_is_scikit_learn_s():
    rng = np.random.default_rng(1)
    for size in (1, 2, 30, 300):
        shares, weights = rng.random(size), rng.integers(1, 50, size).astype(float)
        fit, behind = isotonic(shares, weights)
        theirs = IsotonicRegression().fit(np.arange(size), shares, weights)
        assert fit == pytest.approx(theirs.predict(np.arange(size)), abs=1e-12)
        for level in np.unique(fit):
            assert behind[fit == level] == pytest.approx(weights[fit == level].sum())


def test_the_interval_holds_the_truth_as_often_as_it_says_though_scores_are_distorted():
    held = 0
    for seed in range(200):
        world = World(seed)
        reference = world.reference()
        # Another mix of rows than the reference's: most are easy.
        scores, labels = world.rows(500, low=0.6)
        block = estimated_accuracy(counted(scores), reference.calibration, None)
        truth = ((scores > 0.25) == labels).mean()
        held += block.low <= truth <= block.high
    assert 180 <= held <= 199


def test_it_sees_a_fall_that_the_reference_s_accuracy_does_not():
    world = World(5)
    reference = world.reference()
    scores, labels = world.rows(20_000, low=0.4, high=0.6)
    block = estimated_accuracy(counted(scores), reference.calibration, None)
    truth = quality_of(scores, labels).accuracy
    assert block.low <= truth <= block.high
    assert abs(reference.performance["accuracy"] - truth) > 0.1


def test_labels_measure_its_error():
    world = World(6)
    reference = world.reference()
    scores, labels = world.rows(2_000)
    quality = quality_of(scores, labels)
    block = estimated_accuracy(counted(scores), reference.calibration, quality)
    assert block.error == pytest.approx(block.accuracy - quality.accuracy)
    assert block.reason is None


@pytest.mark.parametrize(("labelled", "could"), [(99, 99), (400, 2_000)])
def test_few_labels_measure_nothing(labelled, could):
    world = World(7)
    reference = world.reference()
    scores, labels = world.rows(could)
    quality = quality_of(scores[:labelled], labels[:labelled], could)
    assert estimated_accuracy(counted(scores), reference.calibration, quality).error is None


def test_labels_that_refute_it_switch_it_off():
    world = World(8)
    reference = world.reference()
    scores, labels = world.rows(2_000, flip=0.3)
    quality = quality_of(scores, labels)
    block = estimated_accuracy(counted(scores), reference.calibration, quality)
    assert (block.accuracy, block.low, block.high) == (None, None, None)
    assert "labels refute the calibration" in block.reason
    assert block.error > 0.05


def test_a_reference_with_few_labels_is_no_ground():
    reference = World(9).reference(99)
    block = estimated_accuracy(counted(np.array([0.5])), reference.calibration, None)
    assert block.accuracy is None
    assert "99 labelled rows" in block.reason


def test_scores_that_do_not_rank_are_no_ground():
    rng = np.random.default_rng(10)
    confidence = rng.uniform(0.5, 1, 5_000)
    right = rng.random(5_000) < 1.4 - confidence
    columns = {
        "prediction": text(np.ones(5_000, bool)),
        "label": text(right),
        "scores.yes": Column(5_000, numbers=confidence),
    }
    reference = profile_of(columns, BuildSpec(positive="yes"))
    block = estimated_accuracy(counted(confidence), reference.calibration, None)
    assert "does not rise with the score" in block.reason


def test_rows_unlike_the_reference_s_are_not_judged():
    world = World(11)
    reference = world.reference(low=0.55, high=0.8)
    scores, _ = world.rows(1_000, low=0.9)
    block = estimated_accuracy(counted(scores), reference.calibration, None)
    assert block.accuracy is None
    assert "as sure as no row of the reference" in block.reason


def test_without_scores_or_calibration_there_is_no_block():
    reference = World(12).reference()
    assert estimated_accuracy(ConfidenceCounter(), reference.calibration, None) is None
    assert estimated_accuracy(counted(np.array([0.5])), {}, None) is None


def test_rows_that_the_model_was_trained_on_calibrate_nothing():
    scores = np.array([0.9] * 400)
    labels = np.array([True] * 200 + [False] * 200)
    split = Column(
        400, codes=np.repeat([0, 1], 200).astype(np.int32), texts=("train", "validation")
    )
    columns = {
        "prediction": text(scores > 0.5),
        "label": text(labels),
        "scores.yes": Column(400, numbers=scores),
        "split": split,
    }
    reference = profile_of(columns, BuildSpec(positive="yes"))
    assert [(part.rows, part.right) for part in reference.calibration.values()] == [((200,), (0,))]


def test_calibration_travels_with_the_profile_and_changes_no_fingerprint():
    reference = World(13).reference()
    back = reference_from_json(dumps(reference))
    assert back.calibration == reference.calibration
    assert back.fingerprint == reference.fingerprint
