"""Accuracy without labels, in windows; labels that come later measure it or refute it."""

import random

import pytest
from replay_events import START, row


def said(rnd):
    """(probability of yes, prediction, truth) of a calibrated model."""
    p = rnd.random()
    return p, "yes" if p > 0.5 else "no", "yes" if rnd.random() < p else "no"


@pytest.fixture
def reference(tmp_path):
    rnd = random.Random(1)
    lines = ["prediction,label,scores.yes"]
    for _ in range(2_000):
        p, prediction, truth = said(rnd)
        lines.append(f"{prediction},{truth},{p!r}")
    path = tmp_path / "reference.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def events(swap=False, count=600):
    """Predictions of one minute, and the labels that come some minutes later."""
    rnd = random.Random(2)
    rows, labels = [], []
    for n in range(count):
        p, prediction, truth = said(rnd)
        rows.append(row(n * 0.1, id=f"i{n}", prediction=prediction, scores={"yes": p}))
        if swap:
            truth = "no" if truth == "yes" else "yes"
        labels.append({"id": f"i{n}", "ts": START + 180_000 + n, "label": truth})
    return rows, labels


def test_a_window_is_estimated_before_its_labels_and_measured_after_them(replayed, reference):
    rows, labels = events()
    got = replayed(rows, labels=labels, references=reference, revisions=True)
    mine = [window for window in got.windows if window["start"] == START]
    without = replayed(rows, references=reference).window(start=START)["estimated"]
    assert without["low"] < without["accuracy"] < without["high"]
    assert (without["error"], without["reason"]) == (None, None)
    last = mine[-1]
    assert last["estimated"]["accuracy"] == without["accuracy"]
    expected = without["accuracy"] - last["quality"]["accuracy"]
    assert last["estimated"]["error"] == pytest.approx(expected)
    assert without["low"] <= last["quality"]["accuracy"] <= without["high"]


def test_labels_that_refute_it_switch_it_off(replayed, reference):
    rows, labels = events(swap=True)
    block = replayed(rows, labels=labels, references=reference).window(start=START)["estimated"]
    assert block["accuracy"] is None
    assert "labels refute the calibration" in block["reason"]


def test_the_bare_score_is_the_positive_class_s(replayed, reference):
    rows, _ = events()
    named = replayed(rows, references=reference).window(start=START)["estimated"]
    bare = [{**one, "scores": one["scores"]["yes"]} for one in rows]
    assert replayed(bare, references=reference).window(start=START)["estimated"] == named


def test_without_scores_or_reference_there_is_no_block(replayed, reference):
    rows, _ = events()
    assert "estimated" not in replayed(rows).window(start=START)
    for one in rows:
        del one["scores"]
    assert "estimated" not in replayed(rows, references=reference).window(start=START)
