"""Over-fitting, under-fitting and decay, told apart by what was promised: seeded replays."""

import csv

import numpy as np
import pytest

MINUTE = 60_000
START = 1_764_000_000_000 // MINUTE * MINUTE
ROWS = 200
CONFIG = """
defaults: {{windows: [1m], lateness: 10s, reference: {{learn: "off"}}}}
models:
  - {{name: m, task: binary, positive: "yes", labels: {{horizon: 10m}}, expect: {expect}}}
"""


def story(right, minutes=30, seed=1, version=lambda minute: "7"):
    """Predictions and labels of a balanced task, right as often as `right` says of a minute."""
    rng = np.random.default_rng(seed)
    predictions, labels = [], []
    for minute in range(minutes):
        for n in range(ROWS):
            ts = START + minute * MINUTE + n * (MINUTE // ROWS)
            truth, other = ("yes", "no") if rng.random() < 0.5 else ("no", "yes")
            said = truth if rng.random() < right(minute) else other
            event = {"id": f"{minute}-{n}", "model": "m", "version": version(minute), "ts": ts}
            x = {"x": float(rng.normal())}
            predictions.append({**event, "prediction": said, "features": x})
            labels.append({"id": event["id"], "ts": ts + 5_000, "label": truth})
    return predictions, labels


def performance(path, train, validation):
    """The table of a reference: right so often on what it was trained on, and beside it."""
    rng = np.random.default_rng(9)
    with path.open("w") as file:
        rows = csv.writer(file)
        rows.writerow(["x", "prediction", "label", "split"])
        for split, right in (("train", train), ("validation", validation)):
            for _ in range(3_000):
                truth, other = ("yes", "no") if rng.random() < 0.5 else ("no", "yes")
                rows.writerow(
                    [rng.normal(), truth if rng.random() < right else other, truth, split]
                )
    return path


def fired(outcome):
    return [
        (one.rule, str(one.kind), one.causes[0].cause)
        for one in outcome.alerts
        if str(one.status) == "firing"
    ]


STEADY_80, STEADY_60, STEADY_90 = (lambda _, share=share: share for share in (0.8, 0.6, 0.9))
STORIES = [
    # production, in training, on validation, what fires first
    (STEADY_80, 0.99, 0.90, ("quality-drop", "overfit", "overfit")),
    (STEADY_80, 0.99, 0.80, ("overfit", "overfit", "overfit")),
    (STEADY_60, 0.62, 0.61, ("underfit", "underfit", "underfit")),
    (lambda minute: 0.90 - 0.005 * minute, 0.92, 0.90, ("quality-drop", "quality", None)),
    (lambda minute: 0.90 if minute < 15 else 0.75, 0.99, 0.90, ("quality-drop", "quality", None)),
    (STEADY_90, 0.92, 0.90, None),
    (STEADY_80, 0.82, 0.80, None),
]
IDS = ["overfit", "promise met", "underfit", "decay", "break", "good", "as good as promised"]


@pytest.mark.parametrize("told", ["by expect", "by the reference"])
@pytest.mark.parametrize(("right", "train", "validation", "first"), STORIES, ids=IDS)
def test_what_fires_says_which_of_them_it_is(
    replayed, tmp_path, told, right, train, validation, first
):
    predictions, labels = story(right, minutes=36)
    by_expect = told == "by expect"
    expect = f"{{accuracy: {validation}, train_accuracy: {train}}}" if by_expect else "{}"
    given = {} if by_expect else {
        "references": [performance(tmp_path / "reference.csv", train, validation)]
    }  # fmt: skip
    outcome = replayed(predictions, CONFIG.format(expect=expect), labels=labels, **given).outcome
    alerts = fired(outcome)
    if first is None:
        assert alerts == []
        return
    cause = first[2] or ("unknown" if by_expect else "concept_change")
    assert alerts[0] == (*first[:2], cause)
    assert {kind for _, kind, _ in alerts} == {first[1]}, "each time that it fires"
    told_first = next(one for one in outcome.alerts if str(one.status) == "firing")
    evidence = told_first.evidence[0]
    assert evidence.metric == "quality.accuracy"
    before = train if first[1] in ("overfit", "underfit") else validation
    assert evidence.before == pytest.approx(before, abs=0.03)
    assert evidence.after == told_first.value < evidence.before
    assert told_first.labels["kind"] == first[1]


def test_underfit_fires_once_and_lasts(replayed):
    predictions, labels = story(STEADY_60, minutes=60)
    config = CONFIG.format(expect="{train_accuracy: 0.62}")
    outcome = replayed(predictions, config, labels=labels).outcome
    assert [(one.rule, str(one.status)) for one in outcome.alerts] == [("underfit", "firing")]
    assert "was only 0.62 in training" in outcome.alerts[0].summary
