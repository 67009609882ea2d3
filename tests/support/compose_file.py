"""docker-compose.yml as the tests read it, and our services started from it without containers."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from inferwatch.child import Program

REPOSITORY = Path(__file__).parents[2]
COMPOSE_FILE = REPOSITORY / "docker-compose.yml"
DOCKERFILE = REPOSITORY / "deploy" / "Dockerfile"


@dataclass(frozen=True)
class Service:
    """One service of the file.

    Attributes:
        ours: built here, not fetched.
        argv: what the container runs, the image's entrypoint included.
        environment: what the file sets.
        mounts: container path -> path here.
    """

    name: str
    ours: bool
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    mounts: Mapping[str, Path]
    ports: tuple[str, ...]
    extras: tuple[str, ...]

    def program(self, addresses: Mapping[str, str], folder: Path, log: Path) -> Program:
        """The service as a child process: its own command and environment, elsewhere.

        Mounted files are copied into `folder`; in them and in the command each HOST:PORT of
        `addresses` becomes what it stands for, and nothing else changes.
        """
        moved = {}
        for inside, outside in self.mounts.items():
            copy = folder / f"{self.name}-{outside.name}"
            copy.mkdir(exist_ok=True)
            for file in filter(Path.is_file, outside.iterdir()):
                (copy / file.name).write_text(_rewrite(file.read_text(), addresses))
            moved[inside] = str(copy)
        binaries = str(Path(sys.executable).parent)
        env = {k: _rewrite(_rewrite(v, addresses), moved) for k, v in self.environment.items()}
        path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
        argv = tuple(_rewrite(part, addresses) for part in self.argv)
        return Program(self.name, argv, env={**env, "PATH": path}, log=log)


def read_services() -> dict[str, Service]:
    """All services of the file."""
    content = yaml.safe_load(COMPOSE_FILE.read_text())
    return {name: _service(name, entry) for name, entry in content["services"].items()}


def image_environment() -> dict[str, str]:
    """What the Dockerfile sets for every service of ours."""
    (line,) = [x for x in DOCKERFILE.read_text().splitlines() if x.startswith("ENV ")]
    return dict(pair.split("=") for pair in line.split()[1:])


def _service(name: str, entry: dict) -> Service:
    ours = "build" in entry
    entrypoint = entry.get("entrypoint", ["inferwatch"] if ours else [])
    given = {k: str(v) for k, v in entry.get("environment", {}).items()}
    mounts = [m.split(":") for m in entry.get("volumes", []) if m.startswith(".")]
    extras = entry["build"]["args"]["EXTRAS"] if ours else ""
    return Service(
        name=name,
        ours=ours,
        argv=(*entrypoint, *entry.get("command", [])),
        environment={**image_environment(), **given} if ours else given,
        mounts={inside: REPOSITORY / outside for outside, inside, *_ in mounts},
        ports=tuple(entry.get("ports", [])),
        extras=tuple(filter(None, extras.split(","))),
    )


def _rewrite(text: str, replacements: Mapping[str, str]) -> str:
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text
