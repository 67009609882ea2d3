"""What is kept is what is dear to make again, and it never takes more than it may."""

from pipeline.stats import LatencyCounter
from pipeline.windows.counting import CountingRules
from pipeline.windows.pane import Pane
from pipeline.windows.run_shelf import RunKey, RunShelf
from pipeline.windows.watermark import NEVER

RULES = CountingRules(
    task="binary", classes=(), positive="yes", max_categories=10, categorical=frozenset()
)


def run():
    pane = Pane(RULES)
    pane.at(NEVER).latency = LatencyCounter()
    return pane


SIZE = run().nbytes


def shelf_of(runs):
    return RunShelf(lambda: runs * SIZE)


def test_long_runs_outlast_short_ones_and_the_used_outlast_others():
    shelf = shelf_of(3)
    shelf.put(RunKey("a", 60, 0), run())
    for start in range(4):
        shelf.put(RunKey("a", 1, start), run())
    assert shelf.get(RunKey("a", 1, 4)) is None
    shelf.put(RunKey("a", 1, 9), run())
    shelf.trim()
    assert RunKey("a", 60, 0) in shelf
    assert len(shelf) == 3 and shelf.bytes == 3 * SIZE
    kept = [start for start in (0, 1, 2, 3, 9) if RunKey("a", 1, start) in shelf]
    assert shelf.get(RunKey("a", 1, kept[0])) is not None
    shelf.put(RunKey("a", 1, 10), run())
    shelf.trim()
    assert RunKey("a", 1, kept[0]) in shelf and RunKey("a", 1, kept[1]) not in shelf


def test_a_long_run_that_nobody_uses_goes_after_many_turns():
    shelf = shelf_of(2)
    shelf.put(RunKey("a", 10, 0), run())
    turns = 0
    while RunKey("a", 10, 0) in shelf:
        turns += 1
        shelf.put(RunKey("a", 1, turns), run())
        shelf.trim()
    assert 9 <= turns <= 21


def test_what_a_longer_run_holds_goes_first():
    shelf = shelf_of(2)
    shelf.put(RunKey("a", 10, 0), run())
    shelf.put(RunKey("a", 1, 50), run())
    shelf.put(RunKey("a", 60, 0), run())
    shelf.spare(RunKey("a", 10, 0))
    shelf.trim()
    assert RunKey("a", 10, 0) not in shelf and RunKey("a", 1, 50) in shelf


def test_what_is_dropped_or_forgotten_takes_no_room():
    shelf = shelf_of(9)
    for start in range(300):
        shelf.put(RunKey("a", 1, 7), run())
        shelf.drop(RunKey("a", 1, 7))
        shelf.put(RunKey("a", 10, start), run())
        shelf.trim()
    shelf.forget(299)
    assert len(shelf) == 1 and shelf.bytes == SIZE
    shelf.put(RunKey("a", 120, 0), run(), is_core=True)
    assert shelf.cores("a") == [RunKey("a", 120, 0)] and shelf.cores("b") == []
    shelf.drop(RunKey("a", 120, 0))
    assert shelf.cores("a") == []
    shelf.clear()
    assert len(shelf) == 0 and shelf.bytes == 0
