"""What a lane remembers stays small, and never forgets what still fires."""

import json

from alert_story import BEGIN, alert_event

from consumers.notifier.lane import (
    HEARD_COUNT,
    HEARD_MS,
    Address,
    Lane,
    lane_from_json,
    lane_to_json,
)
from consumers.notifier.stages.record import record_sent
from consumers.notifier.transition import Transition, transition_from_json

ADDRESS = Address("{}", "ops", "console", 0, {})


def transition(incident: str, status: str = "firing") -> Transition:
    return transition_from_json(json.dumps(alert_event(incident, status)).encode())


def test_a_busy_lane_stays_small():
    lane = Lane(ADDRESS, {"open": transition("open")})
    lane = record_sent(lane, [transition("open")], [], BEGIN)
    for n in range(HEARD_COUNT + 50):
        lane = record_sent(lane, [transition(f"i{n}", "resolved")], [], BEGIN + n)
    assert lane.told is not None
    assert len(lane.told.heard) <= HEARD_COUNT + 2
    assert lane.told.knows("open")
    assert lane.told.knows(f"i{HEARD_COUNT + 49}")
    assert not lane.told.knows("i0")


def test_what_is_over_is_forgotten_after_a_week_and_what_fires_is_not():
    lane = Lane(ADDRESS, {"open": transition("open")})
    lane = record_sent(lane, [transition("open"), transition("old", "resolved")], [], BEGIN)
    lane = record_sent(lane, [], [], BEGIN + HEARD_MS + 1)
    assert lane.told is not None
    assert lane.told.knows("open")
    assert not lane.told.knows("old")


def test_a_lane_comes_back_from_json_as_it_was():
    lane = record_sent(Lane(ADDRESS, {"a": transition("a")}), [transition("a")], [], BEGIN)
    assert lane_from_json(lane_to_json(lane)) == lane
