"""The watermark: the least of the busy partitions, less the lateness."""

from pipeline.windows.watermark import NEVER, PartitionProgress, model_watermark


def partition(high, *, lag=0, owned=True, silent=0):
    return PartitionProgress(high_ts=high, lag=lag, owned=owned, silent_ms=silent)


def test_it_is_the_least_of_the_partitions_less_the_lateness():
    assert model_watermark([partition(900), partition(700)], 50, 1_000) == 650


def test_a_partition_without_rows_holds_nothing_back():
    assert model_watermark([partition(900), partition(NEVER)], 50, 1_000) == 850
    assert model_watermark([partition(NEVER)], 50, 1_000) == NEVER


def test_a_silent_partition_that_is_read_to_its_end_is_left_out():
    assert model_watermark([partition(900), partition(100, silent=1_000)], 0, 1_000) == 900


def test_a_silent_partition_with_lag_holds_the_windows_back():
    assert model_watermark([partition(900), partition(100, silent=9_000, lag=1)], 0, 1_000) == 100


def test_a_partition_without_an_owner_holds_the_windows_back():
    lost = partition(100, silent=9_000, owned=False)
    assert model_watermark([partition(900), lost], 0, 1_000) == 100


def test_when_all_are_silent_it_moves_on_with_the_wall_clock():
    silent = [partition(900, silent=3_000), partition(700, silent=5_000)]
    assert model_watermark(silent, 100, 1_000) == 900 - 100 + 3_000
