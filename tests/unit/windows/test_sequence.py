"""Origin sequences against a set of numbers: the plain definition of seen, lost and duplicate."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.windows.sequence import MAX_RANGES, OriginSequence


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
