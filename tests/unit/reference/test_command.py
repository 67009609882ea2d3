from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from inferwatch.cli import root


@pytest.fixture
def data(tmp_path: Path) -> tuple[Path, Path]:
    files = tmp_path / "a.csv", tmp_path / "b.csv"
    files[0].write_text("code,amount\n1,2.5\n2,3.5\n")
    files[1].write_text("code,amount\n1.0,4.5\n")
    return files


@pytest.mark.parametrize("together", [True, False])
def test_build(tmp_path: Path, data: tuple[Path, Path], together: bool) -> None:
    config = tmp_path / "inferwatch.yaml"
    config.write_text(
        "models:\n"
        "  - {name: shop, task: binary, features: {categorical: [code], exclude: [amo*]}}\n"
    )
    out = tmp_path / "p.json"
    files = [str(file) for file in data]
    several = ["--data", *files] if together else ["--data", files[0], f"--data={files[1]}"]
    done = CliRunner().invoke(
        root,
        ["reference", "build", "--model", "shop", *several, "--model-version", "7",
         "--config", str(config), "--out", str(out)],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    profile = json.loads(out.read_bytes())
    assert (profile["schema"], profile["model"], profile["version"], profile["rows"]) == (
        "inferwatch.reference/1", "shop", "7", 3,
    )  # fmt: skip
    assert profile["features"]["code"]["counts"] == {"1": 2, "2": 1}
    assert "amount" not in profile["features"]


def test_without_out_the_profile_goes_to_standard_output(data: tuple[Path, Path]) -> None:
    done = CliRunner().invoke(root, ["reference", "build", "--model", "m", "--data", str(data[0])])
    assert json.loads(done.stdout)["version"] is None
    assert "2 rows, 2 features" in done.stderr


def test_mistakes_are_one_line_and_exit_2(tmp_path: Path) -> None:
    absent = CliRunner().invoke(root, ["reference", "build", "--model", "m", "--data", "nix.csv"])
    assert (absent.exit_code, absent.stderr) == (2, "nix.csv: there is no such file\n")
    other = tmp_path / "p.json"
    other.write_text('{"schema": "something/2"}')
    wrong = CliRunner().invoke(root, ["reference", "publish", str(other)])
    assert wrong.exit_code == 2
    assert wrong.stderr.count("\n") == 1 and "it is no reference profile" in wrong.stderr


def test_it_says_which_columns_were_taken_as_what(tmp_path: Path) -> None:
    file, config = tmp_path / "a.csv", tmp_path / "inferwatch.yaml"
    names = "amount,id,seq,features.origin,ts,prediction,scores.fraud,note"
    file.write_text(f"{names}\n1,a,2,x,5,fraud,0.5,n\n")
    config.write_text("models: [{name: m, features: {exclude: [note]}}]\n")
    build = ["reference", "build", "--model", "m", "--data", str(file), "--config", str(config)]
    done = CliRunner().invoke(root, build)
    assert done.exit_code == 0, done.output
    assert done.stderr.splitlines()[-1] == (
        "Columns: features: amount, origin; scores: fraud; as named: ts, prediction; left out: "
        "id, seq (an event's own; as a feature: features.id), note (by the config)."
    )
    assert set(json.loads(done.stdout)["features"]) == {"amount", "origin"}
