"""The sample that falls by itself: within its bound, no further than needed, and back again."""

import pytest

from pipeline.labels.falling_sample import MOST_HALVINGS, Bound, SampleInForce, next_sample

MEMORY = 1_000_000
HOUR = 3_600_000
BOUND = Bound(bytes=MEMORY, keeps_for=60 * HOUR, width=12 * HOUR)
START = 20_000 * HOUR


class Stream:
    """A model's kept rows, by bucket, as time goes on; measured every `every` milliseconds."""

    def __init__(self, every=60_000, lives_for=BOUND.keeps_for - BOUND.width):
        self.every, self.time, self.lives_for = every, START, lives_for
        self.buckets, self.in_force, self.most, self.changes = {}, None, 0, []

    def run(self, hours, load):
        """Go on for so long; unsampled, `load` times the bound would be kept."""
        for _ in range(int(hours * HOUR / self.every)):
            self.time += self.every
            share = 1.0 if self.in_force is None else self.in_force.share(1.0)
            size = load * MEMORY * self.every / BOUND.keeps_for * share
            bucket = self.time // BOUND.width * BOUND.width
            self.buckets[bucket] = self.buckets.get(bucket, 0) + size
            oldest = self.time - self.lives_for
            self.buckets = {b: n for b, n in self.buckets.items() if b + BOUND.width > oldest}
            before = self.halvings
            self.in_force = next_sample(self.in_force, self.buckets, self.time, BOUND)
            if self.halvings != before:
                self.changes.append(self.halvings)
            self.most = max(self.most, self.held)

    @property
    def held(self):
        return sum(self.buckets.values())

    @property
    def halvings(self):
        return 0 if self.in_force is None else self.in_force.halvings


@pytest.mark.parametrize(
    ("load", "changes"),
    [(0.4, []), (0.9, []), (1.5, [1]), (3, [2, 3]), (10, [2, 4, 5])],
)
def test_a_steady_stream_stays_within_the_bound_and_falls_no_further_than_it_must(load, changes):
    stream = Stream()
    stream.run(300, load)
    assert stream.changes == changes
    assert MEMORY / 5 < stream.held <= stream.most <= MEMORY


@pytest.mark.parametrize("load", [100, 1_000])
def test_a_flood_stays_within_the_bound(load):
    stream = Stream(every=5_000)
    stream.run(30, load)
    assert MEMORY / 5 < stream.most <= MEMORY


@pytest.mark.parametrize("load", [0.9, 3, 100])
@pytest.mark.parametrize("times", [1.5, 20])
def test_the_bound_holds_where_rows_outlive_what_is_projected(load, times):
    # No label comes, or labels lag: their time lets nothing go.
    stream = Stream(lives_for=times * BOUND.keeps_for)
    stream.run(times * 60, load)
    assert MEMORY / 5 < stream.most <= MEMORY * 9 / 8


@pytest.mark.parametrize(("held", "halvings"), [(MEMORY, 0), (MEMORY + 1, 1)])
def test_above_the_bound_it_falls_however_little_comes(held, halvings):
    old = START // BOUND.width * BOUND.width - 5 * BOUND.width
    start = SampleInForce(0, START, 0)
    taken = {old: held - MEMORY // 32, START: MEMORY // 32}
    assert next_sample(start, taken, START + BOUND.width - 1, BOUND).halvings == halvings
    quiet = {old: held}
    assert next_sample(start, quiet, START + 2 * BOUND.width, BOUND).halvings == 0


def test_after_a_burst_the_sample_rises_again_step_by_step():
    stream = Stream()
    stream.run(100, 0.3)
    assert stream.changes == []
    stream.run(1, 100)
    assert stream.changes == [2, 4, 6]
    stream.run(300, 0.3)
    assert stream.changes == [2, 4, 6, 5, 4, 3, 2, 1, 0]
    assert stream.most <= MEMORY


def test_it_does_not_rise_while_what_is_held_or_would_be_held_is_much():
    start = SampleInForce(3, START, 0)
    end = START + BOUND.width
    rate = MEMORY / 4 / BOUND.keeps_for * BOUND.width
    bucket = START // BOUND.width * BOUND.width
    assert next_sample(start, {bucket: rate}, end, BOUND).halvings == 2
    assert next_sample(start, {bucket: rate * 1.01}, end, BOUND).halvings == 3
    old = bucket - BOUND.width
    full = {old: MEMORY / 2 + 1, bucket: 0}
    assert next_sample(start, full, end, BOUND).halvings == 3


def test_a_partition_that_lags_decides_nothing():
    now = SampleInForce(0, START, 0)
    assert next_sample(now, {START: 10 * MEMORY}, START - 1, BOUND) is now


def test_there_is_a_least_sample():
    now = SampleInForce(MOST_HALVINGS, START, 0)
    full = {START: 10 * MEMORY}
    assert next_sample(now, full, START + 1, BOUND).halvings == MOST_HALVINGS


@pytest.mark.parametrize("factor", [1, 2, 8])
def test_another_bound_falls_elsewhere(factor):
    taken = {START: MEMORY}
    bound = Bound(bytes=MEMORY * factor, keeps_for=BOUND.keeps_for, width=BOUND.width)
    now = next_sample(SampleInForce(0, START, 0), taken, START + HOUR, bound)
    assert now.halvings == {1: 2, 2: 2, 8: 0}[factor]
