"""Which models are behind, while a backlog is caught up."""

from dataclasses import replace

import pytest

from pipeline.catch_up import UNOWNED_MS, CatchUp
from pipeline.progress import Beat, Progress, SourceProgress
from pipeline.state.keys import SourcePartition
from pipeline.windows.name_limit import OTHER

HERE, THERE = (SourcePartition("inference.predictions", n) for n in range(2))


def at(source, offset, end):
    """A partition counted up to an offset, of a log that ends there; None: nobody owns it."""
    beat = None if end is None else Beat(worker="w", end=end, last_record_at=0, looked_up="")
    return SourceProgress(
        source=source, offset=offset, high_ts=0, models=frozenset({"m"}), totals=(), beat=beat
    )


def progress(*partitions, now_ms=0):
    return Progress(now_ms, {one.source: one for one in partitions})


@pytest.fixture
def catch_up():
    return CatchUp()


def test_all_are_behind_until_each_log_is_counted_up_to_where_it_ended(catch_up):
    catch_up.look(progress(at(HERE, 4, 10), at(THERE, 9, 10)))
    assert catch_up.behind("m")
    # The log goes on meanwhile: that is no backlog.
    catch_up.look(progress(at(HERE, 9, 50), at(THERE, 9, 50)))
    assert catch_up.behind("m")
    assert catch_up.behind(OTHER)
    catch_up.worked_out("m")
    assert not catch_up.behind("m")
    assert catch_up.behind(OTHER)
    assert not catch_up.behind("a model that came later")


def test_what_is_worked_out_before_the_logs_are_counted_is_still_behind(catch_up):
    catch_up.look(progress(at(HERE, 4, 10)))
    catch_up.worked_out("m")
    assert catch_up.behind("m")


def test_a_partition_that_nobody_owns_yet_is_waited_for_but_not_for_ever(catch_up):
    unowned = at(THERE, None, None)
    catch_up.look(progress(at(HERE, 9, 10), unowned, now_ms=1_000))
    catch_up.look(progress(at(HERE, 9, 10), unowned, now_ms=999 + UNOWNED_MS))
    catch_up.worked_out("m")
    assert catch_up.behind("m")
    catch_up.look(progress(at(HERE, 9, 10), unowned, now_ms=1_000 + UNOWNED_MS))
    catch_up.worked_out("m")
    assert not catch_up.behind("m")


def test_nor_is_one_whose_owner_died_on_the_way(catch_up):
    catch_up.look(progress(at(HERE, 9, 10), at(THERE, 4, 10)))
    died = replace(at(THERE, 4, 10), beat=None)
    for now_ms, behind in ((UNOWNED_MS, True), (2 * UNOWNED_MS, False)):
        catch_up.look(progress(at(HERE, 9, 10), died, now_ms=now_ms))
        catch_up.worked_out("m")
        assert catch_up.behind("m") is behind


def test_one_that_has_an_owner_again_is_waited_for_as_long_as_it_takes(catch_up):
    behind, nobody = at(THERE, 4, 10), replace(at(THERE, 4, 10), beat=None)
    for minute, there in enumerate((behind, nobody, behind, nobody, behind, behind)):
        catch_up.look(progress(at(HERE, 9, 10), there, now_ms=minute * UNOWNED_MS))
        catch_up.worked_out("m")
        assert catch_up.behind("m")


def test_after_an_interruption_all_are_behind_again(catch_up):
    catch_up.look(progress(at(HERE, 9, 10)))
    catch_up.worked_out("m")
    catch_up.begin()
    assert catch_up.behind("m")
    catch_up.look(progress(at(HERE, 9, 20)))
    assert catch_up.behind("m")
    catch_up.look(progress(at(HERE, 19, 20)))
    catch_up.worked_out("m")
    assert not catch_up.behind("m")
