"""The config that the demo runs with, and leaves behind as an example to start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inferwatch.demo.model import NAME

CONFIG = """\
# The config of the demo. `inferwatch config check` explains every mistake you make in it.
broker: {{url: "kafka://{broker}"{api_version}}}
redis: {{url: "{redis}"}}
topics: {{prefix: "{prefix}", partitions: 4}}
limits: {{idle: {idle}}}                # a partition that is silent for so long holds nothing back
defaults: {{windows: [{window}], lateness: {lateness}}}

models:
  - name: {model}
    task: binary
    positive: late
    classes: [late, on_time]
    labels: {{horizon: 10m, wait: {wait}}}
    segments: [origin]
    tags: {{team: flight-operations}}

rules:
  - name: accuracy-low
    metric: quality.accuracy
    when: "< 0.83"
    min_rows: 400
    severity: page
    runbook_url: https://example.com/runbooks/accuracy-low
  - name: input-drift
    metric: features.*.psi
    when: "> 0.25"
    min_rows: 400
    severity: ticket

notify:
  route:
    receiver: on-call
    group_by: ["..."]            # one notification a transition
    group_wait: 0s
  receivers:
    - name: on-call
      console_configs: [{{}}]
      webhook_configs: [{{url: "{webhook}", secret: "{secret}"}}]
      file_configs: [{{path: "{pages}"}}]

dashboard: {{listen: "127.0.0.1:{port}"}}

sidecar:
  upstream: "http://127.0.0.1:{server}"
  listen: "127.0.0.1:0"
  admin: "127.0.0.1:0"
  batch: {{every: {batch_every}}}
  resources: {{every: 1s}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoConfig:
    """What differs from run to run."""

    broker: str
    is_mock: bool
    redis: str
    prefix: str
    port: int
    server: int
    webhook: str
    secret: str
    out: Path
    speed: float

    def duration(self, seconds: float) -> str:
        """A duration of the demo at its speed, as the config writes it."""
        return f"{max(1, round(seconds * 1000 / self.speed))}ms"

    @property
    def window(self) -> str:
        """The demo's window: 5 s at speed 1."""
        return "5s" if self.speed == 1 else self.duration(5)

    def text(self) -> str:
        """The config file."""
        return CONFIG.format(
            broker=self.broker,
            api_version=', api_version: "2.3"' if self.is_mock else "",
            redis=self.redis,
            prefix=self.prefix,
            idle=self.duration(6),
            window=self.window,
            lateness=self.duration(1),
            wait=self.duration(8),
            model=NAME,
            webhook=self.webhook,
            secret=self.secret,
            pages=self.out / "pages.jsonl",
            port=self.port,
            server=self.server,
            batch_every=self.duration(0.5),
        )
