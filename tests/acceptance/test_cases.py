"""Inputs that made other tools of this field fail, through the command line.

Each folder of `cases` holds its inputs, the commands, and what must hold (`expected.json`): `right`
says it in words, `threads` names public reports of the kind, `why` how a number was worked out.
"""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from expectations import Evidence, Step, expect

from inferwatch.cli import root

CASES = sorted((Path(__file__).parent / "cases").iterdir())


@pytest.mark.usefixtures("restored_logging")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case, tmp_path, monkeypatch):
    folder, out = tmp_path / "in", tmp_path / "out"
    shutil.copytree(case, folder)
    out.mkdir()
    monkeypatch.chdir(folder)
    expected = json.loads((case / "expected.json").read_text(encoding="utf-8"))
    evidence = Evidence(out)
    for step in expected["steps"]:
        args = [arg.replace("{out}", str(out)) for arg in step["args"]]
        done = CliRunner().invoke(root, args, prog_name="inferwatch")
        evidence.steps.append(Step(done.exit_code, done.stdout, done.stderr))
        assert done.exit_code in step.get("exit", [0]), done.output
    for one in expected["must"]:
        expect(evidence, one)
