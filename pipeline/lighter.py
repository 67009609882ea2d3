"""What was learned of a model without what only segments know: for a record that must be small."""

from __future__ import annotations

from pipeline.state.packing import pack, unpack


def without_segments(state: bytes, what: str) -> bytes:
    """The state of an evaluation without the calm past of segments.

    What was judged, sums, open incidents and the past of whole versions stay: after it a segment
    is judged as before, and a diagnosis has nothing of its own past to compare it with.

    Args:
        state: as an evaluation is stored.
        what: names it in an error.

    >>> shelves = [["1", None, "final"], ["1", "eu", "final"]]
    >>> state = pack([0, [], [], [], {"tracks": [], "history": {"shelves": shelves}}])
    >>> unpack(without_segments(state, "it"), "it")[-1]["history"]
    {'shelves': [['1', None, 'final']]}
    """
    *judged, watch = unpack(state, what)
    history = watch["history"]
    whole = [shelf for shelf in history["shelves"] if shelf[1] is None]
    return pack([*judged, {**watch, "history": {**history, "shelves": whole}}])
