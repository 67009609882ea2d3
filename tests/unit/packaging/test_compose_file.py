"""docker-compose.yml and what it mounts: checked without a container engine."""

import os
import re
import shutil
import subprocess
import tomllib

import pytest
from compose_file import COMPOSE_FILE, DOCKERFILE, REPOSITORY, read_services

from inferwatch.settings import load

SERVICES = read_services()


def tool(name):
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI needs {name}")
        pytest.skip(f"needs {name}")
    return found


def run(*argv):
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_docker_compose_accepts_the_file():
    run(tool("docker-compose"), "-f", str(COMPOSE_FILE), "config", "--quiet")


def test_it_holds_the_whole_system():
    ours = {name for name, service in SERVICES.items() if service.ours}
    assert ours == {"topics-create", "worker", "notifier", "dashboard", "model-server", "sidecar"}
    assert SERVICES.keys() - ours == {"kafka", "redis", "alertmanager"}


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_the_loopback_address_only(name):
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].ports)


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there(name):
    for path in SERVICES[name].mounts.values():
        assert path.exists()


def test_the_image_has_all_packages_and_known_extras():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    copied = set(re.findall(r"^COPY (\w+) /src/\1$", DOCKERFILE.read_text(), re.MULTILINE))
    assert copied == set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    ignored = (REPOSITORY / ".dockerignore").read_text().split()
    assert {f"!{name}" for name in copied} <= set(ignored)
    known = set(project["project"]["optional-dependencies"])
    assert {extra for service in SERVICES.values() for extra in service.extras} <= known


def test_the_config_has_no_mistake_and_no_surprise():
    settings = load(str(REPOSITORY / "deploy" / "inferwatch.yaml"))
    assert settings.warnings == ()
    (host, port) = settings.broker.bootstrap[0].split(":")
    kafka = SERVICES["kafka"].environment
    assert f"INTERNAL://{host}:{port}" in kafka["KAFKA_ADVERTISED_LISTENERS"]


def test_redis_never_evicts():
    command = SERVICES["redis"].argv
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


def test_alertmanager_accepts_its_config():
    run(tool("amtool"), "check-config", "deploy/alertmanager.yml")
