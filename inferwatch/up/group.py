"""What `inferwatch up` runs, as children of one supervisor.

1. The broker and the Redis that the config calls embedded, each in a process of its own.
2. A copy of the config with their addresses, in a private folder; services read that one.
3. The topics, created where the broker is a real one.
4. Worker, notifier (with a `notify` section), dashboard; one that dies is started again.
"""

from __future__ import annotations

import logging
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import click

from inferwatch.child import Death, Program
from inferwatch.errors import InferwatchError, UsageError
from inferwatch.logs import LogFormat
from inferwatch.settings.loader import STDIN
from inferwatch.settings.types import split_address
from inferwatch.supervisor import ChildDiedError, Supervisor
from inferwatch.up.given import GivenConfig
from inferwatch.up.redis_folder import redis_folder

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


class ProcessGroup:
    """All parts of the system under one supervisor."""

    def __init__(self, config: GivenConfig, *, listen: str | None, log_format: LogFormat) -> None:
        """Nothing is started yet; `listen` overrides the config's `dashboard.listen`."""
        self._config = config
        self._settings = config.settings
        self._listen = listen or self._settings.dashboard.listen
        self._log_format = log_format
        self._folder = Path()

    def run(self) -> None:
        """Run until a KeyboardInterrupt; children end with it.

        Raises:
            ServiceUnreachableError: a given broker or Redis does not answer.
            GroupEndedError: a child ended that cannot be started again.
        """
        _check_free(self._listen)
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="inferwatch-"))
            self._folder = Path(folder)
            data = stack.enter_context(redis_folder(self._settings, self._folder))
            supervisor = stack.enter_context(Supervisor())
            options = self._start_embedded(supervisor, data)
            self._create_topics(supervisor, options)
            supervisor.start(*self._services(options))
            self._watch(supervisor, options)

    def _start_embedded(self, supervisor: Supervisor, data: Path) -> list[str]:
        """Start what is embedded; the options that tell a service its config."""
        broker_file, redis_file = self._folder / "broker", self._folder / "redis"
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
        return self._config_options(values)

    def _config_options(self, values: dict[tuple[str, str], str]) -> list[str]:
        if self._config.path is None:
            return []
        if not values and self._config.path != STDIN:
            return ["--config", self._config.path]
        from inferwatch.embedded.config import fill_in

        file = self._folder / "inferwatch.yaml"
        file.write_text(fill_in(self._config.text, self._config.folder, values))
        for (section, key), value in values.items():
            _log.info("%s.%s is %s", section, key, value)
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

    def _watch(self, supervisor: Supervisor, options: list[str]) -> None:
        announced = False
        while True:
            for death in supervisor.tend():
                _judge(death)
            if not announced and _answers(self._listen):
                click.echo(f"config: {_named(options)}")
                click.echo(f"dashboard: http://{self._listen}/")
                announced = True
            time.sleep(_LOOK_S)

    def _command(self, name: str, *options: str, restart: bool = False) -> Program:
        return self._program(name, "inferwatch", name, *options, restart=restart)

    def _part(self, name: str, *options: str, restart: bool = False) -> Program:
        return self._program(name, f"inferwatch.embedded.{name}", *options, restart=restart)

    def _program(self, name: str, module: str, *options: str, restart: bool) -> Program:
        # -P: a folder `pipeline` where the user stands must not be taken for ours.
        argv = (sys.executable, "-P", "-m", module, *options)
        # TMPDIR: what a killed child leaves behind goes with our folder.
        env = {"TMPDIR": str(self._folder)}
        named = self._log_format == "text"
        return Program(name, argv, env, restart=restart, named=named)


def _judge(death: Death) -> None:
    """Say that a child died; raise when starting it again cannot help."""
    if death.again_in_s is None:
        raise GroupEndedError(f"{death}, and what it held is gone; start again", 1)
    if death.code == _USAGE:
        raise GroupEndedError(f"{death.name} refused to run; its reason stands above", _USAGE)
    _log.warning("%s", death)


def _named(options: list[str]) -> str:
    """What its user tells other commands, so that they reach the same system."""
    if not options:
        return "the defaults; other commands need none either"
    return f"{Path(options[-1]).absolute()} (other commands take it with -c)"


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
