"""Spools that end with their test."""

import pytest
from spool_rig import SpoolRig


@pytest.fixture
def start(tmp_path):
    rigs = []

    def make(**options):
        rigs.append(SpoolRig(tmp_path, **options))
        return rigs[-1]

    make.rigs = rigs
    yield make
    for rig in rigs:
        rig.end()
