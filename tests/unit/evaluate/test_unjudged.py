"""Windows that wait for their labels: in order, and small in memory."""

from dataclasses import fields, replace

from inferwatch.events.window import NumericBlock, WindowResult
from pipeline.unjudged import Unjudged
from pipeline.windows.grid import Span
from pipeline.windows.result import WindowKey

KEYS = [WindowKey(Span(minute * 60_000, 60_000, "1m"), "1", "") for minute in range(1, 40)]


def result(n):
    values = {f.name: None for f in fields(NumericBlock) if f.init} | {"count": n, "mean": n / 3}
    block = NumericBlock(**values | {"missing": 0, "non_finite": 0, "type_mismatch": 0})
    plain = {f.name: None for f in fields(WindowResult) if f.init and f.name != "schema"} | {
        "model": "m",
        "version": "1",
        "window": "1m",
        "start": KEYS[n].span.end - 60_000,
        "end": KEYS[n].span.end,
        "revision": 0,
        "final": True,
        "provisional": False,
    }
    counts = dict.fromkeys(("late", "duplicates", "lost"), 0)
    blocks = {f"f{i}": block for i in range(20)}
    return WindowResult(**plain | counts | {"rows": n, "features": blocks})


def filled(held):
    waiting = Unjudged(held)
    for n, key in enumerate(KEYS):
        waiting.put(key, result(n))
    return waiting


def test_results_come_back_as_they_were_put_in_in_order():
    waiting = filled(held=2)
    key, taken = waiting.first()[0], []
    while key is not None:
        taken.append(waiting.result(key))
        key = waiting.take(key)
    assert taken == [result(n) for n in range(len(KEYS))]
    assert not waiting


def test_only_the_first_of_a_track_are_held_as_they_are():
    sizes = [
        sum(isinstance(one, WindowResult) for one in filled(held)._tracks[KEYS[0].track].values())
        for held in (2, 30)
    ]
    assert sizes == [2, 30]


def test_a_result_that_is_known_better_takes_its_place_packed_or_not():
    waiting = filled(held=2)
    for n in (1, 20):
        waiting.put(KEYS[n], replace(result(n), rows=1_000))
    assert isinstance(waiting._tracks[KEYS[0].track][KEYS[20]], bytes)
    assert [waiting.result(KEYS[n]).rows for n in (0, 1, 2, 20)] == [0, 1_000, 2, 1_000]
    assert list(waiting) == KEYS


def test_a_window_whose_result_is_forgotten_waits_too():
    waiting = Unjudged(held=1)
    for key in KEYS[:3]:
        waiting.put(key, None)
    assert (waiting.is_known(KEYS[2]), waiting.result(KEYS[2])) == (False, None)
    assert KEYS[1] in waiting
    assert KEYS[3] not in waiting
    other = replace(KEYS[0], segment="a=b")
    waiting.put(other, None)
    assert waiting.first() == [KEYS[0], other]
