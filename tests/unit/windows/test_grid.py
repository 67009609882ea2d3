"""Windows and panes against the definition: start <= ts < start + size, starts on the slide."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferwatch.settings.types import parse_window
from pipeline.windows.grid import grid_of

SPECS = ["1m", "3m/1m", "5m", "10s/4s", "7s"]


def windows_by_definition(spec, ts):
    first = (ts - spec.size) // spec.slide * spec.slide
    starts = range(first, ts + 1, spec.slide)
    return [start for start in starts if start <= ts < start + spec.size]


@given(st.sampled_from(SPECS), st.integers(-(10**9), 10**13))
def test_every_window_that_holds_a_time_and_no_other(text, ts):
    spec = parse_window(text)
    grid = grid_of([spec])
    pane = ts // grid.pane * grid.pane
    spans = list(grid.spans_of(pane))
    assert [span.start for span in spans] == windows_by_definition(spec, ts)
    assert grid.first_end(np.array([ts]))[0] == min(span.end for span in spans)
    assert grid.last_end(np.array([ts]))[0] == max(span.end for span in spans)
    assert grid.last_end_of(pane) == max(span.end for span in spans)


@given(st.lists(st.sampled_from(SPECS), min_size=1, max_size=4, unique=True), st.integers(0, 10**7))
def test_the_panes_of_a_window_are_those_whose_windows_name_it(texts, ts):
    grid = grid_of([parse_window(text) for text in texts])
    for span in grid.spans_of(ts // grid.pane * grid.pane):
        panes = list(grid.panes_of(span))
        assert panes[0] == span.start
        assert panes[-1] + grid.pane == span.end
        assert all(span in grid.spans_of(pane) for pane in panes)


@pytest.mark.parametrize(("texts", "pane"), [(["1m", "5m"], 60_000), (["15m/1m", "90s"], 30_000)])
def test_a_pane_is_the_greatest_common_divisor(texts, pane):
    assert grid_of([parse_window(text) for text in texts]).pane == pane
