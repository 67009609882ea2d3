"""The demo from beginning to end: start everything, wait for calm, break it, mend it, report."""

from __future__ import annotations

import base64
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from consumers.notifier.channels.console import panel
from consumers.notifier.transition import transition_from_json
from inferwatch.demo.cleanup import remove_keys, remove_topics
from inferwatch.demo.config import DemoConfig
from inferwatch.demo.model import NAME, VERSION
from inferwatch.demo.observer import Observer
from inferwatch.demo.outcome import Outcome
from inferwatch.demo.phone import Phone
from inferwatch.demo.screen import Screen
from inferwatch.demo.system import System, reserved_port
from inferwatch.errors import InferwatchError
from inferwatch.events.json_codec import dumps
from inferwatch.settings import Settings, load
from inferwatch.supervisor import Supervisor, interruptible

RATE = 150.0
"""Requests a second at speed 1."""

LANDING_S = 2.0
CALM_WINDOWS = 6
FAULT_WINDOWS = 4
PHASE_S = 75.0
"""A phase that takes longer, at speed 1, has failed."""

GRACE_S = 15.0
"""What a slow machine may take beyond that."""

EMBEDDED = "embedded"


class DemoFailedError(InferwatchError):
    """The incident did not fire, was not explained, not delivered, or not resolved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What the command line says."""

    headless: bool
    broker: str
    redis: str
    speed: float
    port: int
    out: Path


class Demo:
    """One run of the demo."""

    def __init__(self, options: DemoOptions, console: Console) -> None:
        """Nothing is started before `run`."""
        self._options = options
        self._screen = Screen(console)
        self._secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        self._outcome = Outcome()
        self._phone = Phone(self._secret, self._take_page)

    def run(self) -> None:
        """Run the story; the files are written whatever comes.

        Raises:
            DemoFailedError: something of the story did not happen.
        """
        out = self._options.out.absolute()
        out.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(out / "logs", ignore_errors=True)
        for name in ("deliveries.jsonl", "pages.jsonl", "fault"):
            (out / name).unlink(missing_ok=True)
        with ExitStack() as stack:
            stack.enter_context(interruptible())
            self._phone.start()
            stack.callback(self._phone.stop)
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="inferwatch-")))
            supervisor = stack.enter_context(Supervisor())
            with self._screen:
                self._screen.phase("start")
                system = System(supervisor, out)
                settings = self._start(system, out, scratch, stack)
                observer = Observer(settings)
                observer.start()
                try:
                    self._story(supervisor, observer, out / "fault")
                finally:
                    (out / "fault").unlink(missing_ok=True)
                    observer.stop()
                    observer.write(out)
                    summary = self._outcome.summary(
                        observer, broker=self._options.broker, redis=self._options.redis
                    )
                    (out / "summary.json").write_bytes(dumps(summary) + b"\n")
            self._tell(summary, settings, out)
            if not self._options.headless:
                self._stay(supervisor)
        if not summary["ok"]:
            raise DemoFailedError(
                f"the story of the demo did not come out as it should: see {out / 'summary.json'} "
                f"and {out / 'logs'}"
            )

    def _start(self, system: System, out: Path, scratch: Path, stack: ExitStack) -> Settings:
        """Start every process, in the order in which they need one another."""
        options = self._options
        is_mock, own_redis = options.broker == EMBEDDED, options.redis == EMBEDDED
        broker_file, redis_file = scratch / "broker", scratch / "redis"
        if is_mock:
            system.start("broker", "inferwatch.embedded.broker", "--address-file", str(broker_file))
        if own_redis:
            data = scratch / "redis-data"
            data.mkdir()
            system.start(
                *("redis", "inferwatch.embedded.redis"),
                *("--dir", str(data), "--address-file", str(redis_file)),
            )
        reference = out / "reference.csv"
        server = ("inferwatch.demo.model_server", "--reference", str(reference))
        system.start("model-server", *server)
        config = DemoConfig(
            broker=(
                system.address_file(broker_file)
                if is_mock
                else options.broker.removeprefix("kafka://")
            ),
            is_mock=is_mock,
            redis=system.address_file(redis_file) if own_redis else options.redis,
            prefix="" if is_mock and own_redis else f"demo-{secrets.token_hex(4)}.",
            port=stack.enter_context(reserved_port(options.port)),
            server=int(system.listens("model-server").rpartition(":")[2]),
            webhook=self._phone.url,
            secret=self._secret,
            out=out,
            speed=options.speed,
        )
        file = out / "inferwatch.yaml"
        file.write_text(config.text())
        settings = load(str(file))
        if not own_redis:
            stack.callback(remove_keys, settings)
        if not is_mock:
            stack.callback(remove_topics, settings)
            system.complete("topics", "inferwatch", "topics", "create", "-c", str(file))
        profile = out / "profile.json"
        system.complete(
            *("reference-build", "inferwatch", "reference", "build"),
            *("--model", NAME, "--model-version", VERSION, "--data", str(reference)),
            *("--config", str(file), "--out", str(profile)),
        )
        system.complete(
            *("reference-publish", "inferwatch", "reference", "publish"),
            *("-c", str(file), str(profile)),
        )
        system.start("worker", "inferwatch", "worker", "-c", str(file), restart=True)
        system.says("worker", "working")
        deliveries = ("--deliveries", str(out / "deliveries.jsonl"))
        system.start("notify", "inferwatch", "notify", "-c", str(file), *deliveries, restart=True)
        system.start("dashboard", "inferwatch", "dashboard", "-c", str(file), restart=True)
        system.start("sidecar", "inferwatch", "sidecar", "-c", str(file))
        self._screen.say(f"dashboard: http://{settings.dashboard.listen}/")
        system.start(
            *("client", "inferwatch.demo.client"),
            *("--sidecar", system.listens("sidecar"), "--admin", system.admin_of("sidecar")),
            *("--rate", str(RATE * options.speed), "--landing", str(LANDING_S / options.speed)),
            *("--fault", str(out / "fault")),
        )
        return settings

    def _story(self, supervisor: Supervisor, observer: Observer, fault: Path) -> None:
        self._screen.phase("calm")
        self._until(supervisor, observer, lambda: observer.judged() / CALM_WINDOWS)
        self._screen.phase("fault")
        fault.touch()
        fault_from = observer.windows()[-1]["end"] if observer.windows() else 0
        self._until(
            supervisor,
            observer,
            lambda: min(
                self._outcome.pages("firing"),
                (observer.judged_after(fault_from) + 1) / (FAULT_WINDOWS + 1),
            ),
        )
        self._screen.phase("mended")
        fault.unlink()
        self._until(
            supervisor,
            observer,
            lambda: self._outcome.resolved_share(observer),
        )

    def _until(
        self, supervisor: Supervisor, observer: Observer, share: Callable[[], float]
    ) -> None:
        """Wait until the phase is over, or has taken too long; a dead process ends the demo."""
        deadline = time.monotonic() + PHASE_S / self._options.speed + GRACE_S
        while (done := share()) < 1.0:
            for death in supervisor.tend():
                # A part that is killed from outside comes back; one that fails has a defect.
                if death.again_in_s is None or death.code > 0:
                    final = replace(death, again_in_s=None)
                    raise DemoFailedError(f"{final}: see logs/{death.name}.log")
                self._screen.say(str(death))
            if time.monotonic() > deadline:
                return
            self._screen.done(done)
            self._screen.windows(observer.windows())
            time.sleep(0.1)

    def _take_page(self, event: dict[str, Any]) -> None:
        """The phone rang: show what on-call would read."""
        self._outcome.delivered(event)
        self._screen.say(panel(transition_from_json(dumps(event)), "as the phone shows it"))

    def _tell(self, summary: dict[str, Any], settings: Settings, out: Path) -> None:
        said = "the incident fired, was explained, delivered and resolved"
        self._screen.say(
            f"{said if summary['ok'] else 'the story did not come out as it should'}: "
            f"{summary['rows']} rows, {summary['windows']} windows, {summary['seconds']:.0f} s; "
            f"files in {out}"
        )
        if not self._options.headless:
            self._screen.say(
                f"the dashboard stays at http://{settings.dashboard.listen}/ until Ctrl-C; "
                f"{out / 'inferwatch.yaml'} is a config to start from"
            )

    @staticmethod
    def _stay(supervisor: Supervisor) -> None:
        while True:
            supervisor.tend()
            time.sleep(0.2)
