"""The state machine as a table, and as stories."""

import pytest

from pipeline.rules.machine import Machine, Moved, Phase, Timing
from pipeline.rules.verdict import State

BAD, OK, BLIND = State.BREACHED, State.CLEAR, State.UNKNOWN
Q, P, F, R = Phase.QUIET, Phase.PENDING, Phase.FIRING, Phase.RECOVERING
FIRED, RESOLVED = Moved.FIRED, Moved.RESOLVED


def machine_in(phase: Phase) -> tuple[Machine, int]:
    """A machine in that phase, and the end of the next window."""
    machine = Machine()
    steps = {Q: "", P: "b", F: "bbb", R: "bbbo"}[phase]
    for n, step in enumerate(steps, 1):
        machine.advance(BAD if step == "b" else OK, 60 * n, SLOW)
    assert machine.phase is phase
    return machine, 60 * (len(steps) + 1)


SLOW = Timing(hold=120, keep=120, size=60, slide=60)


@pytest.mark.parametrize(
    ("phase", "state", "then", "moved"),
    [
        (Q, OK, Q, None),
        (Q, BAD, P, None),
        (Q, BLIND, Q, None),
        (P, OK, Q, None),
        (P, BAD, P, None),
        (P, BLIND, P, None),
        (F, BAD, F, None),
        (F, OK, R, None),
        (F, BLIND, F, None),
        (R, BAD, F, None),
        (R, OK, Q, RESOLVED),
        (R, BLIND, R, None),
    ],
)
def test_every_transition(phase, state, then, moved):
    machine, end = machine_in(phase)
    assert machine.advance(state, end, SLOW) is moved
    assert machine.phase is then


def run(text: str, timing: Timing) -> str:
    """One letter a window: b bad, u bad and urgent, o good, ? unknown. Out: F, R or -."""
    machine = Machine()
    told = {None: "-", FIRED: "F", RESOLVED: "R"}
    states = {"b": BAD, "u": BAD, "o": OK, "?": BLIND}
    out = ""
    for n, letter in enumerate(text, 1):
        moved = machine.advance(states[letter], 60 * n, timing, urgent=letter == "u")
        out += told[moved]
    return out


def timing(hold: int = 0, keep: int = 0) -> Timing:
    return Timing(hold * 60, keep * 60, 60, 60)


@pytest.mark.parametrize(
    ("windows", "wait", "told"),
    [
        ("obbboo", timing(), "-F--R-"),
        # `for` of two windows: the third bad one in a row fires.
        ("obbbo", timing(hold=2), "---FR"),
        ("obbob", timing(hold=2), "-----"),
        ("ob?bo", timing(hold=2), "---FR"),
        # So gross that it does not wait.
        ("obu", timing(hold=5), "--F"),
        ("bo?bo", timing(), "FR-FR"),
        # `keep_firing_for`: three windows without a breach.
        ("boobooo", timing(keep=3), "F-----R"),
        # Unknown neither fires nor resolves.
        ("b???o", timing(), "F---R"),
    ],
)
def test_stories(windows, wait, told):
    assert run(windows, wait) == told


def test_flapping_is_damped_and_a_calm_time_forgives():
    # The first two rounds end at once, then it takes 2, 4, 8 good windows.
    assert run("bobobobo", timing()) == "FRFRF---"
    assert run("bobobooboooo", timing()) == "FRFRF-R" + "F---R"
    calm = "o" * 12
    assert run(f"bobobo{'o' * 4}{calm}bobo", timing()).endswith("FRFR")


def test_starts_at_is_the_newest_slice_of_the_first_bad_window():
    machine = Machine()
    machine.advance(BAD, 900, Timing(0, 0, size=900, slide=60))
    assert machine.starts_at == 840


def test_a_silence_starts_the_wait_anew():
    machine = Machine()
    assert machine.advance(BAD, 60, SLOW) is None
    assert machine.advance(BAD, 6_000, SLOW) is None
    assert machine.starts_at == 5_940
