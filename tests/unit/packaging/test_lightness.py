"""The base install is the sidecar's: nothing heavy is imported by it, and help is quick."""

import json
import subprocess
import sys

import pytest

HEAVY = {
    *("numpy", "scipy", "pandas", "pyarrow", "sklearn"),
    *("fastapi", "starlette", "flask", "werkzeug", "uvicorn"),
    *("redis", "faust", "aiokafka", "aiohttp", "httpx", "confluent_kafka"),
}

EVERY_MODULE = """
import importlib, pkgutil, producers
for module in pkgutil.walk_packages(producers.__path__, "producers."):
    importlib.import_module(module.name)
"""

HELP = """
from inferwatch.cli import main
try:
    main({arguments!r})
except SystemExit as end:
    assert end.code == 0, end.code
"""


def modules_after(code):
    """What a fresh interpreter has imported after `code`, by top-level name."""
    report = "import sys, json; print('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_the_producers_import_nothing_heavy():
    modules = modules_after(EVERY_MODULE)
    assert "producers" in modules
    assert not modules & HEAVY


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["config", "--help"]], ids=str)
def test_help_imports_nothing_heavy(arguments):
    assert not modules_after(HELP.format(arguments=arguments)) & (HEAVY | {"pydantic", "kafka"})
