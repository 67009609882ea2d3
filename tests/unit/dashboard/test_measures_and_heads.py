import math
from dataclasses import replace

import pytest
from results import START, alert, stretch, window

from consumers.dashboard.catalogue import Catalogue
from consumers.dashboard.downsample import Grid, downsample
from consumers.dashboard.head import TRAIL, Head
from consumers.dashboard.incidents import Incident, Incidents
from consumers.dashboard.measures import MAX_MEASURES, measures
from consumers.dashboard.series import SeriesId
from inferwatch.events.alert import Status
from inferwatch.events.window import EstimatedBlock, RegressionBlock

NOW = START


def test_measures_are_the_paths_of_the_result() -> None:
    result = window()
    found = measures(result)
    assert found["quality.accuracy"] == result.quality.accuracy
    assert found["latency.p99_ms"] == result.latency.p99_ms
    assert found["features.dep_delay.ks"] == result.features["dep_delay"].ks
    assert found["features.carrier.psi"] == result.features["carrier"].psi
    assert "features.carrier.ks" not in found
    assert found["prediction.share.on time"] == dict(result.prediction.top)["on time"]
    assert found["resources.cpu_percent.max"] == result.resources["cpu_percent"].max
    assert not any(name.startswith("quality.confusion") for name in found)


def test_what_is_undefined_is_absent() -> None:
    result = replace(window(), completeness=None, quality=None, latency=None)
    found = measures(result)
    assert "completeness" not in found
    assert not any(name.startswith(("quality", "latency")) for name in found)
    block = replace(result.features["dep_delay"], psi=math.inf)
    assert "features.x.psi" not in measures(replace(result, features={"x": block}))


def test_a_result_without_rows_has_no_missing_rate() -> None:
    assert not any(n.endswith("missing_rate") for n in measures(replace(window(), rows=0)))


def test_a_result_with_very_many_features_is_cut() -> None:
    assert len(measures(window(features=1_500))) == MAX_MEASURES


def test_regression_is_plotted_by_its_own_names() -> None:
    block = RegressionBlock(
        labelled=5,
        label_coverage=1.0,
        label_delay_p50_ms=1.0,
        label_delay_p95_ms=2.0,
        mae=3.0,
        rmse=4.0,
        r2=None,
        bias=0.5,
        mape=None,
    )
    result = replace(window(), quality=block)
    assert {n for n in measures(result) if n.startswith("quality.m")} == {"quality.mae"}
    catalogue = Catalogue()
    assert catalogue.fold(result, 0, NOW).head.quality == "quality.mae"


def test_the_highest_revision_counts_in_any_order() -> None:
    catalogue = Catalogue()
    first, second = window(0), replace(window(0, bad=True), revision=1)
    assert catalogue.fold(second, 0, NOW)
    assert catalogue.fold(first, 0, NOW) is None
    assert catalogue.fold(second, 0, NOW) is None
    (head,) = catalogue.heads()
    assert head.trail[-1].quality == second.quality.accuracy


def test_a_new_log_wins_over_the_revisions_of_the_old_one() -> None:
    catalogue = Catalogue()
    catalogue.fold(replace(window(0), revision=9), 0, NOW)
    assert catalogue.fold(replace(window(0, bad=True), revision=0), 1, NOW)


def test_windows_out_of_order_make_the_same_head() -> None:
    results = list(stretch(90))
    forward, backward = Catalogue(), Catalogue()
    for result in results:
        forward.fold(result, 0, NOW)
    for result in reversed(results):
        backward.fold(result, 0, NOW)
    (a,), (b,) = forward.heads(), backward.heads()
    assert (a.start, a.trail, a.values) == (b.start, b.trail, b.values)
    assert len(a.trail) == TRAIL
    assert a.start == results[-1].start


def test_a_window_without_labels_does_not_hide_the_last_quality() -> None:
    catalogue = Catalogue()
    labelled = window(0)
    catalogue.fold(labelled, 0, NOW)
    head = catalogue.fold(window(1, labelled=False), 0, NOW).head
    assert head.quality == "quality.accuracy"
    assert head.newest_quality == labelled.quality.accuracy


def test_a_head_survives_storage() -> None:
    catalogue = Catalogue()
    for result in stretch(3, segment="carrier=UA"):
        folded = catalogue.fold(result, 2, NOW)
    assert Head.decode(folded.head.encode()) == folded.head


def test_the_longest_silent_series_makes_room() -> None:
    catalogue = Catalogue(limit=2)
    for age, model in enumerate(("old", "middle", "new")):
        catalogue.fold(window(model=model), 0, NOW + age)
    assert [s.model for s in catalogue.forget(before=0)] == ["old"]
    assert [s.model for s in catalogue.forget(before=NOW + 2)] == ["middle"]
    assert len(catalogue) == 1


def test_current_is_the_whole_model_in_its_shortest_window() -> None:
    catalogue = Catalogue()
    for spec, size in (("1h", 3_600_000), ("5m", 300_000), ("15m/1m", 60_000)):
        catalogue.fold(window(spec=spec, size=size), 0, NOW)
        catalogue.fold(window(spec=spec, size=size, segment="a=b"), 0, NOW)
    assert [h.series for h in catalogue.current()] == [SeriesId("flight-delay", "7", None, "5m")]


def test_incident_fires_and_resolves_once() -> None:
    incidents = Incidents()
    fired = incidents.fold(alert())
    assert fired is not None and fired.firing
    assert incidents.fold(alert(updated_at=START + 5)) is None, "the same transition again"
    bare = replace(
        alert(status=Status.RESOLVED, updated_at=START + 60_000),
        evidence=(),
        causes=(),
        suggestions=(),
    )
    resolved = incidents.fold(bare)
    assert resolved is not None and not resolved.firing
    assert resolved.alert.causes == fired.alert.causes, "the end says nothing of causes"
    assert [t.status for t in resolved.transitions] == [Status.FIRING, Status.RESOLVED]
    assert incidents.fold(alert()) is None


def test_an_end_that_comes_before_its_beginning_stays_an_end() -> None:
    incidents = Incidents()
    incidents.fold(alert(status=Status.RESOLVED, updated_at=START + 10))
    incident = incidents.fold(alert())
    assert incident is not None and not incident.firing


def test_each_correction_is_a_transition_of_its_own() -> None:
    incidents = Incidents()
    incidents.fold(alert())
    for revision in (1, 2, 2):
        incidents.fold(alert(status=Status.CORRECTED, revision=revision, updated_at=START + 9))
    (incident,) = incidents.all()
    assert [t.revision for t in incident.transitions] == [None, 1, 2]
    assert incident.has("corrected") and incident.has("firing") and not incident.has("resolved")


def test_firing_incidents_are_never_dropped_before_resolved_ones() -> None:
    incidents = Incidents(limit=1)
    incidents.fold(alert(incident="a", starts_at=START))
    incidents.fold(alert(incident="b", starts_at=START + 5, status=Status.RESOLVED))
    assert incidents.forget(before=0) == ["b"]
    assert Incident.decode(incidents.get("a").encode()) == incidents.get("a")


def test_a_spike_survives_downsampling() -> None:
    starts = list(range(0, 1_000 * 60_000, 60_000))
    slow = [5.0] * 1_000
    slow[333] = 900.0
    grid = Grid.over(starts[0], starts[-1], 60_000, 100)
    assert grid.count == 100
    assert max(downsample(grid, "latency.p99_ms", starts, slow)) == 900.0
    good = [0.9] * 1_000
    good[10] = 0.2
    assert min(downsample(grid, "quality.accuracy", starts, good)) == 0.2
    assert downsample(grid, "rows", starts, slow)[0] == 5.0


@pytest.mark.parametrize("first", [0, 7, 59, -120])
@pytest.mark.parametrize("slots", [1, 2, 99, 100, 101, 1_000])
def test_a_grid_has_at_most_the_wanted_points_and_covers_all(first: int, slots: int) -> None:
    slide = 60_000
    start, last = first * slide, (first + slots - 1) * slide
    grid = Grid.over(start, last, slide, 100)
    assert grid.count <= 100
    assert grid.start <= start
    assert grid.start + grid.count * grid.step > last
    values = downsample(grid, "latency.p50_ms", [start, last], [1.0, 1.0])
    assert values[0] == values[-1] == 1.0


def test_windows_that_are_missing_are_gaps() -> None:
    grid = Grid.over(0, 180_000, 60_000, 100)
    assert downsample(grid, "rows", [0, 180_000], [1.0, 2.0]) == [1.0, None, None, 2.0]


@pytest.mark.parametrize("calibrated", [True, False])
def test_what_a_block_says_in_words_is_no_measure(calibrated):
    estimated = EstimatedBlock(
        accuracy=0.9 if calibrated else None,
        low=0.85 if calibrated else None,
        high=0.95 if calibrated else None,
        reason=None if calibrated else "the reference's scores are not calibrated",
    )
    found = measures(replace(window(), estimated=estimated))
    named = {name for name in found if name.startswith("estimated.")}
    assert named == (
        {f"estimated.{k}" for k in ("accuracy", "low", "high")} if calibrated else set()
    )
    assert all(isinstance(value, float) for value in found.values())
