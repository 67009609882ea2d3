"""More names than the limits allow: the same windows in any order, partitioning and batches."""

import random
from collections import Counter

import pytest
from limited_windows import OTHER, Partitions, told

from inferwatch.events.json_codec import window_to_dict
from inferwatch.events.kinds import Kind

CONFIG = """
defaults: {windows: [4s, 12s/4s], lateness: 0s, reference: {learn: "off"}}
limits: {models: MODELS, segments: SEGMENTS}
models:
  - {name: named, segments: [region, tier]}
  - {name: "g*", segments: [region], windows: [6s, 10s], task: binary, positive: "yes"}
  - {name: "*", segments: [region]}
"""
START = 1_764_000_000_000 // 120_000 * 120_000


def config(models=3, segments=4):
    return CONFIG.replace("MODELS", str(models)).replace("SEGMENTS", str(segments))


def events(rnd, number=120):
    """Rows, requests and labels of 9 models, 7 versions and 12 segments, within half a minute."""
    rows, latencies, labels = [], [], []
    for n in range(number):
        about = {
            "model": rnd.choice(["named", "named", *(f"m{i}" for i in range(5)), "g1", "g2"]),
            "version": str(rnd.choice([1, 1, 1, *range(7)])),
            "ts": START + rnd.randrange(28_000),
        }
        rows.append(
            about
            | {
                "id": f"i{n}",
                "prediction": rnd.choice(["yes", "no"]),
                "features": {"x": float(rnd.randrange(5))},
                "segment": {
                    "region": rnd.choice([f"r{i}" for i in range(9)]),
                    "tier": rnd.choice("abc"),
                },
            }
        )
        latencies.append(about | {"latency_ms": float(rnd.randrange(1, 9))})
        labels.append({"id": f"i{n}", "ts": about["ts"] + 500, "label": rnd.choice(["yes", "no"])})
    return {Kind.PREDICTION: rows, Kind.LATENCY: latencies, Kind.LABEL: labels}


def folded(text, made, rnd, partitions, *, restarts=False):
    """The windows of these events, dealt to partitions in some order and in batches of any size."""
    system = Partitions(text)
    for kind, given in made.items():
        dealt = [[] for _ in range(partitions)]
        for event in rnd.sample(given, len(given)):
            dealt[rnd.randrange(partitions)].append(event)
        for number, mine in enumerate(dealt):
            while mine:
                size = rnd.choice([1, 7, 40, 300])
                system.take(kind, number, mine[:size])
                mine = mine[size:]
                if restarts and rnd.random() < 0.3:
                    system.restart()
    return system


def as_told(windows):
    return {key: window_to_dict(result) for key, result in windows.items()}


@pytest.mark.parametrize("seed", range(6))
def test_no_order_no_partitioning_and_no_restart_shows_in_the_windows(seed):
    rnd = random.Random(seed)
    made = events(rnd)
    once = as_told(folded(config(), made, random.Random(seed), 1).windows())
    for partitions in (1, 2, 5):
        again = folded(config(), made, rnd, partitions, restarts=partitions == 2)
        other = as_told(again.windows())
        assert other.keys() == once.keys()
        for key, result in once.items():
            for one in (result, other[key]):
                for block in [*one.get("features", {}).values(), one.get("quality", {})]:
                    block.pop("std", None)
            assert other[key] == result, key


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("models", "segments"), [(3, 4), (2, 1), (6, 9), (100, 100), (1, 1)])
def test_every_row_is_told_once_and_the_lowest_hashes_stay(seed, models, segments):
    rnd = random.Random(seed)
    made = events(rnd)
    system = folded(config(models, segments), made, rnd, 3)
    rows = []
    for event in made[Kind.PREDICTION]:
        keys = system.plans.of(event["model"]).segments
        mine = [f"{key}={event['segment'][key]}" for key in keys]
        rows.append((event["model"], event["version"], mine, event["ts"]))
    windows = system.windows()
    got = Counter({key: result.rows for key, result in windows.items()})
    assert got == told(system.settings, system.plans, rows)
    # Each row has a request and a label of its own: they are where the row is.
    for (model, _, segment, *_), result in windows.items():
        if not segment:
            assert result.latency.count == result.rows
        if model != OTHER:
            assert result.quality.labelled == result.rows
