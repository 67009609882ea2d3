"""The config read again while traffic passes (SIGHUP): what is taken over, what wants a restart.

Taken over at once: what says how exchanges are read and what of them may be told (redaction,
features, segments, sampling, routes, protocol, names, and the entries under `models`). Every
exchange that is read from then on follows the new rules, also one that passed before. A config with
a mistake changes nothing. Certificates are read again too, from the files of the start.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

from inferwatch.errors import ConfigError, UsageError
from inferwatch.settings import Settings
from inferwatch.settings.section import Section
from inferwatch.settings.sidecar import SidecarSettings
from inferwatch.settings.tls import ListenerTlsSettings, UpstreamTlsSettings
from producers.counters import Counters

log = logging.getLogger("inferwatch.sidecar")

Reread = Callable[[], Settings]
"""Reads the config and the command line's options again; raises UsageError."""

LIVE = frozenset(
    (
        "model",
        "version",
        "protocol",
        "routes",
        "features",
        "redact",
        "errors",
        "headers",
        "segments",
        "sample",
    )
)
"""The keys of `sidecar` that a running one takes over."""

_ELSEWHERE = ("broker", "topics", "limits")


def wants_restart(running: Settings, wanted: Settings) -> list[str]:
    """The keys that differ and that only a new process can follow.

    >>> from inferwatch.settings import load
    >>> old = load(None, text="sidecar: {upstream: 'http://a:1', redact: [a]}")
    >>> new = load(None, text="sidecar: {upstream: 'http://b:1', redact: [b]}")
    >>> wants_restart(old, new)
    ['sidecar.upstream']
    """
    before = running.sidecar or SidecarSettings()
    after = wanted.sidecar or SidecarSettings()
    own = [f"sidecar.{key}" for key in _differing(before, after) if key not in LIVE]
    other = [
        f"{section}.{key}"
        for section in _ELSEWHERE
        for key in _differing(getattr(running, section), getattr(wanted, section))
    ]
    return own + other


def _differing(before: Section, after: Section) -> Iterator[str]:
    for key, name in type(before).known_keys().items():
        old, new = getattr(before, name), getattr(after, name)
        if old is not None and isinstance(new, ListenerTlsSettings | UpstreamTlsSettings):
            # The password goes with the key, which is read again.
            old = old.model_copy(update={"key_password": new.key_password})
        if old != new:
            yield key


class Reloader:
    """Reads the config again whenever it is asked to; one reading at a time.

    Attributes:
        reading: the task that reads, None before the first one.
    """

    def __init__(
        self,
        running: Settings,
        reread: Reread | None,
        take: Callable[[Settings], None],
        counters: Counters,
        *,
        renew: Callable[[Settings], None] = lambda _: None,
    ) -> None:
        """Read nothing yet.

        Args:
            running: what keys that want a restart are compared with.
            reread: called in a thread of its own; None where there is nothing to read.
            take: handed each config that is right, on the event loop.
            counters: where to count.
            renew: handed the same before, in the thread that read it.
        """
        self._running = running
        self._reread = reread or _nothing_to_read
        self._take = take
        self._renew = renew
        self._counters = counters
        self._is_asked = False
        self.reading: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Read the config again, soon; callable from a signal handler of the event loop."""
        self._is_asked = True
        if self.reading is None or self.reading.done():
            self.reading = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        while self._is_asked:
            self._is_asked = False
            try:
                # YAML and keys take long enough to be seen in the traffic's latency.
                wanted = await asyncio.to_thread(self._read_files)
                self._take(wanted)
            except ConfigError as error:
                for mistake in error.mistakes:
                    log.error("%s", mistake)
                self._refused(f"{len(error.mistakes)} mistakes")
            except UsageError as error:
                self._refused(str(error))
            except Exception:
                log.exception("the new config could not be taken over")
                self._refused("a defect of the sidecar")
            else:
                self._counters.add("config_reloads_total", outcome="taken")
                self._tell(wants_restart(self._running, wanted))

    def _read_files(self) -> Settings:
        wanted = self._reread()
        self._renew(wanted)
        return wanted

    def _refused(self, why: str) -> None:
        self._counters.add("config_reloads_total", outcome="refused")
        log.error("the config was not taken over (%s); the old one stays in force", why)

    def _tell(self, keys: list[str]) -> None:
        log.info("the config was read again, and is in force")
        if keys:
            log.warning(
                "only a restart changes %s; until then the old values hold", ", ".join(keys)
            )


def _nothing_to_read() -> Settings:
    raise UsageError("it was started without a config file that could be read again")
