"""Final, late, too late: decided row by row as the watermark passes."""

import json

from replay_events import row

# Windows of a minute, lateness 10 s, restate 2 min.


def test_on_time_until_the_watermark_reaches_the_end(replayed):
    got = replayed([row(0), row(69.999), row(59), row(130)])
    first = got.window(start=row(0)["ts"])
    assert (first["rows"], first["late"], first["revision"]) == (2, 0, 0)


def test_a_row_after_that_is_late_and_revises(replayed):
    got = replayed([row(0), row(70), row(59)])
    first = got.window(start=row(0)["ts"])
    assert (first["rows"], first["late"], first["revision"]) == (2, 1, 1)
    assert got.window(start=row(60)["ts"])["late"] == 0


def test_all_revisions_are_written_on_demand(replayed):
    rows = [row(0), row(70), row(58), row(59), row(131), row(30)]
    every = replayed(rows, revisions=True)
    revisions = [w for w in every.windows if w["start"] == row(0)["ts"]]
    assert [(w["revision"], w["rows"], w["late"]) for w in revisions] == [
        (0, 1, 0), (1, 3, 2), (2, 4, 3),
    ]  # fmt: skip
    assert every.plain["windows"] == 3
    assert replayed(rows).window(start=row(0)["ts"]) == revisions[-1]


def test_a_window_of_late_rows_alone_counts_them_all(replayed):
    got = replayed([row(60), row(130), row(59)])
    first = got.window(start=row(0)["ts"])
    assert (first["rows"], first["late"], first["revision"]) == (1, 1, 0)


def test_past_restate_a_row_is_only_counted(replayed):
    got = replayed([row(0), row(189.999), row(1), row(190), row(2)])
    assert got.window(start=row(0)["ts"])["rows"] == 2
    assert (got.plain["rows"], got.plain["too_late"]) == (5, 1)


def test_late_for_one_window_and_on_time_for_another(replayed):
    config = 'defaults: {windows: [1m, 5m], lateness: 0s, reference: {learn: "off"}}'
    got = replayed([row(0), row(100), row(50)], config)
    assert got.window(window="1m", start=row(0)["ts"])["late"] == 1
    assert [w["late"] for w in got.windows if w["window"] == "5m"] == [0]


def test_latencies_move_the_watermark(replayed):
    measured = [{**row(100), "latency_ms": 1.0}, {**row(100.5), "latency_ms": 1.0}]
    late = [row(0), row(101), row(30)]
    start = row(0)["ts"]
    on_time = replayed([row(0), row(30)], latencies=measured)
    assert on_time.window(start=start)["late"] == 0, "merged by time it came first"
    assert replayed(late, latencies=measured).window(start=start)["late"] == 1
    measured = [{**row(400), "latency_ms": 1.0}, {**row(10), "latency_ms": 1.0}]
    windows = replayed([row(0)], latencies=[*measured, *measured[:1]]).windows
    assert [w["latency"]["count"] for w in windows if "latency" in w] == [2]


def test_a_sampler_with_a_fast_clock_makes_nothing_too_late(replayed):
    samples = [{**row(400), "cpu_percent": 9.0}, {**row(10), "cpu_percent": 5.0}]
    window = replayed([row(0)], resources=samples).window(start=row(0)["ts"])
    assert window["resources"]["cpu_percent"]["max"] == 5.0


def test_models_wait_as_long_as_their_own_lateness(replayed):
    config = """
defaults: {windows: [1m], lateness: 0s, reference: {learn: "off"}}
models: [{name: slow, lateness: 5m}]
"""
    rows = [row(0), row(0, model="slow"), row(100), row(50), row(50, model="slow")]
    got = replayed(rows, config)
    assert got.window(model="shop", start=row(0)["ts"])["late"] == 1
    assert got.window(model="slow", start=row(0)["ts"])["late"] == 0


def test_windows_are_written_by_their_ends(replayed):
    rows = [row(n * 31, model=name) for n in range(40) for name in "ba"]
    config = 'defaults: {windows: [1m, 3m/1m], lateness: 10s, reference: {learn: "off"}}'
    windows = replayed(rows, config, revisions=True).windows
    order = [(w["end"], w["model"], w["end"] - w["start"]) for w in windows]
    assert order == sorted(order)


def test_sliding_windows_that_begin_before_the_first_row(replayed):
    config = 'defaults: {windows: [3m/1m], lateness: 0s, reference: {learn: "off"}}'
    got = replayed([row(0)], config)
    assert [(w["start"] - row(0)["ts"]) // 60_000 for w in got.windows] == [-2, -1, 0]


def test_nothing_in_gives_nothing_out(replayed):
    got = replayed([])
    assert got.windows == []
    assert got.plain == {
        "rows": 0, "windows": 0, "deadletter": {}, "too_late": 0, "duplicates": 0, "lost": 0,
        "pages": 0, "tickets": 0, "incidents": 0,
    }  # fmt: skip
    json.dumps(got.plain)
