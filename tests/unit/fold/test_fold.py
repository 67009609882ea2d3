"""The fold: any cut of the log into batches gives the same panes; times and numbers decide."""

import json
import random
from types import SimpleNamespace

import pytest

from inferwatch.events.kinds import Kind
from inferwatch.events.sampling import keeps
from inferwatch.settings import load
from pipeline.decode import Decoder, RawRecord
from pipeline.fold import Folder
from pipeline.partition import PartitionState
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.windows.pane import Pane, PaneKey
from pipeline.windows.watermark import NEVER

CONFIG = """
retention: {restate: 30s, history: 1h}
defaults: {windows: [10s, 60s], lateness: 5s, reference: {learn: off}}
models:
  - {name: m, task: binary, positive: b, segments: [region]}
"""


def settings():
    return load(None, text=CONFIG)


def record(offset, ts, *, timestamp=None, origin=None, seq=None, **extra):
    event = {"model": "m", "ts": ts, "prediction": "a", "features": {"x": 1.5}, **extra}
    headers = []
    if origin is not None:
        headers = [("origin", origin.encode()), ("seq", str(seq).encode())]
    value = json.dumps(event).encode()
    stamp = ts if timestamp is None else timestamp
    return RawRecord("inference.predictions", 0, offset, stamp, None, value, tuple(headers))


def fold(records, cuts=(), config=None):
    config = config or settings()
    folder = Folder(config, ReferenceCatalog())
    decoder = Decoder(Kind.PREDICTION, config.limits, clock=lambda: 0)
    state = PartitionState()
    bounds = [0, *sorted(cuts), len(records)]
    kept = []
    for first, after in zip(bounds, bounds[1:], strict=False):
        part = records[first:after]
        if part:
            outcome = folder.fold(state, decoder.decode(part), part[-1].offset)
            kept += outcome.kept
    return SimpleNamespace(state=state, kept=kept)


def rows(state, start, segment="", until=NEVER):
    pane = state.panes.get(PaneKey("m", "unversioned", segment, start).text())
    return 0 if pane is None or until not in pane.counts else pane.counts[until].rows


def test_rows_go_to_the_pane_of_their_own_time():
    state = fold([record(0, 10_000), record(1, 19_999), record(2, 20_000)]).state
    assert rows(state, 10_000) == 2
    assert rows(state, 20_000) == 1
    assert state.offset == 2


def test_a_time_ahead_of_its_record_does_not_move_the_watermark_past_the_record():
    state = fold([record(0, 250_000, timestamp=10_000)]).state
    assert state.high_ts == 10_000


def test_a_row_too_late_for_every_window_is_only_counted():
    late = fold([record(0, 500_000), record(1, 1_000)]).state
    assert late.totals.too_late == 1
    assert rows(late, 0) == 0
    assert late.totals.rows == 2


def test_a_row_too_late_for_the_short_window_still_counts_for_the_long_one():
    # The minute ends at 60 s and takes rows until 90 s; the ten seconds until 40 s.
    state = fold([record(0, 80_000), record(1, 1_000)]).state
    pane = state.panes[PaneKey("m", "unversioned", "", 0).text()]
    (until,) = pane.counts
    assert 10_000 <= until < 60_000
    assert pane.counts[until].rows == 1


def test_a_resend_counts_once_and_a_hole_is_lost():
    state = fold(
        [
            record(0, 10_000, origin="s", seq=0),
            record(1, 10_001, origin="s", seq=1),
            record(2, 10_001, origin="s", seq=1),
            record(3, 25_000, origin="s", seq=4),
        ]
    ).state
    first = state.panes[PaneKey("m", "unversioned", "", 10_000).text()].counts[NEVER]
    second = state.panes[PaneKey("m", "unversioned", "", 20_000).text()].counts[NEVER]
    assert (first.rows, first.duplicates, second.lost) == (2, 1, 2)
    assert state.totals.duplicates == 1


def test_segments_are_each_key_by_itself():
    records = [record(n, 10_000, segment={"region": "eu" if n % 3 else "us"}) for n in range(6)]
    state = fold(records).state
    assert rows(state, 10_000) == 6
    assert rows(state, 10_000, "region=eu") == 4
    assert rows(state, 10_000, "region=us") == 2


def told(batches):
    """All of each kept row, as text: what is no number is not equal to itself."""
    for rows in batches:
        for identity, row in rows.found("p"):
            yield repr((identity, row.ts, row.text, row.number, row.scores, row.segments))


def test_rows_with_an_id_are_kept_for_labels():
    records = [record(0, 10_000, id="a", segment={"region": "eu"}), record(1, 10_000)]
    kept = fold(records).kept
    ((identity, row),) = [found for rows in kept for found in rows.found("p:0")]
    assert (identity, row.text, row.segments) == ("a", "a", ("region=eu",))
    assert row.identity == "p:0:0:0"


def test_a_sample_keeps_the_same_ids_as_the_sidecar_and_counts_only_them_as_joinable():
    records = [record(n, 10_000, id=f"i{n}") for n in range(200)]
    sampled = CONFIG.replace("segments: [region]", "labels: {sample: 0.25}")
    outcome = fold(records, config=load(None, text=sampled))
    wanted = [f"i{n}" for n in range(200) if keeps(f"i{n}", 0.25)]
    counts = outcome.state.panes[PaneKey("m", "unversioned", "", 10_000).text()].counts[NEVER]
    assert sorted(one for rows in outcome.kept for one in rows.ids) == sorted(wanted)
    assert (counts.joinable, counts.rows) == (len(wanted), 200)


def test_a_halved_sample_keeps_and_expects_fewer_from_the_next_row_on():
    records = [record(n, 10_000, id=f"i{n}") for n in range(400)]
    folder, state = Folder(settings(), ReferenceCatalog()), PartitionState()
    decoder = Decoder(Kind.PREDICTION, settings().limits, clock=lambda: 0)
    kept = []
    for halvings, first in ((0, 0), (2, 100), (1, 200), (0, 300)):
        state.label_halvings = {"m": halvings, "other": 9}
        part = records[first : first + 100]
        outcome = folder.fold(state, decoder.decode(part), part[-1].offset)
        kept += [one for rows in outcome.kept for one in rows.ids]
        assert PartitionState.restore(state.offset, state.head(), {}, {}).label_halvings == {
            "m": halvings,
            "other": 9,
        }
    shares = [1.0] * 100 + [0.25] * 100 + [0.5] * 100 + [1.0] * 100
    wanted = [f"i{n}" for n, share in enumerate(shares) if keeps(f"i{n}", share)]
    counts = state.panes[PaneKey("m", "unversioned", "", 10_000).text()].counts[NEVER]
    assert sorted(kept) == sorted(wanted)
    assert (counts.joinable, counts.rows) == (len(wanted), 400)


def test_the_head_of_an_older_version_is_read():
    head = PartitionState(models={"m"}).head()[:5]
    assert PartitionState.restore(7, head, {}, {}).label_halvings == {}


@pytest.mark.parametrize("seed", range(5))
def test_any_cut_of_the_log_gives_the_same_state(seed):
    rnd = random.Random(seed)
    records, numbers = [], {"s": 0, "t": 0}
    for offset in range(120):
        origin = rnd.choice(["s", "t", None])
        seq = None
        if origin is not None:
            numbers[origin] += rnd.choice([0, 1, 1, 1, 2])
            seq = numbers[origin]
        ts = offset * 1_500 - rnd.choice([0, 0, 0, 4_000, 70_000])
        region = rnd.choice(["eu", "us"])
        records.append(
            record(
                offset,
                ts,
                timestamp=offset * 1_500,
                origin=origin,
                seq=seq,
                id=f"i{offset}",
                segment={"region": region},
                features={"x": rnd.gauss(0, 1), "c": rnd.choice("uvw")},
            )
        )
    whole = fold(records)
    cut = fold(records, rnd.sample(range(1, 120), 20))
    assert cut.state.head() == whole.state.head()
    assert whole.state.totals.too_late > 0
    assert whole.state.totals.duplicates > 0
    assert {k: p.snapshot() for k, p in cut.state.panes.items()} == {
        k: p.snapshot() for k, p in whole.state.panes.items()
    }
    assert sorted(told(cut.kept)) == sorted(told(whole.kept))


def test_a_state_stored_and_restored_goes_on_as_if_nothing_had_been():
    records = [record(n, 10_000 + n * 700, origin="s", seq=n, id=f"i{n}") for n in range(40)]
    whole = fold(records).state
    half = fold(records[:20]).state
    config = settings()
    panes = {key: Pane.restore(pane.snapshot(), {}, pane.rules) for key, pane in half.panes.items()}
    restored = PartitionState.restore(half.offset, half.head(), panes, {})
    decoder = Decoder(Kind.PREDICTION, config.limits, clock=lambda: 0)
    Folder(config, ReferenceCatalog()).fold(restored, decoder.decode(records[20:]), 39)
    assert restored.head() == whole.head()
    assert {k: p.snapshot() for k, p in restored.panes.items()} == {
        k: p.snapshot() for k, p in whole.panes.items()
    }


def test_of_too_many_senders_the_longest_silent_are_forgotten_and_counted(monkeypatch):
    monkeypatch.setattr("pipeline.senders.MOST_SENDERS", 3)
    first = [record(n, 10_000 + n, origin=f"o{n}", seq=0) for n in range(5)]
    outcome = fold(first, cuts=(3, 4))
    assert sorted(outcome.state.origins) == ["o2", "o3", "o4"]
    assert outcome.state.totals.senders_forgotten == 2
    again = [
        record(5, 10_010, origin="o0", seq=0),  # forgotten: counts again
        record(6, 10_011, origin="o0", seq=5),  # a hole that is seen
        record(7, 10_012, origin="o1", seq=3),  # what it sent before is not lost
        record(8, 10_013, origin="o4", seq=0),  # known: a duplicate
    ]
    state = fold([*first, *again], cuts=(3, 4, 5, 6, 7, 8)).state
    assert (state.totals.rows, state.totals.duplicates, state.totals.lost) == (8, 1, 4)


@pytest.mark.parametrize("seed", range(8))
def test_which_senders_are_forgotten_does_not_depend_on_how_the_log_was_cut(monkeypatch, seed):
    monkeypatch.setattr("pipeline.senders.MOST_SENDERS", 8)
    chosen = random.Random(seed)
    senders = [f"o{chosen.randrange(14)}" for _ in range(120)]
    resent = [record(n, 10_000 + n, origin=o, seq=n // 20) for n, o in enumerate(senders)]
    whole = fold(resent).state
    assert whole.totals.senders_forgotten > 0 < whole.totals.duplicates
    for cuts in (range(1, 120), sorted(chosen.sample(range(1, 120), 5))):
        part = fold(resent, cuts=cuts).state
        assert part.head() == whole.head()
        assert {k: p.snapshot() for k, p in part.panes.items()} == {
            k: p.snapshot() for k, p in whole.panes.items()
        }


def test_a_sender_of_rejected_rows_alone_is_one_of_them(monkeypatch):
    monkeypatch.setattr("pipeline.senders.MOST_SENDERS", 3)
    bad = [record(n, 10_000 + n, origin=f"o{n}", seq=0, prediction=[]) for n in range(5)]
    whole, single = fold(bad).state, fold(bad, cuts=range(1, 5)).state
    assert sorted(whole.origins) == sorted(single.origins) == ["o2", "o3", "o4"]


def test_within_the_bound_no_sender_is_forgotten():
    state = fold([record(n, 10_000 + n, origin=f"o{n}", seq=1) for n in range(50)]).state
    assert len(state.origins) == state.totals.lost == 50
    assert state.totals.senders_forgotten == 0
