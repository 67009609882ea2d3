"""Origin sequences against a set of numbers: the plain definition of seen, lost and duplicate."""

from collections import Counter
from itertools import accumulate, pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.windows.sequence import MAX_RANGES, WAITING, OriginSequence


def admit(seen: OriginSequence, numbers: list[int], *, from_start: bool = True):
    return seen.admit(np.array(numbers), lambda row: f"p{numbers[row]}", from_start=from_start)


def test_a_resent_batch_counts_once():
    seen = OriginSequence()
    assert admit(seen, [0, 1, 2]).fresh.all()
    assert not admit(seen, [0, 1, 2]).fresh.any()


def test_a_hole_is_charged_to_the_row_that_shows_it_and_taken_back_when_it_fills():
    seen = OriginSequence()
    admit(seen, [0, 1])
    assert admit(seen, [5, 6]).lost == {"p5": 3}
    assert admit(seen, [3]).lost == {"p5": -1}
    assert admit(seen, [2, 4]).lost == {"p5": -2}
    assert admit(seen, [7]).lost == {}


def test_numbers_before_the_first_are_lost_only_from_the_start_of_the_log():
    assert admit(OriginSequence(), [3], from_start=True).lost == {"p3": 3}
    assert admit(OriginSequence(), [3], from_start=False).lost == {}


def test_holes_of_a_sparse_origin_mean_nothing_but_resends_do():
    seen = OriginSequence(sparse=True)
    assert admit(seen, [10, 25]).lost == {}
    assert not admit(seen, [25]).fresh.any()


def test_a_burned_number_is_no_hole():
    seen = OriginSequence()
    admit(seen, [0])
    seen.admit(np.array([1]), lambda _: "p", from_start=True)
    assert admit(seen, [2]).lost == {}


def test_past_the_bound_the_oldest_hole_is_given_up():
    seen = OriginSequence()
    for number in range(0, 2 * (MAX_RANGES + 5), 2):
        admit(seen, [number])
    assert len(seen.snapshot()[2]) == MAX_RANGES
    assert not admit(seen, [1]).fresh.any(), "a hole that was given up is not opened again"


def test_given_up_holes_stay_closed():
    seen = OriginSequence()
    admit(seen, [0, 5])
    seen.give_up_holes()
    assert not admit(seen, [3]).fresh.any()
    assert admit(seen, [6]).lost == {}


def test_a_hole_that_a_rejected_row_shows_waits_for_the_next_good_one():
    seen = OriginSequence()
    admit(seen, [0])
    assert seen.admit(np.array([4]), lambda _: WAITING, from_start=True).lost == {WAITING: 3}
    seen = OriginSequence.restore(seen.snapshot())
    assert admit(seen, [2]).lost == {WAITING: -3, "p2": 2}
    assert admit(seen, [3]).lost == {"p2": -1}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=40),
    st.lists(st.integers(1, 10), max_size=10),
)
def test_what_is_charged_to_which_pane_does_not_depend_on_how_the_rows_were_cut(rows, sizes):
    """The good rows' panes hold the same holes, whatever came in one batch with what."""

    def charged(batches):
        seen, lost = OriginSequence(), Counter()
        for batch in batches:
            change = seen.admit(
                np.array([number for _, (number, _) in batch]),
                lambda row, batch=batch: next(
                    (f"row {at}" for at, (_, is_good) in batch[row:] if is_good), WAITING
                ),
                from_start=True,
            )
            lost.update(change.lost)
            seen = OriginSequence.restore(seen.snapshot())
        return {pane: number for pane, number in lost.items() if number}

    whole = list(enumerate(rows))
    cuts = [0, *accumulate(sizes), len(rows)]
    assert charged([whole]) == charged([whole[a:b] for a, b in pairwise(cuts) if whole[a:b]])


batches = st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=12), min_size=1, max_size=8)


@settings(max_examples=200, deadline=None)
@given(batches, st.integers(0, 7))
def test_it_says_what_a_set_of_numbers_would_say(numbers, cut):
    """Fresh rows, duplicates and the total of lost rows equal those of a plain set."""
    seen, known, lost = OriginSequence(), set(), 0
    for turn, batch in enumerate(numbers):
        if turn == cut:
            seen = OriginSequence.restore(seen.snapshot())
        admission = admit(seen, batch)
        for number, fresh in zip(batch, admission.fresh.tolist(), strict=True):
            assert fresh == (number not in known)
            known.add(number)
        lost += sum(admission.lost.values())
    assert lost == max(known) + 1 - len(known)
