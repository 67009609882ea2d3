"""The rig of the commit tests: topics, a feed, engine processes, and the comparison at the end."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from eventually import eventually
from fault_feed import CONFIG
from live_results import LiveResults, Truth

from inferwatch.settings import load

DRIVER = Path(__file__).with_name("engine_driver.py")


class CommitRig:
    """One test's topics and configuration, and the processes that it started."""

    def __init__(self, folder: Path, kafka, redis, prefix: str, config: str = CONFIG) -> None:
        self.path = folder / "inferwatch.yaml"
        text = config.format(broker=kafka.bootstrap, redis=redis.url, prefix=prefix)
        self.path.write_text(text)
        self.settings = load(str(self.path))
        self.log = folder / "log.txt"
        self._processes: list[subprocess.Popen[str]] = []
        command = [sys.executable, "-m", "inferwatch", "topics", "create", "-c", str(self.path)]
        subprocess.run(command, check=True, capture_output=True)

    def driver(self, *options: str) -> subprocess.Popen[str]:
        """Engine lives, one after the other, as engine_driver.py says."""
        return self._start([str(DRIVER), str(self.path), *options])

    def worker(self) -> subprocess.Popen[str]:
        """A real worker."""
        return self.run("worker")

    def run(self, command: str, *options: str) -> subprocess.Popen[str]:
        """Any command that goes on until it is stopped."""
        return self._start(["-m", "inferwatch", command, "-c", str(self.path), *options])

    def output(self, *command: str) -> str:
        """What a command that ends by itself prints; it must succeed."""
        argv = [sys.executable, "-m", "inferwatch", *command, "-c", str(self.path)]
        done = subprocess.run(argv, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _start(self, arguments: list[str]) -> subprocess.Popen[str]:
        with self.log.open("a") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                env={**os.environ, "PYTHONFAULTHANDLER": "1"},
            )
        self._processes.append(process)
        return process

    def stop(self, process: subprocess.Popen[str], within_s: float = 10.0) -> int:
        """SIGTERM; the exit code. One that does not end says where it hangs."""
        process.terminate()
        try:
            return process.wait(within_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            process.wait(5)
            raise AssertionError(f"still there after {within_s} s:\n{self.tail(80)}") from None

    def close(self) -> None:
        """End what still runs, whole groups at once."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def said(self, text: str) -> int:
        """How often the processes logged a text."""
        return self.log.read_text().count(text)

    def repaired(self) -> int:
        """How many records were read from the log because they were missing."""
        found = re.findall(r"reading offsets (\d+) to (\d+) from the log", self.log.read_text())
        return sum(int(last) - int(first) + 1 for first, last in found)

    def settled(self, feed, live: LiveResults, timeout_s: float = 30.0) -> Truth:
        """Wait until what is published equals the recompute in every field; the recompute."""
        truth = Truth(self.settings, feed.ends_before)

        def equal() -> Truth:
            wrong = truth.differences(live.read())
            assert not wrong, f"{len(wrong)} differences, such as {wrong[:4]}\n{self.tail()}"
            return truth

        return eventually(equal, timeout_s, every_s=0.5)

    def tail(self, lines: int = 15) -> str:
        """The end of what the processes logged."""
        return "\n".join(self.log.read_text().splitlines()[-lines:])
