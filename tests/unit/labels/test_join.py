"""The label join beside a pandas merge: the same pairs, in whatever order everything comes."""

import json
import random
from collections import Counter

import pandas as pd
import pytest
from found_rows import found_prediction

from inferwatch.events.kinds import Kind
from inferwatch.settings import load
from pipeline.decode import Decoder, RawRecord
from pipeline.labels.join import LabelJoin
from pipeline.labels.record import MAX_SAID, LabelRecord, Said
from pipeline.partition import PartitionState
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.windows.pane import PaneKey
from pipeline.windows.watermark import NEVER

HORIZON = 20_000
CONFIG = """
retention: {restate: 30s, history: 1h}
defaults: {windows: [10s], lateness: 0s, reference: {learn: off}}
models:
  - {name: m, task: multiclass, segments: [region], labels: {horizon: 20s}}
  - {name: "*", labels: {horizon: 20s}}
"""
ALWAYS = 2**62


def settings():
    return load(None, text=CONFIG)


class Kept:
    """What the labels can find: rows by id, as the store in Redis gives them."""

    def __init__(self):
        self.rows = {}

    def keep(self, identity, place, ts, text, segments=()):
        row = found_prediction(
            f"p:{place}:0", "m", "1", ts, text, float("nan"), {}, NEVER, segments
        )
        self.rows.setdefault(identity, []).append(row)

    def find(self, wanted):
        found = {}
        for identity, ts in wanted:
            rows = [r for r in self.rows.get(identity, ()) if abs(r.ts - ts) <= 2 * HORIZON]
            if rows:
                found.setdefault(identity, []).extend(rows)
        return found


class Labels:
    """A labels partition in work, as its owner does it."""

    def __init__(self, kept):
        self.join = LabelJoin(settings(), ReferenceCatalog())
        self.state = PartitionState()
        self.kept = kept
        self.decoder = Decoder(Kind.LABEL, settings().limits, clock=lambda: 0)

    def take(self, records):
        news = self.join.newest(self.state, self.decoder.decode(records))
        outcome = self.join.apply(self.state, news, self.kept.find(self.join.lookups(news)))
        self.state.offset = records[-1].offset
        return outcome

    def look_again(self, watermark=NEVER):
        waiting = self.join.waiting(self.state, watermark)
        outcome = self.join.apply(self.state, {}, self.kept.find(self.join.lookups(waiting)))
        self.join.close(self.state, waiting, watermark)
        return outcome

    def restart(self):
        """Another owner loads what this one wrote."""
        labels = {i: LabelRecord.restore(r.snapshot()) for i, r in self.state.labels.items()}
        self.state.labels = labels

    def pairs(self, segment=""):
        """How often (pane, actual, predicted) is counted."""
        found = Counter()
        for text, pane in self.state.panes.items():
            key = PaneKey.parse(text)
            if key.segment != segment:
                continue
            for counts in pane.counts.values():
                if counts.quality is None:
                    continue
                confusion = counts.quality.result(0).confusion or {}
                for actual, row in confusion.items():
                    for predicted, number in row.items():
                        found[key.start, actual, predicted] += number
        return +found


def label(offset, identity, ts, text):
    value = json.dumps({"id": identity, "ts": ts, "label": text}).encode()
    return RawRecord("inference.labels", 0, offset, 10**15, None, value, ())


def merged(predictions, labels):
    """The oracle: of each row the latest label within the horizon, by pandas."""
    left = pd.DataFrame(predictions, columns=["id", "place", "ts", "predicted"])
    right = pd.DataFrame(labels, columns=["offset", "id", "label_ts", "actual"])
    pairs = left.merge(right, on="id")
    pairs = pairs[(pairs.label_ts - pairs.ts).abs() <= HORIZON]
    pairs = pairs.sort_values(["label_ts", "offset"]).drop_duplicates(["place"], keep="last")
    pairs["pane"] = pairs.ts // 10_000 * 10_000
    return Counter(
        {tuple(k): n for k, n in pairs.groupby(["pane", "actual", "predicted"]).size().items()}
    )


@pytest.mark.parametrize("seed", range(40))
def test_any_order_of_rows_labels_and_corrections_gives_the_pairs_of_a_merge(seed):
    rnd = random.Random(seed)
    ids = [f"i{n}" for n in range(12)]
    predictions = [
        (rnd.choice(ids), place, rnd.randrange(100_000, 160_000), rnd.choice("abc"))
        for place in range(40)
    ]
    labels = [
        (offset, rnd.choice(ids), rnd.randrange(105_000, 155_000), rnd.choice("abc"))
        for offset in range(50)
    ]
    # No more labels an id than are remembered.
    seen = Counter()
    labels = [one for one in labels if seen.update([one[1]]) or seen[one[1]] <= MAX_SAID]
    kept = Kept()
    work = Labels(kept)
    rows, news = list(predictions), [label(*one) for one in labels]
    rnd.shuffle(rows)
    while rows or news:
        chance = rnd.random()
        if rows and chance < 0.4:
            kept.keep(*rows.pop())
        elif news and chance < 0.8:
            size = rnd.randint(1, 6)
            work.take(news[:size])
            del news[:size]
        elif chance < 0.9:
            work.look_again()
        else:
            work.restart()
    # Rows that came late are found while their labels are open, and once more before these close.
    work.look_again(ALWAYS)
    assert work.pairs() == merged(predictions, labels)


def test_the_oracle_would_notice():
    kept = Kept()
    kept.keep("a", 0, 100_000, "x")
    work = Labels(kept)
    work.take([label(0, "a", 100_500, "x")])
    assert work.pairs() == merged([("a", 0, 100_000, "x")], [(0, "a", 100_500, "x")])
    assert work.pairs() != merged([("a", 0, 100_000, "x")], [(0, "a", 100_500, "y")])


def test_a_label_that_is_sent_twice_counts_once():
    kept = Kept()
    kept.keep("a", 0, 100_000, "x")
    work = Labels(kept)
    work.take([label(0, "a", 100_500, "x"), label(1, "a", 100_500, "x")])
    work.take([label(2, "a", 100_500, "x")])
    assert work.pairs() == {(100_000, "x", "x"): 1}
    assert work.state.totals.duplicates == 2


def test_a_correction_takes_the_old_pair_back_in_every_segment():
    kept = Kept()
    kept.keep("a", 0, 100_000, "x", ("region=eu",))
    work = Labels(kept)
    work.take([label(0, "a", 100_500, "x")])
    work.take([label(1, "a", 100_600, "y")])
    for segment in ("", "region=eu"):
        assert work.pairs(segment) == {(100_000, "y", "x"): 1}


def test_an_older_label_that_comes_late_corrects_nothing():
    kept = Kept()
    kept.keep("a", 0, 100_000, "x")
    work = Labels(kept)
    work.take([label(0, "a", 100_600, "y")])
    work.take([label(1, "a", 100_500, "x")])
    assert work.pairs() == {(100_000, "y", "x"): 1}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("kept_first", [True, False])
def test_a_correction_past_the_horizon_leaves_the_label_that_counted(order, kept_first):
    kept = Kept()
    work = Labels(kept)
    said = [("a", 100_500, "x"), ("a", 100_000 + HORIZON + 1, "y")]
    if kept_first:
        kept.keep("a", 0, 100_000, "x")
    for offset, n in enumerate(order):
        work.take([label(offset, *said[n])])
    if not kept_first:
        kept.keep("a", 0, 100_000, "x")
    work.look_again(ALWAYS)
    assert work.pairs() == {(100_000, "x", "x"): 1}


def test_a_label_waits_until_the_predictions_have_passed_it():
    kept = Kept()
    work = Labels(kept)
    work.take([label(0, "a", 100_500, "x")])
    work.look_again(100_500)
    kept.keep("a", 0, 100_000, "x")
    work.look_again(100_501)
    assert work.pairs() == {(100_000, "x", "x"): 1}
    kept.keep("a", 1, 100_000, "x")
    work.look_again(ALWAYS)
    assert work.pairs() == {(100_000, "x", "x"): 1}, "closed: nothing is looked for any more"


def test_after_a_rebuild_labels_that_found_a_row_are_looked_up_again():
    kept = Kept()
    kept.keep("a", 0, 100_000, "x")
    work = Labels(kept)
    work.take([label(0, "a", 100_500, "x")])
    kept.keep("a", 1, 100_000, "y")
    assert not work.join.waiting(work.state, NEVER)
    assert list(work.join.waiting(work.state, NEVER, again=True)) == ["a"]


def test_a_label_older_than_any_window_takes_is_counted_only():
    kept = Kept()
    kept.keep("a", 0, 100_000, "x")
    work = Labels(kept)
    work.take([label(0, "a", 100_500, "x"), label(1, "b", 200_000, "x")])
    work.look_again(ALWAYS)
    assert work.join.forgettable(work.state) == ["a"]
    del work.state.labels["a"]
    # Were it not too late it would be taken for a first label, and the row would count twice.
    work.take([label(2, "a", 100_500, "x")])
    assert work.state.totals.too_late == 1
    assert work.pairs() == {(100_000, "x", "x"): 1}


@pytest.mark.parametrize("seed", range(10))
def test_forgetting_labels_changes_no_pair(seed):
    rnd = random.Random(seed)
    kept, forgetful = Kept(), Labels(Kept())
    faithful = Labels(kept)
    forgetful.kept = kept
    time, sent = 100_000, []
    for place in range(60):
        time += rnd.randrange(8_000)
        identity = f"i{place}"
        kept.keep(identity, place, time, rnd.choice("ab"))
        sent.append((identity, time))
        batch = []
        for _ in range(rnd.randint(1, 3)):
            chosen, ts = rnd.choice(sent[-20:])
            batch.append((chosen, ts + rnd.randrange(HORIZON), rnd.choice("ab")))
        records = [label(place * 10 + n, *one) for n, one in enumerate(batch)]
        for work in (faithful, forgetful):
            work.take(records)
            work.look_again(time - 5_000)
        for old in forgetful.join.forgettable(forgetful.state):
            del forgetful.state.labels[old]
    assert len(forgetful.state.labels) < len(faithful.state.labels)
    assert forgetful.pairs() == faithful.pairs()


def test_only_so_many_corrections_are_remembered():
    record = LabelRecord([Said(0, 0, "x", 0.0)])
    for n in range(1, 50):
        record = record.with_said(Said(n, n, f"x{n}", 0.0))
    assert len(record.said) == MAX_SAID
    assert record.ts == 49
