"""The calm past of a model stays within its bounds, and is the same after a restart."""

from dataclasses import replace

import numpy as np
import pytest
from made_windows import MINUTE, window_of

from pipeline.rules.history import MAX_SEGMENTS, SILENT_WINDOWS, History

CALM = window_of(0, {"amount": np.arange(40.0)}, segment="eu", version="1")


def filled():
    """As many segments as there is room for, each with one window, of one time."""
    history = History()
    for n in range(MAX_SEGMENTS):
        take(history, f"s{n}")
    return history


def take(history, segment, windows_later=0, part="final"):
    at = CALM.end + windows_later * MINUTE
    window = replace(CALM, segment=segment, start=at - MINUTE, end=at)
    history.remember(window, part, calm=True)


def known(history):
    return {segment for _, segment, _ in history.shelves}


def test_segments_that_take_turns_do_not_grow_and_what_is_known_keeps_its_past():
    history = filled()
    for later in range(1, 4):
        take(history, f"new-{later}", later)
        take(history, "s7", later)
    assert len(known(history)) == MAX_SEGMENTS
    assert not any(segment.startswith("new") for segment in known(history))
    assert history.usual("1", "s7", CALM.end + MINUTE)


@pytest.mark.parametrize("restored", [False, True])
def test_a_new_segment_takes_the_place_of_the_one_silent_for_longest(restored):
    history = filled()
    take(history, "s0", 1)
    take(history, "s1", 0, part="quality")
    if restored:
        history = History.from_plain(history.as_plain())
    take(history, "new", SILENT_WINDOWS + 1)
    assert len(known(history)) == MAX_SEGMENTS
    assert {"new", "s0", "s1"} <= known(history)
    assert "s2" not in known(history)


def test_more_than_there_is_room_for_of_an_older_version_go_when_they_are_silent():
    plain = filled().as_plain()
    extra = [["1", f"old-{n}", *plain["shelves"][0][2:]] for n in range(50)]
    history = History.from_plain({**plain, "shelves": [*extra, *plain["shelves"]]})
    take(history, "new", SILENT_WINDOWS + 1)
    assert len(known(history)) == MAX_SEGMENTS
    assert not any(segment.startswith("old") for segment in known(history))
