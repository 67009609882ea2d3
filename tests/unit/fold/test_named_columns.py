"""Which features a window has does not depend on whose rows shared a batch with its own."""

import json

import pytest

from inferwatch.events.kinds import Kind
from inferwatch.settings import load
from pipeline.decode import Decoder, RawRecord
from pipeline.fold import Folder
from pipeline.partition import PartitionState
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.windows.pane import PaneKey
from pipeline.windows.watermark import NEVER

CONFIG = "models: [{name: m, windows: [10s], segments: [region]}]"
EVENTS = [
    {"ts": 1_000, "version": "1", "features": {"x": 1, "rare": 5}, "scores": {"a": 0.5}},
    {"ts": 2_000, "version": "2", "features": {"x": 1}, "segment": {"region": "eu"}},
    {"ts": 3_000, "version": "2", "features": {"x": 2, "empty": None}},
    {"ts": 12_000, "version": "1", "features": {"x": 3}},
]


def features(cuts):
    settings = load(None, text=CONFIG)
    folder = Folder(settings, ReferenceCatalog())
    decoder = Decoder(Kind.PREDICTION, settings.limits, clock=lambda: 0)
    state = PartitionState()
    bounds = [0, *cuts, len(EVENTS)]
    for first, after in zip(bounds, bounds[1:], strict=False):
        records = [_record(offset) for offset in range(first, after)]
        folder.fold(state, decoder.decode(records), after - 1)
    return {
        key: pane.counts[NEVER].inputs[""]
        for key, pane in state.panes.items()
        if pane.counts[NEVER].inputs
    }


def _record(offset):
    event = {"model": "m", "prediction": "a", **EVENTS[offset]}
    return RawRecord(
        "inference.predictions", 0, offset, event["ts"], None, json.dumps(event).encode(), ()
    )


@pytest.mark.parametrize("cuts", [(), (1,), (1, 2, 3)])
def test_a_window_has_the_features_that_its_own_rows_name(cuts):
    found = {
        key: (sorted(inputs.feature_blocks()), sorted(inputs.scores))
        for key, inputs in features(cuts).items()
    }
    assert found == {
        PaneKey("m", "1", "", 0).text(): (["rare", "x"], ["a"]),
        PaneKey("m", "2", "", 0).text(): (["empty", "x"], []),
        PaneKey("m", "2", "region=eu", 0).text(): (["x"], []),
        PaneKey("m", "1", "", 10_000).text(): (["x"], []),
    }


def test_a_feature_that_some_rows_lack_is_missing_in_them():
    blocks = features(())[PaneKey("m", "2", "", 0).text()].feature_blocks()
    assert (blocks["empty"].count, blocks["empty"].missing) == (0, 2)
