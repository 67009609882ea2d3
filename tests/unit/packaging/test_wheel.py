"""The wheel: built, installed alone, and used from a foreign folder."""

import re
import subprocess
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[3]


PACKAGES = ("inferwatch", "producers", "pipeline", "consumers")


def package_files():
    """The files of the packages, data files too."""
    for package in PACKAGES:
        for file in (REPOSITORY / package).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file


def run(*argv, cwd):
    done = subprocess.run(
        [str(part) for part in argv], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An empty virtual environment's Python."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def wheel(environment, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(environment, "-m", "pip", "wheel", "--no-deps", "-w", folder, REPOSITORY, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(environment, wheel, tmp_path_factory):
    """The environment with the wheel and what the base install needs."""
    run(environment, "-m", "pip", "install", wheel, cwd=tmp_path_factory.mktemp("elsewhere"))
    return environment.parent


def test_it_holds_every_file_of_the_packages(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    missing = {str(f.relative_to(REPOSITORY)) for f in package_files()} - names
    assert not missing
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)
    assert any(re.fullmatch(r"inferwatch-.*\.dist-info/licenses/LICENSE", n) for n in names)


def test_the_command_works_from_a_foreign_folder(installed, tmp_path):
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("raise ImportError('not ours')")
    said = run(installed / "inferwatch", "--help", cwd=tmp_path)
    assert "Watch machine-learning models in production" in said
    run(installed / "inferwatch", "config", "example", cwd=tmp_path)


def test_a_missing_extra_is_named_with_the_command_that_installs_it(installed, tmp_path):
    done = subprocess.run(
        [installed / "inferwatch", "worker", "-c", "-"],
        cwd=tmp_path,
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'inferwatch[pipeline]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_base_install_has_no_extra(installed, tmp_path):
    names = run(installed / "python", "-m", "pip", "list", cwd=tmp_path).lower()
    assert "kafka-python" in names
    for heavy in ("numpy", "pyarrow", "redis", "faust", "scipy"):
        assert heavy not in names
