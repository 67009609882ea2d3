"""Where Kafka and Redis are, and how to log in there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, WithJsonSchema, model_validator

from inferwatch.settings.section import Remark, Section, SectionError
from inferwatch.settings.types import Bool, Secret, Text, scalar_text, split_address

EMBEDDED = "embedded"
DEFAULT_BROKER_PORT = 9092


def parse_broker_url(value: Any) -> str:
    """`embedded`, or `kafka://HOST:PORT[,HOST:PORT]`; the scheme and port 9092 may be left out.

    >>> parse_broker_url("a,b:9093")
    'kafka://a:9092,b:9093'
    """
    text = scalar_text(value, "an address").strip()
    if text == EMBEDDED:
        return text
    hosts = text.removeprefix("kafka://").rstrip("/").split(",")
    try:
        nodes = [_with_port(host.strip()) for host in hosts]
    except ValueError:
        raise ValueError(
            f"{text!r} is no broker; allowed are kafka://HOST:PORT, "
            "kafka://HOST:PORT,HOST:PORT and embedded"
        ) from None
    return "kafka://" + ",".join(nodes)


def _with_port(host: str) -> str:
    if not re.search(r":[0-9]+$", host) or host.endswith("]"):
        host = f"{host}:{DEFAULT_BROKER_PORT}"
    split_address(host)
    return host


def parse_redis_url(value: Any) -> str:
    """`embedded`, `redis://`, `rediss://` (TLS) or `unix://` with a path.

    >>> parse_redis_url("redis://localhost:6379/0")
    'redis://localhost:6379/0'
    """
    text = scalar_text(value, "an address").strip()
    if text == EMBEDDED:
        return text
    try:
        parts = urlsplit(text)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        port_fits = False
        parts = urlsplit("")
    whole = bool(parts.path if parts.scheme == "unix" else parts.hostname)
    if parts.scheme not in ("redis", "rediss", "unix") or not whole or not port_fits:
        # The address may hold a password, so it is not repeated here.
        raise ValueError(
            "this is no Redis address; allowed are redis://[USER:PASSWORD@]HOST:PORT/DB, "
            "rediss://…, unix:///PATH and embedded"
        )
    database = parts.path.strip("/")
    if parts.scheme != "unix" and database and not database.isdecimal():
        raise ValueError("the database at the end of the address is a number: redis://HOST:PORT/0")
    return text


BrokerUrl = Annotated[str, BeforeValidator(parse_broker_url), WithJsonSchema({"type": "string"})]
RedisUrl = Annotated[str, BeforeValidator(parse_redis_url), WithJsonSchema({"type": "string"})]


class SecuritySettings(Section):
    """How to log in to Kafka, and whether the line is encrypted."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """SSL encrypts the line, SASL logs in with a user name."""
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """How SASL proves the password."""
    username: Text | None = None
    """The user of SASL."""
    password: Secret | None = None
    """The password of SASL."""
    ca_file: Text | None = None
    """PEM file of the authority that signed the broker's certificate; the system's by default."""
    cert_file: Text | None = None
    """PEM file of the client's own certificate."""
    key_file: Text | None = None
    """PEM file of the client's private key."""
    key_password: Secret | None = None
    """The password of the private key."""
    verify_hostname: Bool = True
    """Whether the broker's certificate must be for its host name."""

    @property
    def encrypted(self) -> bool:
        """Whether the line is TLS."""
        return self.protocol.endswith("SSL")

    @property
    def logs_in(self) -> bool:
        """Whether SASL is used."""
        return self.protocol.startswith("SASL")

    @model_validator(mode="after")
    def _parts_fit_the_protocol(self) -> SecuritySettings:
        remarks = []
        for key in ("mechanism", "username", "password"):
            present = getattr(self, key) is not None
            if self.logs_in and not present:
                remarks.append(Remark((), f"`{key}` is missing; {self.protocol} needs it"))
            if present and not self.logs_in:
                remarks.append(
                    Remark((key,), f"{self.protocol} does not log in; allowed with SASL_… only")
                )
        for key in ("ca_file", "cert_file", "key_file", "key_password"):
            if getattr(self, key) is not None and not self.encrypted:
                remarks.append(
                    Remark((key,), f"{self.protocol} is not encrypted; allowed with …SSL only")
                )
        if self.key_file is not None and self.cert_file is None:
            remarks.append(Remark(("key_file",), "a key without a certificate; add `cert_file`"))
        if remarks:
            raise SectionError(*remarks)
        return self

    def surprises(self) -> Iterator[Remark]:
        """A password that is sent in the clear."""
        if self.protocol == "SASL_PLAINTEXT" and self.mechanism == "PLAIN":
            yield Remark(("mechanism",), "PLAIN without TLS sends the password in the clear")


class BrokerSettings(Section):
    """Kafka: where events come from and results go."""

    url: BrokerUrl = "kafka://localhost:9092"
    """kafka://HOST:PORT[,HOST:PORT], or embedded (a broker inside `inferwatch up`, for trying)."""
    security: SecuritySettings = SecuritySettings()
    """How to log in, and whether the line is encrypted."""
    api_version: Literal["2.3"] | None = None
    """Only for librdkafka's mock cluster, which speaks no newer protocol: 2.3."""

    @property
    def embedded(self) -> bool:
        """Whether `up` brings a broker of its own."""
        return self.url == EMBEDDED

    @property
    def mock(self) -> bool:
        """Whether it is librdkafka's mock cluster, as `up` and the demo start it."""
        return self.api_version is not None

    @property
    def bootstrap(self) -> list[str]:
        """The addresses to begin with, HOST:PORT each; none for an embedded broker.

        >>> BrokerSettings(url="kafka://a:1,b:2").bootstrap
        ['a:1', 'b:2']
        """
        return [] if self.embedded else self.url.removeprefix("kafka://").split(",")


class RedisSettings(Section):
    """Redis: the panes and the positions. Its `maxmemory-policy` has to be noeviction."""

    url: RedisUrl = "redis://localhost:6379/0"
    """redis://HOST:PORT/DB, rediss:// (TLS), unix:///PATH, or embedded (with `inferwatch up`)."""
    username: Text | None = None
    """The ACL user; it may also stand in the address."""
    password: Secret | None = None
    """The password; it may also stand in the address."""
    ca_file: Text | None = None
    """PEM file of the authority that signed the server's certificate; the system's by default."""
    cluster: Bool = False
    """Whether the address is a node of a Redis Cluster."""
    sentinel: Text | None = None
    """Name of the primary (`mymaster`), when the address is a Sentinel's."""

    @property
    def embedded(self) -> bool:
        """Whether `up` brings a Redis of its own."""
        return self.url == EMBEDDED

    @model_validator(mode="after")
    def _parts_fit_the_address(self) -> RedisSettings:
        remarks = []
        tcp = self.url.startswith(("redis://", "rediss://"))
        if self.cluster and self.sentinel is not None:
            remarks.append(
                Remark(("sentinel",), "behind Sentinel there is no cluster; allowed is one")
            )
        for key in ("cluster", "sentinel"):
            if getattr(self, key) and not tcp:
                remarks.append(Remark((key,), "allowed with redis:// and rediss:// addresses only"))
        address = urlsplit(self.url)
        for key in ("username", "password"):
            if getattr(self, key) is not None and getattr(address, key):
                remarks.append(Remark((key,), "the address has one already; keep one of them"))
        if self.ca_file is not None and not self.url.startswith("rediss://"):
            remarks.append(Remark(("ca_file",), "allowed with a rediss:// address only"))
        if remarks:
            raise SectionError(*remarks)
        return self
