"""The embedded broker behind the face of `KafkaServer`, for machines without Java."""

from typing import Self

from inferwatch.embedded.broker import EmbeddedBroker


class KafkaStandIn(EmbeddedBroker):
    """Can be killed, but what it held is gone and its next address is another one."""

    real = False
    name = "the embedded broker"

    def start(self) -> Self:
        """Start an empty broker."""
        return super().start()

    def kill(self) -> None:
        """End it at once."""
        self.stop()
