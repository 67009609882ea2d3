"""A Kafka broker inside a Python process: librdkafka's mock cluster, which pip installs.

It is for trying, and says so: memory only (about 5 MB a partition), it makes a topic itself, with
4 partitions, when one is first asked for, does not answer CreateTopics, does not compact, speaks
the protocol of Kafka 2.3 at most, and a record's time stamp is its sender's.

`python -m inferwatch.embedded.broker --address-file FILE` runs one until SIGTERM, and writes
`127.0.0.1:PORT` to FILE once clients can connect.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Producer

from inferwatch.embedded.address import publish_address, wait_for_signal

API_VERSION = (2, 3)
"""The newest protocol that the mock cluster and kafka-python both speak."""

_START_S = 10.0


class EmbeddedBroker:
    """One mock broker on a free port of the loopback address, as long as the block lasts.

    >>> with EmbeddedBroker() as broker:
    ...     broker.bootstrap.split(":")[0]
    '127.0.0.1'
    """

    api_version = API_VERSION

    def __init__(self) -> None:
        """Nothing is started yet."""
        self._cluster: Any = None
        self.bootstrap = ""

    def start(self) -> Self:
        """Start it; `bootstrap` is its address from now on."""
        # The cluster lives inside this client and ends with it. log_level 4: warnings and worse.
        self._cluster = Producer(
            {"test.mock.num.brokers": 1, "bootstrap.servers": "embedded", "log_level": 4}
        )
        (broker,) = self._cluster.list_topics(timeout=_START_S).brokers.values()
        self.bootstrap = f"{broker.host}:{broker.port}"
        return self

    def stop(self) -> None:
        """End it; its records are gone."""
        self._cluster = None

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self.stop()


def main() -> None:
    """Run one broker until a signal ends it."""
    parser = argparse.ArgumentParser(
        prog="python -m inferwatch.embedded.broker", description=__doc__
    )
    parser.add_argument("--address-file", type=Path, required=True)
    options = parser.parse_args()
    with EmbeddedBroker() as broker, wait_for_signal():
        publish_address(options.address_file, broker.bootstrap)


if __name__ == "__main__":
    main()
