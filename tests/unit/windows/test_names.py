"""Any name can be part of a key: nothing that a sender calls a model may stop a partition."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.windows.names import join_names, split_names
from pipeline.windows.pane import PaneKey

NAMES = st.text(alphabet="ab01\x1e\x1f|", max_size=6)


@given(st.lists(NAMES, min_size=1, max_size=5))
def test_names_come_back_as_they_were(names):
    assert split_names(join_names(*names)) == names


@given(st.lists(NAMES, min_size=3, max_size=3), st.lists(NAMES, min_size=3, max_size=3))
def test_different_names_never_share_a_key(one, other):
    assert (join_names(*one) == join_names(*other)) == (one == other)


@given(NAMES, NAMES, NAMES, st.integers(-(2**60), 2**60))
def test_a_pane_key_with_any_names_is_read_back(model, version, segment, start):
    key = PaneKey(model, version, segment, start)
    assert PaneKey.parse(key.text()) == key
