"""Labels join whatever their order in the file, and the last word counts."""

import random

from replay_events import START, row


def label(n, after_s, value="yes", **more):
    return {"id": f"i{n}", "ts": START + round(after_s * 1000), "label": value, **more}


def test_the_order_of_the_file_means_nothing(replayed):
    rows = [row(n * 2, id=f"i{n}", prediction="yes" if n % 2 else "no") for n in range(200)]
    labels = [label(n, n * 2 + (n * 37) % 90, "yes" if n % 3 else "no") for n in range(200)]
    want = replayed(rows, labels=labels)
    random.Random(4).shuffle(labels)
    assert replayed(rows, labels=labels).lines == want.lines
    assert sum(w["quality"]["labelled"] for w in want.windows) == 200


def test_a_later_label_corrects_an_earlier_one(replayed):
    rows = [row(0, id="i0"), row(1, id="i1"), row(300, id="i2")]
    labels = [label(0, 90, "no"), label(0, 20, "yes"), label(1, 30, "no"), label(1, 30, "yes")]
    quality = replayed(rows, labels=labels).window(start=START)["quality"]
    assert quality["confusion"] == {"no": {"yes": 1}, "yes": {"yes": 1}}


def test_a_label_may_come_before_its_prediction(replayed):
    got = replayed([row(5, id="i0"), row(0, id="i1")], labels=[label(0, 1), label(1, 0)])
    assert got.window(start=START)["quality"]["labelled"] == 2


def test_past_the_horizon_a_label_joins_nothing(replayed):
    rows = [row(0, id="i0"), row(1, id="i1")]
    got = replayed(rows, labels=[label(0, 600), label(1, 601.001)])
    quality = got.window(start=START)["quality"]
    assert (quality["labelled"], quality["label_coverage"]) == (1, 0.5)


def test_labels_after_the_last_row_revise(replayed):
    rows = [row(0, id="i0"), row(1, id="i1")]
    got = replayed(rows, labels=[label(0, 200), label(1, 500)], revisions=True)
    assert [w.get("quality", {}).get("labelled") for w in got.windows][-1] == 2
    assert [w["late"] for w in got.windows] == [0] * len(got.windows)


def test_bad_labels_are_dead_letters(replayed):
    labels = [label(0, 1), {"id": "i0", "ts": START}, {"ts": START, "label": "x"}]
    got = replayed([row(0, id="i0")], labels=labels)
    assert got.plain["deadletter"] == {"malformed": 2}
    assert got.window(start=START)["quality"]["labelled"] == 1


def test_without_labels_there_is_no_quality(replayed):
    got = replayed([row(0, id="i0")])
    assert "quality" not in got.window(start=START)


def test_bad_ids_are_dead_letters_with_and_without_labels(replayed):
    rows = [row(0, id=1.5), row(1, id="i1")]
    for labels in ({}, {"labels": [label(1, 3)]}):
        assert replayed(rows, **labels).plain["deadletter"] == {"malformed": 1}
