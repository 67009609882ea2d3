"""The bound on labels without a row: which go, and when no more are taken in."""

import random

import pytest

from pipeline.labels.record import LabelRecord, Said
from pipeline.labels.unresolved import UnresolvedLabels
from pipeline.partition import PartitionState
from pipeline.windows.watermark import NEVER


def label(ts, *, joined=False, is_open=True):
    return LabelRecord([Said(ts, ts, "x", 0.0)], ["p:0:0"] if joined else [], is_open)


def labels(count, first=0, **about):
    return {f"i{ts}": label(ts, **about) for ts in range(first, first + count)}


def test_up_to_the_bound_nothing_goes():
    state = PartitionState(labels={**labels(20), **labels(100, 50, joined=True)})
    bound = UnresolvedLabels(20)
    assert bound.give_up(state, 10**9) == []
    assert not bound.is_full(state)


def test_the_oldest_that_predictions_have_passed_go_and_a_tenth_more():
    ids = list(labels(25).items())
    random.Random(3).shuffle(ids)
    bound = UnresolvedLabels(20)
    assert bound.give_up(PartitionState(labels=dict(ids)), 10**9) == [f"i{n}" for n in range(7)]


def test_those_to_which_no_row_can_come_go_first():
    state = PartitionState(labels={**labels(15), **labels(10, 100, is_open=False)})
    assert UnresolvedLabels(20).give_up(state, 10**9) == [f"i{n}" for n in range(100, 107)]


def test_a_label_ahead_of_the_predictions_stays_and_no_more_are_taken_in():
    state, bound = PartitionState(labels=labels(25)), UnresolvedLabels(20)
    assert bound.give_up(state, NEVER) == []
    assert bound.is_full(state)
    assert bound.give_up(state, 3) == ["i0", "i1", "i2"]
    for identity in ("i0", "i1", "i2"):
        del state.labels[identity]
    assert bound.is_full(state)
    state.labels["i3"].joined.append("p:0:1")
    state.labels["i4"].joined.append("p:0:2")
    assert bound.give_up(state, 3) == []
    assert not bound.is_full(state)


@pytest.mark.parametrize("new", [1, 19, 20, 21])
def test_it_is_looked_for_when_so_many_came_that_there_may_be_too_many(new):
    state, bound = PartitionState(labels=labels(10)), UnresolvedLabels(30)
    bound.give_up(state, 10**9)
    state.labels |= labels(new, 100)
    bound.add(state, new)
    assert len(bound.give_up(state, 10**9)) == (4 if new == 21 else 0)


def test_another_state_is_looked_through_anew():
    bound = UnresolvedLabels(20)
    bound.give_up(PartitionState(labels=labels(25)), NEVER)
    other = PartitionState(labels=labels(5))
    assert not bound.is_full(other)
    assert bound.give_up(other, NEVER) == []
