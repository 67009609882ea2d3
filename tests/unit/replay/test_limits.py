"""A replay with more names than the limits allow tells what the rows say, in any order."""

import random
from collections import Counter

import pytest
from limited_windows import OTHER, told
from replay_events import START

from inferwatch.settings import load
from pipeline.models import ModelPlans
from pipeline.stats.categories import category_order

CONFIG = """
defaults: {windows: [10s, 30s/10s], lateness: LATENESS, reference: {learn: "off"}}
limits: {models: 2, segments: 2, idle: 1h}
retention: {restate: 1h}
models: [{name: "*", segments: [region], task: binary, positive: "yes"}]
"""


def by_hash(names, key=""):
    return sorted(names, key=lambda name: category_order(key + name))


def config(lateness):
    return CONFIG.replace("LATENESS", lateness)


def row(ts, *, model="a", version="1", region="eu", **more):
    about = {"model": model, "version": version, "ts": START + ts, "prediction": "yes"}
    return about | {"segment": {"region": region}} | more


def rows_told(got):
    """The rows of every window that is not empty."""
    return Counter(
        {
            (w["model"], w["version"], w["segment"] or "", w["window"], w["start"]): w["rows"]
            for w in got.windows
            if w["rows"]
        }
    )


def by_row(text, events):
    settings = load(None, text=text)
    rows = [
        (e["model"], e["version"], [f"region={e['segment']['region']}"], e["ts"]) for e in events
    ]
    return told(settings, ModelPlans(settings), rows)


def many(rnd, number=150):
    regions = ["eu", "us", "asia", "africa"]
    return [
        row(
            rnd.randrange(90_000),
            model=rnd.choice("abcd"),
            version=rnd.choice("1123"),
            region=rnd.choice(regions),
            id=f"i{n}",
        )
        for n in range(number)
    ]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("lateness", ["100s", "0s"])
def test_sorted_or_not_late_or_not(replayed, seed, lateness):
    rnd = random.Random(seed)
    events = many(rnd)
    labels = [
        {"id": e["id"], "ts": e["ts"] + rnd.randrange(60_000), "label": "yes"} for e in events
    ]
    got = replayed(events, config(lateness), labels=labels)
    assert rows_told(got) == by_row(config(lateness), events)
    for window in got.windows:
        if window["rows"]:
            assert window["quality"]["labelled"] == window["rows"], window


@pytest.mark.parametrize("what", ["model", "version", "region"])
def test_a_late_name_takes_the_place_of_one_that_was_told(replayed, what):
    first, second, third = by_hash("abcdefgh", "region=" if what == "region" else "")[:3]
    events = [
        *(row(5_000, **{what: name}) for name in (second, third)),
        row(200_000, **{what: first}),
        row(5_000, **{what: first}),
    ]
    got = replayed(events, config("0s"))
    assert rows_told(got) == by_row(config("0s"), events)
    emptied = [w for w in got.windows if not w["rows"]]
    told_before = "region=" + third if what == "region" else third
    assert emptied
    assert all(told_before in (w["model"], w["version"], w["segment"]) for w in emptied)
    assert any(OTHER in (w["model"], w["version"], (w["segment"] or "")[7:]) for w in got.windows)


@pytest.mark.parametrize("models", [1, 2, 3])
def test_the_number_of_models_is_the_limit(replayed, models):
    text = config("0s").replace("models: 2", f"models: {models}")
    events = [row(n * 100, model=name) for n, name in enumerate("abcde")]
    got = replayed(events, text)
    names = {w["model"] for w in got.windows}
    assert names == {*by_hash("abcde")[:models], OTHER}
