"""A small form of `python -m benchmarks.fault_table`: nothing missed, each named for what it is."""

import pytest

from benchmarks._detection_faults import FAULTS
from benchmarks.fault_table import trial

SMALL = (
    "amount x1000",
    "10 % missing",
    "15 % at a default value",
    "number became text",
    "columns swapped",
    "0.25 sigma",
    "prediction collapse",
    "changed world",
    "canary 4 points worse",
    "memory leak alone",
    "stream dead",
    "60 % fewer rows",
)


@pytest.mark.parametrize("name", SMALL)
def test_a_fault_is_found_and_named(name):
    fault = next(f for f in FAULTS if f.name == name)
    told = trial(fault, 5, rows=300)
    assert told.windows is not None, "missed"
    assert (told.kind, told.cause, told.feature) == (True, True, True), told.said
    assert told.early == 0, "a false alarm before it"


@pytest.mark.parametrize("name", ["good canary takes half"])
def test_what_is_no_fault_is_not_told(name):
    fault = next(f for f in FAULTS if f.name == name)
    told = trial(fault, 6, rows=300)
    assert (told.early, told.alerts) == (0, 0), told.said
