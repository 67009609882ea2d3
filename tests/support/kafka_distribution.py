"""Apache Kafka's jars and a formatted data folder, fetched once for all checkouts and all runs.

The cache is `~/.cache/inferwatch/kafka-<version>/`. `libs/` are 46 jars, 43 MB, of Maven Central.
`formatted/` is an empty KRaft log folder: it holds no address, so a copy of it serves any ports,
and no start spends 2 s on formatting. Both appear in one rename: two runs do not collide.
"""

import base64
import os
import re
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

VERSION = "4.1.0"
NODE_ID = 1
_LOG4J_VERSION = "2.24.3"  # the one that this Kafka brings; the bridge makes its log readable

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>inferwatch</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>{_LOG4J_VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""
_CLUSTER_ID = "aW5mZXJ3YXRjaC10ZXN0cw"  # any 16 bytes in base64
_JAVA = 17
_FETCH_S = 600
_FORMAT_S = 60


class MissingError(Exception):
    """Kafka cannot be had here; the message says what is missing."""


def home() -> Path:
    """Where this version's files lie."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "inferwatch" / f"kafka-{VERSION}"


def java() -> str:
    """The Java that runs it.

    Raises:
        MissingError: there is none, or it is too old.
    """
    found = shutil.which("java")
    if found is None:
        raise MissingError("no `java` on the PATH (Debian: default-jre-headless)")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(\d+)', said)
    if match is None or int(match[1]) < _JAVA:
        raise MissingError(f"Kafka needs Java {_JAVA} or later, {found} is: {said.strip()}")
    return found


def libs() -> Path:
    """The folder of jars, fetched when it is not there yet."""
    target = home() / "libs"
    if not target.is_dir():
        if shutil.which("mvn") is None:
            raise MissingError(
                "Kafka is not in the cache, and no `mvn` to fetch it (Debian: maven)"
            )
        _make_once(target, _fetch)
    return target


def formatted() -> Path:
    """An empty, formatted log folder, to be copied."""
    target = home() / "formatted"
    if not target.is_dir():
        _make_once(target, _format)
    return target


def copy_formatted(data: Path, node: int) -> None:
    """A formatted folder of a node's own: no two nodes may have an id in common."""
    shutil.copytree(formatted(), data)
    if node == NODE_ID:
        return
    about = data / "meta.properties"
    text = re.sub(r"(?m)^node\.id=.*$", f"node.id={node}", about.read_text())
    own = base64.urlsafe_b64encode(uuid.UUID(int=node + (1 << 64)).bytes).decode().rstrip("=")
    about.write_text(re.sub(r"(?m)^directory\.id=.*$", f"directory.id={own}", text))


def java_command(*, heap: str = "512m") -> list[str]:
    """How to start a class of Kafka's: `[*java_command(), "kafka.Kafka", ...]`."""
    # C1 only: it is ready in half the time, and no test runs long enough for C2 to pay.
    return [
        java(),
        f"-Xmx{heap}",
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-Dorg.apache.logging.log4j.level=WARN",
        "-cp",
        f"{libs()}/*",
    ]


def _make_once(target: Path, make) -> None:
    """Make it aside and rename it; when another run was faster, its copy stays."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        made = make(draft)
        try:
            made.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _fetch(draft: Path) -> Path:
    (draft / "pom.xml").write_text(_POM)
    made = draft / "libs"
    _run(
        [
            *("mvn", "--batch-mode", "--quiet", "dependency:copy-dependencies"),
            *("-DincludeScope=runtime", f"-DoutputDirectory={made}"),
        ],
        draft,
        _FETCH_S,
    )
    return made


def _format(draft: Path) -> Path:
    made = draft / "data"
    settings = draft / "server.properties"
    settings.write_text(
        f"process.roles=broker,controller\nnode.id={NODE_ID}\nlog.dirs={made}\n"
        "listeners=BROKER://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\n"
        "listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
        "inter.broker.listener.name=BROKER\ncontroller.listener.names=CONTROLLER\n"
        f"controller.quorum.voters={NODE_ID}@127.0.0.1:9093\n"
    )
    tool = [*java_command(), "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID]
    _run([*tool, "-c", str(settings)], draft, _FORMAT_S)
    return made


def _run(argv: list[str], cwd: Path, timeout_s: int) -> None:
    what = " ".join(argv[:2])
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MissingError(f"{what} was not done within {timeout_s} s") from None
    if done.returncode != 0:
        raise MissingError(f"{what} failed: {done.stdout[-2000:].strip()}")
