"""The numbers of partitions, kept over restarts."""

import pytest

from inferwatch.events.kinds import Kind
from producers.spool.partitions import recall, remember


def test_what_was_written_last_counts(tmp_path):
    assert recall(tmp_path) == {}
    remember(tmp_path, {Kind.LABEL: 4})
    remember(tmp_path, {Kind.LABEL: 8, Kind.LATENCY: 2})
    assert recall(tmp_path) == {Kind.LABEL: 8, Kind.LATENCY: 2}
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"label": "4"}', '{"label": 0}', '{"x": 1}'])
def test_what_makes_no_sense_is_nothing(tmp_path, text):
    (tmp_path / "partitions.json").write_text(text)
    assert recall(tmp_path) == {}
