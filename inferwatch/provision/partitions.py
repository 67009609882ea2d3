"""How many partitions a topic has, asked of the broker without creating it."""

from __future__ import annotations

from kafka.errors import KafkaError

from inferwatch.broker import admin
from inferwatch.errors import ServiceUnreachableError, UsageError
from inferwatch.settings.services import BrokerSettings


def partitions_of(broker: BrokerSettings, topic: str) -> int:
    """The number of partitions of a topic.

    Raises:
        UsageError: there is no such topic.
        ServiceUnreachableError: no broker answered.
    """
    with admin(broker) as client:
        try:
            if topic not in client.list_topics():
                raise UsageError(
                    f"the topic {topic} does not exist on {','.join(broker.bootstrap)}; "
                    "create it with: inferwatch topics create -c FILE"
                )
            (found,) = client.describe_topics([topic])
        except KafkaError as error:
            raise ServiceUnreachableError(
                f"Kafka: the partitions of {topic} could not be read "
                f"({type(error).__name__}: {error})"
            ) from error
    return len(found["partitions"])
