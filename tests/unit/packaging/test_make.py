"""The Makefile and the CI script, as far as they can be seen without running them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
TARGETS = {"help", "setup", "demo", "test", "check", "bench", "soak", "ci"}


def make(*arguments):
    if shutil.which("make") is None:
        pytest.skip("needs make")
    # Called by another make, it would also say which folder it enters and leaves.
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout


def test_help_is_the_default_and_lists_every_target():
    listed = re.findall(r"^  make (\w+) +\w", make(), re.MULTILINE)
    assert set(listed) >= TARGETS
    assert len(listed) == len(set(listed))
    phony = re.search(r"^\.PHONY: (.*)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert set(phony[1].split()) == set(listed)


def test_options_reach_the_demo():
    planned = make("--dry-run", "demo", "ARGS=--headless --out out")
    assert planned.splitlines()[-1] == ".venv/bin/inferwatch demo --headless --out out"


def test_the_ci_script_is_executable_and_ends_with_the_tests():
    script = REPOSITORY / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)
    commands = [x for x in script.read_text().splitlines() if x and not x.startswith("#")]
    assert commands[-1].startswith("make test")


def test_no_file_names_a_package_registry():
    hosts = re.compile(r"pypi\.org|pythonhosted|repo\d?\.maven|crates\.io|npmjs", re.IGNORECASE)
    tracked = ["Makefile", ".ci/run", "pyproject.toml", "deploy/Dockerfile", "docker-compose.yml"]
    for name in [*tracked, "tests/support/kafka_distribution.py"]:
        assert not hosts.search((REPOSITORY / name).read_text()), name
    assert not list(REPOSITORY.glob("*.lock"))
