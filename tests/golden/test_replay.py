"""A recorded stream, windows and alerts out: what today's code says of yesterday's events.

A change of these files needs a reason in the changelog. They are made by

    cd tests/golden/replay && inferwatch replay --config config.yaml \
        --predictions predictions.jsonl --latencies latencies.jsonl --resources resources.jsonl \
        --labels labels.jsonl --reference reference.csv \
        --windows windows.jsonl --alerts alerts.jsonl --json > summary.json
"""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from recompute import differences

from inferwatch.cli import root

HERE = Path(__file__).parent / "replay"
EVENTS = ("predictions", "latencies", "resources", "labels")


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.usefixtures("restored_logging")
def test_windows_and_alerts_are_as_recorded(tmp_path):
    args = [arg for kind in EVENTS for arg in (f"--{kind}", str(HERE / f"{kind}.jsonl"))]
    args += ["--config", str(HERE / "config.yaml"), "--reference", str(HERE / "reference.csv")]
    args += ["--windows", str(tmp_path / "w"), "--alerts", str(tmp_path / "a"), "--json"]
    done = CliRunner().invoke(root, ["replay", *args], prog_name="inferwatch")
    assert done.exit_code == 0, done.output
    for made, recorded in (("w", "windows.jsonl"), ("a", "alerts.jsonl")):
        got, want = lines(tmp_path / made), lines(HERE / recorded)
        assert len(got) == len(want)
        for one, other in zip(got, want, strict=True):
            assert differences({"": one}, {"": other}) == []
    assert json.loads(done.stdout) == json.loads((HERE / "summary.json").read_text())
