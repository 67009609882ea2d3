"""`inferwatch notify` as a process of a test, and what its receiver was told."""

import json
import signal
import subprocess
import sys
import time

from http_receiver import HttpReceiver


class Process:
    """One `inferwatch notify`."""

    def __init__(self, folder, name="one"):
        self.log = folder / f"{name}.log"
        self._command = [
            sys.executable, "-m", "inferwatch", "notify", "-c", str(folder / "config.yaml"),
            "--deliveries", str(folder / "deliveries.jsonl"),
        ]  # fmt: skip
        self.popen = None

    def start(self):
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(self._command, stdout=log, stderr=log)
        return self

    def kill(self):
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()

    def stop(self) -> float:
        begin = time.monotonic()
        self.popen.terminate()
        assert self.popen.wait(10) == 0, self.log.read_text()
        return time.monotonic() - begin

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        if self.popen.poll() is None:
            self.kill()


def told(receiver: HttpReceiver) -> list[tuple[str, str]]:
    return [
        (a["incident"], a["event"]["status"])
        for post in receiver.posts
        for a in json.loads(post.body)["alerts"]
    ]
