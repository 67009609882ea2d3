"""What `inferwatch up` runs, as children of one supervisor.

1. The broker and the Redis that the config calls embedded, each in a process of its own.
2. A copy of the config with their addresses, in a private folder; services read that one.
3. The topics, created where the broker is a real one.
4. Worker, notifier (with a `notify` section), dashboard; one that dies is started again.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from inferwatch.child import Death, Program
from inferwatch.errors import InferwatchError, UsageError
from inferwatch.logs import LogFormat
from inferwatch.settings import Settings, load
from inferwatch.settings.loader import STDIN, read_source
from inferwatch.settings.types import split_address
from inferwatch.supervisor import ChildDiedError, Supervisor

_LOOK_S = 0.1
_USAGE = UsageError.exit_code
_MEMORY_ONLY = (
    "the embedded broker keeps everything in memory only: its records are gone when this command "
    "ends; it is for trying, set broker.url to a Kafka for anything else"
)
_STALE_POSITIONS = (
    "redis.url is a Redis that outlives the embedded broker, so it keeps positions of a broker "
    "that is gone; use `redis: {url: embedded}` beside an embedded broker"
)

_log = logging.getLogger(__name__)


class GroupEndedError(InferwatchError):
    """The group ended because a child did that cannot be started again."""

    def __init__(self, text: str, exit_code: int) -> None:
        """End with the exit code of the child."""
        super().__init__(text)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class GivenConfig:
    """The config as the user gave it.

    Attributes:
        path: the file, `-` for standard input, None for the defaults.
        text: what it holds; "" without a file.
    """

    path: str | None
    text: str
    settings: Settings

    @property
    def folder(self) -> Path:
        """What the config's relative paths start from."""
        return Path() if self.path in (None, STDIN) else Path(str(self.path)).parent


def read_config(path: str | None) -> GivenConfig:
    """Read and check the config, and log what is surprising in it.

    Raises:
        ConfigError: it has mistakes.
    """
    text = "" if path is None else read_source(path)
    settings = load(path, text=text)
    for line in settings.warnings:
        _log.warning("%s", line)
    return GivenConfig(path, text, settings)


class ProcessGroup:
    """All parts of the system under one supervisor."""

    def __init__(self, config: GivenConfig, *, listen: str | None, log_format: LogFormat) -> None:
        """Nothing is started yet; `listen` overrides the config's `dashboard.listen`."""
        self._config = config
        self._settings = config.settings
        self._listen = listen or self._settings.dashboard.listen
        self._log_format = log_format

    def run(self) -> None:
        """Run until a KeyboardInterrupt; children end with it.

        Raises:
            ServiceUnreachableError: a given broker or Redis does not answer.
            GroupEndedError: a child ended that cannot be started again.
        """
        _check_free(self._listen)
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="inferwatch-")))
            data = stack.enter_context(self._redis_folder(folder))
            supervisor = stack.enter_context(Supervisor())
            options = self._start_embedded(supervisor, folder, data)
            self._create_topics(supervisor, options)
            supervisor.start(*self._services(options))
            self._watch(supervisor)

    def _start_embedded(self, supervisor: Supervisor, folder: Path, data: Path) -> list[str]:
        """Start what is embedded; the options that tell a service its config."""
        broker_file, redis_file = folder / "broker", folder / "redis"
        parts = []
        if self._settings.broker.embedded:
            _log.warning(_MEMORY_ONLY)
            if not self._settings.redis.embedded:
                _log.warning(_STALE_POSITIONS)
            # Not started again: another one would be empty, on another port.
            parts.append(self._part("broker", "--address-file", str(broker_file)))
        if self._settings.redis.embedded:
            options = ("--dir", str(data), "--address-file", str(redis_file))
            parts.append(self._part("redis", *options, restart=True))
        files = [Path(part.argv[-1]) for part in parts]
        supervisor.start(*parts)
        supervisor.wait_ready(lambda: all(f.exists() for f in files), what="the embedded parts")

        values = {}
        if self._settings.broker.embedded:
            from inferwatch.embedded.broker import API_VERSION

            values["broker", "url"] = f"kafka://{broker_file.read_text()}"
            values["broker", "api_version"] = ".".join(map(str, API_VERSION))
        if self._settings.redis.embedded:
            values["redis", "url"] = redis_file.read_text()
        return self._config_options(folder, values)

    def _config_options(self, folder: Path, values: dict[tuple[str, str], str]) -> list[str]:
        if self._config.path is None:
            return []
        if not values and self._config.path != STDIN:
            return ["--config", self._config.path]
        from inferwatch.embedded.config import fill_in

        file = folder / "inferwatch.yaml"
        file.write_text(fill_in(self._config.text, self._config.folder, values))
        for (section, key), value in values.items():
            _log.info("%s.%s is %s", section, key, value)
        _log.info("other commands reach these with -c %s", file)
        return ["--config", str(file)]

    def _create_topics(self, supervisor: Supervisor, options: list[str]) -> None:
        from inferwatch.store import reach_redis

        if not self._settings.redis.embedded:
            reach_redis(self._settings)
        if self._settings.broker.embedded:
            return  # it does not answer CreateTopics, and makes them by itself
        from inferwatch.broker import reach_broker

        reach_broker(self._settings)
        try:
            supervisor.complete(self._command("topics", "create", *options))
        except ChildDiedError as error:
            # Somebody else may own the topics, and have made them already: the services will tell.
            _log.warning("the topics were not all created: %s", error.death)

    def _services(self, options: list[str]) -> Iterator[Program]:
        logged = ("--log-format", self._log_format)
        yield self._command("worker", *options, *logged, restart=True)
        if self._settings.notify is not None:
            yield self._command("notify", *options, *logged, restart=True)
        listen = ("--listen", self._listen)
        yield self._command("dashboard", *options, *listen, *logged, restart=True)

    def _watch(self, supervisor: Supervisor) -> None:
        announced = False
        while True:
            for death in supervisor.tend():
                _judge(death)
            if not announced and _answers(self._listen):
                click.echo(f"dashboard: http://{self._listen}/")
                announced = True
            time.sleep(_LOOK_S)

    def _command(self, name: str, *options: str, restart: bool = False) -> Program:
        # -P: a folder `pipeline` where the user stands must not be taken for ours.
        argv = (sys.executable, "-P", "-m", "inferwatch", name, *options)
        return Program(name, argv, restart=restart, named=self._log_format == "text")

    def _part(self, name: str, *options: str, restart: bool = False) -> Program:
        argv = (sys.executable, "-P", "-m", f"inferwatch.embedded.{name}", *options)
        return Program(name, argv, restart=restart, named=self._log_format == "text")

    @contextmanager
    def _redis_folder(self, folder: Path) -> Iterator[Path]:
        """Where the embedded Redis keeps its data: as long as the broker keeps its own."""
        settings = self._settings
        if settings.broker.embedded or not settings.redis.embedded:
            yield folder / "redis-data"
            return
        state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        known_by = f"{','.join(settings.broker.bootstrap)} {settings.topics.prefix}"
        data = state / "inferwatch" / f"redis-{hashlib.sha256(known_by.encode()).hexdigest()[:12]}"
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (data / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise UsageError(
                    f"another `inferwatch up` runs on this broker and prefix, and uses {data}; "
                    "stop it, or set another topics.prefix"
                ) from None
            _log.info("the embedded Redis keeps its data in %s", data)
            yield data


def _judge(death: Death) -> None:
    """Say that a child died; raise when starting it again cannot help."""
    if death.again_in_s is None:
        raise GroupEndedError(f"{death}, and what it held is gone; start again", 1)
    if death.code == _USAGE:
        raise GroupEndedError(f"{death.name} refused to run; its reason stands above", _USAGE)
    _log.warning("%s", death)


def _check_free(listen: str) -> None:
    try:
        host, port = split_address(listen)
    except ValueError as error:
        raise UsageError(f"--listen: {error}") from None
    if _answers(listen):
        raise UsageError(
            f"something serves at {host}:{port} already; stop it, or choose another: --listen"
        )


def _answers(listen: str) -> bool:
    host, port = split_address(listen)
    try:
        socket.create_connection((host, port), timeout=1.0).close()
    except OSError:
        return False
    return True
