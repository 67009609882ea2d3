"""How to reach Kafka: the options that every client shares, and a check that it answers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from inferwatch.errors import ServiceUnreachableError, UsageError
from inferwatch.settings.services import BrokerSettings
from inferwatch.settings.tree import Settings

START_ONE = "start one with `docker compose up -d kafka`, or let `inferwatch up` bring its own"


def kafka_options(broker: BrokerSettings) -> dict[str, Any]:
    """The keyword arguments that every kafka-python client takes: addresses, login, TLS.

    Raises:
        UsageError: the broker is embedded, so that only `inferwatch up` knows its address.

    >>> kafka_options(BrokerSettings(url="kafka://localhost:9092"))
    {'bootstrap_servers': ['localhost:9092'], 'security_protocol': 'PLAINTEXT'}
    """
    if broker.embedded:
        raise UsageError(
            "broker.url is `embedded`: such a broker lives inside of `inferwatch up`, which prints "
            "its address; give that one here, kafka://HOST:PORT"
        )
    security = broker.security
    options: dict[str, Any] = {
        "bootstrap_servers": broker.bootstrap,
        "security_protocol": security.protocol,
    }
    if broker.api_version is not None:
        major, minor = broker.api_version.split(".")
        options["api_version"] = (int(major), int(minor))
    if security.logs_in:
        options["sasl_mechanism"] = security.mechanism
        options["sasl_plain_username"] = security.username
        options["sasl_plain_password"] = _reveal(security.password)
    if security.encrypted:
        options["ssl_check_hostname"] = security.verify_hostname
        options["ssl_cafile"] = security.ca_file
        options["ssl_certfile"] = security.cert_file
        options["ssl_keyfile"] = security.key_file
        options["ssl_password"] = _reveal(security.key_password)
    return options


@contextmanager
def admin(broker: BrokerSettings, timeout_s: float = 10) -> Iterator[KafkaAdminClient]:
    """An admin client, closed at the end of the block.

    Raises:
        ServiceUnreachableError: no broker answered within `timeout_s`, or it refused the login.
    """
    options = kafka_options(broker)
    # What the client retries is told once, by the error below.
    kafka_log = logging.getLogger("kafka")
    level = kafka_log.level
    kafka_log.setLevel(logging.CRITICAL)
    try:
        try:
            client = KafkaAdminClient(**options, bootstrap_timeout_ms=int(timeout_s * 1000))
        except (KafkaError, OSError) as error:
            raise _unreachable(broker, error, timeout_s) from error
        try:
            yield client
        finally:
            client.close()
    finally:
        kafka_log.setLevel(level)


def reach_broker(settings: Settings, timeout_s: float = 10) -> None:
    """Return once the broker answers.

    Raises:
        ServiceUnreachableError: it did not within `timeout_s`; what was tried, how to start one.
    """
    with admin(settings.broker, timeout_s):
        pass


def _unreachable(
    broker: BrokerSettings, error: Exception, timeout_s: float
) -> ServiceUnreachableError:
    tried = f"{','.join(broker.bootstrap)} ({broker.security.protocol})"
    reason = " ".join(str(error).split()) or type(error).__name__
    return ServiceUnreachableError(
        f"Kafka: no answer from {tried} within {timeout_s:g} s ({reason}); {START_ONE}"
    )


def _reveal(secret: Any) -> str | None:
    return None if secret is None else str(secret.get_secret_value())
