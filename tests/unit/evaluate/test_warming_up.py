"""A rule that is still learning is named in the worker's log."""

import logging

from evaluation_rig import EvaluationRig

CONFIG = """
limits: {idle: 60s}
defaults: {windows: [10s], lateness: 0s, reference: {learn: off}}
rules: [{name: learned, metric: rows, when: unusual}]
"""


async def test_a_worker_says_what_a_rule_has_learned_so_far(caplog):
    caplog.set_level(logging.WARNING)
    rig = EvaluationRig(config=CONFIG)
    worker = rig.worker()
    await rig.parts[0].rows(*range(0, 120_001, 2_000))
    await worker.rounds()
    assert "m: rule 'learned' learns rows: 0 of 30 windows seen" in caplog.text
    caplog.clear()
    successor = rig.worker("w2")
    await successor.rounds()
    assert "rule 'learned' learns rows: 12 of 30 windows seen" in caplog.text
