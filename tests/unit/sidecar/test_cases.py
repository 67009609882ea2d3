"""Inputs that made other people's tools fail."""

from pathlib import Path

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
