"""Inputs that made other people's tools fail."""

from pathlib import Path

import pytest
from sidecar_rig import answering, rig

from inferwatch.events.kinds import Kind

CASES = Path(__file__).parents[2] / "cases"


def test_compressed_both_ways():
    case = CASES / "F47-compressed-both-ways"
    asked, answered = (case / "request.bin").read_bytes(), (case / "response-1.bin").read_bytes()
    with rig(answering(answered)) as running:
        assert running.exchange(asked, len(answered)) == answered
        rows = running.wait_for(Kind.PREDICTION, 2)
    assert [row["features.amount"] for row in rows] == [1.5, 2.5]
    assert [row["prediction"] for row in rows] == ["legit", "fraud"]
    assert all(row["id"].startswith("g-1") for row in rows)
    assert len({row["id"] for row in rows}) == 2


@pytest.mark.parametrize("variant", [1, 2, 3, 4])
def test_usage_in_the_last_chunks(variant):
    case = CASES / "F45-usage-in-the-last-chunks"
    asked = (case / "request.bin").read_bytes()
    answered = (case / f"response-{variant}.bin").read_bytes()
    with rig(answering(answered)) as running:
        assert running.exchange(asked, len(answered)) == answered
        (row,) = running.wait_for(Kind.LATENCY)
        (prediction,) = running.wait_for(Kind.PREDICTION)
    assert (row["model"], row["status"], row["error"]) == ("qwen", 200, None)
    assert (row["tokens_in"], row["tokens_out"]) == (26, 3)
    assert 0 <= row["ttft_ms"] <= row["latency_ms"]
    assert prediction["prediction"] == "unknown"  # no chunk says why it ended
