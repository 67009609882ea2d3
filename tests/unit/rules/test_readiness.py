"""When a window's quality is judged."""

from dataclasses import replace

import msgpack
import pytest
from made_windows import MINUTE, START, quality_of, window_of

from inferwatch.errors import StateFormatError
from pipeline.rules.readiness import QualityReadiness

HOUR = 60 * MINUTE


def labelled(i, share, *, delay=30_000.0, rows=1000):
    quality = replace(
        quality_of(round(share * rows * 0.9), round(share * rows), rows=rows),
        label_delay_p95_ms=delay,
    )
    return window_of(i, rows=rows, quality=quality)


def auto(**keys):
    return QualityReadiness(**{"wait_ms": None, "horizon_ms": HOUR, "step_ms": MINUTE, **keys})


def at(minutes):
    return START + round(minutes * MINUTE)


def test_a_window_whose_labels_are_all_there_is_ready_at_its_end():
    assert not auto().ready(labelled(0, 1.0), at(0.9))
    assert auto().ready(labelled(0, 1.0), at(1))


def test_time_goes_in_whole_steps():
    ready = auto(wait_ms=2 * MINUTE)
    window = labelled(0, 0.5)
    assert not ready.ready(window, at(3) - 1)
    assert ready.ready(window, at(3))


def test_a_configured_wait_ends_at_the_horizon():
    assert auto(wait_ms=5 * HOUR).wait() == HOUR


def test_without_labels_the_horizon_decides():
    window = window_of(0)
    assert not auto().ready(window, at(60))
    assert auto().ready(window, at(61))


def test_the_wait_is_learned_from_windows_old_enough_to_tell():
    ready = auto()
    # At one minute of age a delay of 55 s may still hide slower labels.
    assert not ready.ready(labelled(0, 0.8, delay=55_000.0), at(2))
    # At two, it is known: the first window is judged, the next ones wait 55 s.
    assert ready.ready(labelled(0, 0.8, delay=55_000.0), at(3))
    assert ready.wait() == 55_000


def test_a_few_labels_teach_nothing_alone_and_enough_together():
    ready = auto()
    for i in range(3):
        ready.observe_delay(labelled(i, 0.6, delay=5_000.0, rows=10), at(60))
    assert ready.wait() == HOUR
    ready.observe_delay(labelled(3, 0.6, delay=7_000.0, rows=10), at(60))
    assert ready.wait() == 5_000


def test_judging_early_does_not_shorten_the_wait():
    """Each window is judged while only its quick labels are known; that must teach nothing."""
    ready = auto()
    for i in range(3):
        ready.observe_delay(labelled(i, 0.9, delay=100_000.0), at(60))
    for i in range(10, 40):
        assert ready.ready(labelled(i, 0.5, delay=90_000.0), at(i + 3))
    assert ready.wait() == 100_000


def test_the_usual_coverage_is_enough():
    ready = auto()
    for i in range(3):
        ready.observe_delay(labelled(i, 0.7, delay=600_000.0), at(60))
    assert not ready.ready(labelled(50, 0.6, delay=1_000.0), at(51))
    assert ready.ready(labelled(50, 0.7, delay=1_000.0), at(51))


def test_segments_teach_nothing():
    ready = auto()
    ready.observe_delay(replace(labelled(0, 0.5), segment="carrier=UA"), at(60))
    assert ready.wait() == HOUR


def test_a_restart_changes_nothing_and_a_newer_format_is_refused():
    ready, again = auto(), auto()
    ready.observe_delay(labelled(0, 0.7), at(60))
    state = msgpack.unpackb(msgpack.packb(ready.snapshot()))
    again.restore(state)
    assert again == ready
    assert next(iter(state)) == "format"
    with pytest.raises(StateFormatError, match="format 99"):
        again.restore({**state, "format": 99})
