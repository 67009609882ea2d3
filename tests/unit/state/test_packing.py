"""Values that another version stored: an older one is read, a newer one is refused."""

import msgpack
import pytest
import zstandard

from inferwatch.errors import StateFormatError
from pipeline.partition import PartitionState, Totals
from pipeline.state.packing import FORMAT, pack, pack_small, unpack

HEAD = [True, 5_000, ["m"], {}, [3, 1, 0, {"malformed": 2}, 4]]
"""As the first format had it."""


@pytest.mark.parametrize("number", [1, 2])
def test_the_head_of_an_older_version_is_read(number):
    plain = msgpack.packb(HEAD)
    stored = bytes([number]) + (zstandard.compress(plain) if number == 1 else plain)
    state = PartitionState.restore(7, unpack(stored, "a head"), {}, {})
    assert (state.offset, state.high_ts, state.models) == (7, 5_000, {"m"})
    assert (state.totals.rows, state.totals.lost, state.totals.labels_given_up) == (3, 4, 0)
    assert PartitionState.restore(7, unpack(pack(state.head()), "a head"), {}, {}) == state


def test_what_is_written_now_is_no_format_of_those_that_would_misread_it():
    assert {pack(HEAD)[0], pack_small(HEAD)[0]} == {FORMAT - 1, FORMAT}
    assert min(pack(HEAD)[0], pack_small(HEAD)[0]) > 2


def test_a_newer_format_is_refused_and_said():
    with pytest.raises(StateFormatError, match=f"a head in Redis has format {FORMAT + 1}"):
        unpack(bytes([FORMAT + 1]) + pack(HEAD)[1:], "a head")


def test_totals_of_a_version_that_says_more():
    assert Totals.restore([1, 2, 3, {}, 4, 5, 6, "new"]) == Totals(1, 2, 3, {}, 4, 5, 6)
