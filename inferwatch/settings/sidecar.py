"""The sidecar of the config: what it stands in front of, what it reads, what it may tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from inferwatch.json_path import JsonPath
from inferwatch.settings.section import Remark, Section, SectionError
from inferwatch.settings.tls import ListenerTlsSettings, UpstreamTlsSettings
from inferwatch.settings.types import (
    Address,
    Bool,
    Duration,
    Int,
    Secret,
    Share,
    Size,
    Text,
    scalar_text,
    split_address,
)

Protocol = Literal[
    "auto",
    "open-inference-v2",
    "kserve-v1",
    "mlflow",
    "sagemaker",
    "seldon-v1",
    "torchserve",
    "openai",
    "json",
]

ID_HEADERS = (
    "x-request-id",
    "x-amzn-sagemaker-inference-id",
    "seldon-puid",
    "ce-id",
    "x-bentoml-request-id",
)
"""Headers that name a request, the first one that is there counts."""

SEGMENT_SOURCES = ("header", "query", "feature", "value")
_SEGMENT = re.compile(rf"({'|'.join(SEGMENT_SOURCES)}):(.+)")
_LOOPBACK = re.compile(r"127\.\d+\.\d+\.\d+|::1|localhost")


def is_loopback(address: str) -> bool:
    """Whether an address `HOST:PORT` can be reached from this machine only.

    >>> is_loopback("127.0.0.1:9001"), is_loopback("[::1]:9001"), is_loopback("0.0.0.0:9001")
    (True, True, False)
    """
    return _LOOPBACK.fullmatch(split_address(address)[0]) is not None


def parse_upstream(value: Any) -> str:
    """The model server: `http://HOST[:PORT]`, `https://…`, or `unix:/path.sock`.

    >>> parse_upstream("http://127.0.0.1:8080/")
    'http://127.0.0.1:8080'
    """
    text = scalar_text(value, "an address (http://HOST:PORT)").strip()
    if re.fullmatch(r"unix:/.+", text):
        return text
    try:
        parts = urlsplit(text)
        fits = bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, fits = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not fits or parts.username is not None:
        raise ValueError(
            f"{text!r} is no upstream; allowed are http://HOST:PORT, https://HOST:PORT "
            "and unix:/path.sock"
        )
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(
            f"{text!r} names a path; the sidecar passes paths on unchanged, "
            "allowed is the server alone: http://HOST:PORT"
        )
    return text.rstrip("/")


def _parse_segment(value: Any) -> str:
    text = scalar_text(value, "a source (header:x-region)").strip()
    if _SEGMENT.fullmatch(text) is None:
        raise ValueError(
            f"{text!r} is no source of a segment; allowed are header:NAME, query:NAME, "
            "feature:NAME and value:TEXT"
        )
    return text


def _parse_pid(value: Any) -> int | None:
    """None for `auto`."""
    if value is None or scalar_text(value, "a number or auto") == "auto":
        return None
    text = scalar_text(value, "a number or auto")
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
        raise ValueError(f"{text!r} is no process; allowed are a process number and auto")
    return int(text)


def _parse_path(value: Any) -> str:
    return JsonPath.parse(scalar_text(value, "a path ($.features)")).text


Path = Annotated[
    str,
    BeforeValidator(_parse_path),
    WithJsonSchema({"type": "string", "examples": ["$.features"]}),
]
Upstream = Annotated[str, BeforeValidator(parse_upstream), WithJsonSchema({"type": "string"})]
SegmentSource = Annotated[
    str,
    BeforeValidator(_parse_segment),
    WithJsonSchema({"type": "string", "examples": ["header:x-region"]}),
]
Pid = Annotated[
    int | None, BeforeValidator(_parse_pid), WithJsonSchema({"type": ["string", "integer"]})
]
Names = tuple[Text, ...]


class RouteSettings(Section):
    """Where inference happens on a server that speaks JSON of its own, as JSONPaths."""

    path: Annotated[Text, Field(pattern="^/")]
    """The path of the requests, such as /predict. On a path of OpenAI's API a route asks for texts,
    which are not told otherwise."""
    inputs: Path | None = None
    """Where the features stand in the request, such as $.features or $.rows[*].x."""
    outputs: Path | None = None
    """Where the prediction stands in the response, such as $.label."""
    scores: Path | None = None
    """Where the scores stand in the response, such as $.proba."""
    id: Path | None = None
    """Where the id stands in the request, else in the response, such as $.id."""


class SidecarFeatureSettings(Section):
    """The names of the features, and which of them leave this process."""

    names: Names = ()
    """Names in the order of the columns, where the wire names none; else f0, f1, …"""
    allow: Names = ("*",)
    """Names or globs of the features that are sent."""
    deny: Names = ()
    """Names or globs of those that are not; wins over allow."""
    hash: Names = ()
    """Names or globs of features that are sent as a hash of their value."""
    hash_key: Secret | None = None
    """Key of that hash: without one, whoever knows the possible values can find the hashed one."""


class ErrorTextSettings(Section):
    """What is told of a failure."""

    text: Bool = False
    """Whether the server's own words follow the short class, capped and redacted."""


class HeaderSettings(Section):
    """Which headers may be told."""

    allow: Names = ("x-request-id",)
    """Names of headers. Events hold none but ids, and what `segments` take from one."""


class SampleSettings(Section):
    """How much is sent. Latency events are never sampled."""

    predictions: Share = 1.0
    """Share of the predictions, by a hash of the id."""


class BatchSettings(Section):
    """When a batch is full; whichever comes first."""

    rows: Annotated[Int, Field(ge=1, le=65_536)] = 1024
    """Rows of a batch."""
    bytes: Annotated[Size, Field(ge=1024)] = 512 * 1024
    """Its size."""
    every: Annotated[Duration, Field(ge=1)] = 1_000
    """The age of its first row."""


class SpoolSettings(Section):
    """Where events wait on disk while Kafka is away."""

    dir: Annotated[Text, Field(min_length=1)]
    """A directory on a disk that outlives the process; several sidecars may share it."""
    max: Annotated[Size, Field(ge=64 * 1024)] = 2**30
    """The most that one process keeps there, with what it found of dead ones."""


class ResourceSettings(Section):
    """CPU, memory, files and network of the model server."""

    pid: Pid = None
    """Its process number; auto: the process that listens on the upstream's port here."""
    every: Annotated[Duration, Field(ge=100)] = 10_000
    """How often they are read."""


class TimeoutSettings(Section):
    """How long the sidecar waits for the model server."""

    connect: Annotated[Duration, Field(ge=1)] = 10_000
    """For a connection; then the client gets 502."""
    response: Duration = 0
    """For the next byte of an answer; then the client gets 504. 0: as long as the client does."""


class CollectorSettings(Section):
    """How the halves that loggers send become exchanges."""

    wait: Annotated[Duration, Field(ge=10)] = 60_000
    """How long a half waits for its other half; then a request counts as unanswered."""
    pairs: Annotated[Int, Field(ge=1)] = 10_000
    """How many halves may wait; above it the oldest is given up."""


class SidecarSettings(Section):
    """The tap beside a model server."""

    upstream: Upstream | None = None
    """The model server: http://HOST:PORT, https://HOST:PORT or unix:/path.sock."""
    listen: Address = "127.0.0.1:9000"
    """Where clients reach the sidecar; port 0 takes a free one."""
    tls: ListenerTlsSettings | None = None
    """The certificate that clients see on `listen` (on `admin` where that is all there is)."""
    upstream_tls: UpstreamTlsSettings | None = None
    """How an https upstream is known, and what it is shown."""
    model: Annotated[Text, Field(min_length=1)] | None = None
    """The model's name where the wire names none."""
    version: Annotated[Text, Field(min_length=1)] | None = None
    """Its version where the wire names none."""
    protocol: Protocol = "auto"
    """What the server speaks; auto tells it from each request."""
    routes: tuple[RouteSettings, ...] = ()
    """Paths of inference on a server with a JSON of its own."""
    features: SidecarFeatureSettings = SidecarFeatureSettings()
    """The names of the features, and which of them leave this process."""
    redact: Names = ()
    """Names that never leave this process: in features, outputs, scores, ids, segments."""
    errors: ErrorTextSettings = ErrorTextSettings()
    """What is told of a failure."""
    headers: HeaderSettings = HeaderSettings()
    """Which headers may be told."""
    segments: dict[str, SegmentSource] = {}
    """Segments by key: header:NAME, query:NAME, feature:NAME or value:TEXT."""
    sample: SampleSettings = SampleSettings()
    """How much is sent."""
    batch: BatchSettings = BatchSettings()
    """When a batch is full."""
    mint_ids: Bool = False
    """Whether an answer to a request without id gets a header X-Inference-Id."""
    queue: Annotated[Size, Field(ge=64 * 1024)] = 64 * 2**20
    """Bytes that may wait in memory; what does not fit is dropped and counted."""
    spool: SpoolSettings | None = None
    """Where events wait on disk while Kafka is away."""
    admin: Address = "127.0.0.1:9001"
    """Address of /healthz, /readyz, /metrics, /v1/labels, /v1/predictions and CloudEvents. Named
    without an upstream the sidecar is a collector: this address is all it has."""
    admin_token: Secret | None = None
    """What callers of the admin address send: `Authorization: Bearer …`, or as Basic password."""
    resources: ResourceSettings = ResourceSettings()
    """What the model server uses."""
    timeouts: TimeoutSettings = TimeoutSettings()
    """How long the sidecar waits for the model server."""
    collector: CollectorSettings = CollectorSettings()
    """CloudEvents of KServe's and Seldon's loggers, which the admin address takes too."""

    @property
    def is_collector(self) -> bool:
        """Whether there is no traffic to tap: only the admin address is there, and is asked for."""
        said = self.model_fields_set
        return self.upstream is None and "admin" in said and "listen" not in said

    @model_validator(mode="after")
    def _admin_address_is_guarded(self) -> SidecarSettings:
        has_token = self.admin_token is not None and self.admin_token.get_secret_value()
        if not is_loopback(self.admin) and not has_token:
            raise SectionError(
                Remark(
                    ("admin",),
                    f"{self.admin} can be reached from other machines; allowed are a loopback "
                    "address (127.0.0.1:9001), or `admin_token` beside it",
                )
            )
        return self

    def surprises(self) -> Iterator[Remark]:
        """What is legal and does not do what it seems to: keys without effect, weak hashes."""
        if self.spool is not None and self.spool.max < 2 * self.batch.bytes:
            yield Remark(("spool", "max"), "holds less than two batches of `batch.bytes`")
        if self.upstream_tls and self.upstream and not self.upstream.startswith("https://"):
            yield Remark(("upstream_tls",), f"{self.upstream} is not reached by TLS")
        for index, name in enumerate(self.headers.allow):
            if name.lower() not in ID_HEADERS:
                yield Remark(
                    ("headers", "allow", index),
                    f"no event holds a header; `segments: {{key: header:{name}}}` tells it",
                )
        if self.protocol == "json" and not self.routes:
            yield Remark(("protocol",), "json without `routes`: no request is taken for inference")
        if self.features.hash and self.features.hash_key is None:
            yield Remark(("features", "hash"), "without `hash_key` a hash can be guessed")
