"""An objective in a worker: its budget is known to whoever evaluates the model next."""

import pytest
from evaluation_rig import EvaluationRig

from inferwatch.events.kinds import Kind

CONFIG = """
limits: {idle: 60s}
retention: {restate: 60s, history: 1h}
defaults: {windows: [10s], lateness: 0s, reference: {learn: off}}
rules:
  - name: promise
    slo: {metric: latency.slow_rate, over: 300ms, objective: 99, period: 1d}
    severity: page
"""


@pytest.mark.parametrize("restart_every", [1, 7, 1000])
async def test_a_restart_loses_nothing_of_a_budget(restart_every):
    rig = EvaluationRig(config=CONFIG)
    rig.parts[0].kind = Kind.LATENCY
    worker = rig.worker()
    for n in range(60):
        # Of a day the windows are two minutes and ten seconds, twelve and one: two bad ones do it.
        slow = 500.0 if 24 <= n < 30 else 10.0
        await rig.parts[0].rows(*range(n * 10_000, n * 10_000 + 10_000, 1_000), latency_ms=slow)
        if n % restart_every == 0:
            worker = rig.worker(f"w{n}")
        await worker.rounds()
    pages = [a for a in rig.topic.alerts if a["severity"] == "page"]
    told = [(a["window"]["end"] // 10_000, a["status"]) for a in pages]
    assert told == [(26, "firing"), (36, "resolved")]
    assert pages[0]["metric"] == "latency.slow_rate.burn"
