"""Live, with more names than the limits allow: what is told in the end is what the rows say."""

import random
from collections import Counter

import pytest
from evaluation_rig import EvaluationRig
from limited_windows import OTHER, told
from memory_stores import MemoryPartitionStore

from inferwatch.settings import load
from pipeline.assemble import merged
from pipeline.models import ModelPlans
from pipeline.pooled import Pooled
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.stats.categories import category_order
from pipeline.windows.grid import Span
from pipeline.windows.pane import Pane, PaneKey
from pipeline.windows.result import WindowKey
from pipeline.windows.watermark import NEVER

CONFIG = """
defaults: {windows: [10s, 30s/10s], lateness: 0s, reference: {learn: "off"}}
limits: {models: 2, segments: 2, idle: 1h}
retention: {restate: 10m}
models: [{name: "*", segments: [region]}]
"""
END = 100_000


def latest(rig, end=END):
    """The rows of every window that is not empty, at its highest revision."""
    best = {}
    for result, _, _ in rig.topic.windows:
        key = (result.model, result.version, result.segment or "", result.window, result.start)
        if key not in best or result.revision >= best[key].revision:
            best[key] = result
    return Counter({key: r.rows for key, r in best.items() if r.rows and r.end <= end})


async def settle(rig, worker):
    """Let time pass until every window that waits for its next revision was worked out."""
    for _ in range(6):
        rig.now_ms += 60_000
        for part in rig.parts:
            await part.beat()
        await worker.rounds(2)


def by_row(rig, end=END):
    """The same, counted row by row."""
    rows = [row for row in rig.rows if row[3] < end]
    counted = told(rig.settings, ModelPlans(rig.settings), rows)
    sizes = {"10s": 10_000, "30s/10s": 30_000, "3m/10s": 180_000}
    return Counter({k: n for k, n in counted.items() if k[4] + sizes[k[3]] <= end})


async def put(rig, part, ts, *, model="a", version="1", region="eu"):
    rig.rows.append((model, version, [f"region={region}"], ts))
    await part.rows(ts, model=model, version=version, segment={"region": region})


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_published_is_what_the_rows_say(seed):
    rnd = random.Random(seed)
    rig = EvaluationRig(3, CONFIG)
    rig.rows = []
    worker = rig.worker()
    for n in range(60):
        await put(
            rig,
            rnd.choice(rig.parts),
            rnd.randrange(n * 1_000 // 2, END),
            model=rnd.choice("abcd"),
            version=rnd.choice("1123"),
            region=rnd.choice(["eu", "us", "asia", "africa"]),
        )
        if n % 20 == 10:
            await worker.rounds(1)
            await worker.fresh()
    for part in rig.parts:
        for model in "abcd":
            await put(rig, part, 200_000, model=model)
    await settle(rig, worker)
    assert latest(rig) == by_row(rig)


@pytest.mark.parametrize("what", ["model", "version", "region"])
async def test_a_late_name_takes_the_place_of_one_that_was_told(what):
    rig = EvaluationRig(2, CONFIG)
    rig.rows = []
    worker = rig.worker()
    key = "region=" if what == "region" else ""
    first, second, third = sorted("abc", key=lambda name: category_order(key + name))
    for name in (second, third):
        await put(rig, rig.parts[0], 5_000, **{what: name})
    for part in rig.parts:
        await put(rig, part, 200_000, **{what: first})
    await settle(rig, worker)
    before = latest(rig)
    await put(rig, rig.parts[1], 5_000, **{what: first})
    await settle(rig, worker)
    after = latest(rig)
    assert after == by_row(rig)
    assert not any(OTHER in "".join(key[:3]) for key in before)
    pooled = [key for key in after if OTHER in "".join(key[:3])]
    assert pooled and all(after[key] == 1 for key in pooled)


@pytest.mark.parametrize("what", ["model", "version", "region"])
async def test_long_windows_that_were_made_of_runs_tell_of_names_that_come_later(what):
    rig = EvaluationRig(2, CONFIG.replace("30s/10s", "3m/10s"))
    rig.rows = []
    worker = rig.worker()
    end = 400_000
    for ts in range(5_000, end, 10_000):
        for part in rig.parts:
            await put(rig, part, ts)
        if ts % 100_000 == 95_000:
            await worker.rounds(1)
    few = latest(rig, end)
    assert few and not any(OTHER in "".join(key[:3]) for key in few)
    # Names come late, in one partition alone; then rows of a name that was told all the time.
    for name in ("x", "y", "z"):
        await put(rig, rig.parts[1], 305_000, **{what: name})
    await put(rig, rig.parts[0], 165_000)
    for part in rig.parts:
        await put(rig, part, 800_000)
    await settle(rig, worker)
    many = latest(rig, end)
    assert many == by_row(rig, end)
    assert any(OTHER in "".join(key[:3]) for key in many)


async def test_of_models_that_are_counted_by_other_rules_only_what_no_rule_decides_is_told():
    models = 'models: [{name: "x*", task: binary, positive: "yes"}]'
    config = CONFIG[: CONFIG.index("models: [")] + models
    rig = EvaluationRig(2, config.replace("models: 2", "models: 1"))
    worker = rig.worker()
    kept, pooled = sorted(["x1", "x2"], key=category_order)
    for part, model in zip(rig.parts, (kept, pooled), strict=True):
        await part.rows(5_000, model=model, id=model)
        await part.rows(200_000, model=model, id=f"{model}-late")
    await settle(rig, worker)
    whole = {r.model: r for r, _, _ in rig.topic.windows if r.window == "10s" and r.rows}
    assert (whole.keys(), whole[OTHER].rows) == ({kept, OTHER}, 1)
    assert whole[kept].features and not whole[OTHER].features


def test_other_reads_the_panes_of_models_by_their_rules_and_adds_them_by_its_own():
    models = 'models: [{name: "x*", task: binary, positive: "yes"}]'
    plans = ModelPlans(settings := load(None, text=models))
    pane = PaneKey("x1", "1", "", 0).text()
    for model, rules in ((OTHER, "x1"), ("y", "y")):
        pooled = Pooled(plans.of(model), settings, ReferenceCatalog(), MemoryPartitionStore())
        assert pooled.rules_of(pane).digest == plans.of(rules).counting.digest
    alone = Pane(plans.of("x1").counting)
    alone.at(NEVER).rows = alone.at(NEVER).joinable = 3
    key = WindowKey(Span(end=10_000, size=10_000, text="10s"), OTHER, "")
    whole = merged(plans.of(OTHER), key, [alone])
    assert (whole.rows, whole.joinable) == (3, 0)
