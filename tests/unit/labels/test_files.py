"""Files of labels: what is read of them, row by row."""

import gzip

import pyarrow as pa
import pytest
from pyarrow import parquet

from inferwatch.errors import RejectedEventError, UsageError
from producers.label_files.check import checked_label
from producers.label_files.files import read_labels

NOW = 1_764_000_000_000


def labels(path, latest=NOW):
    """The labels of a file and the faults of its other rows."""
    good, bad = [], []
    for row in read_labels(path, lambda _: None):
        try:
            found = checked_label(row, latest=latest, event_bytes=1024 * 1024)
        except RejectedEventError as error:
            bad.append((row.place, error.reason, error.where))
        else:
            good.append((found.id, found.ts, found.label))
    return good, bad


def test_csv_is_text_as_written(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(
        "\ufefflabel,extra,id,ts\n"
        "1.10,x,0017,1764000000000\n"
        'late,"a,\nb",1582218195625938940,1764000000000.0\n'
        "true,,x, 5 \n"
        "\n"
        "late,,,5\n"
        ",,y,5\n"
        "late,,z,\n"
        "late,,z,soon\n"
        "late,,z,1764000000000.5\n"
        "late,,z,1764000000001\n"
        "late\n",
        encoding="utf-8",
    )
    good, bad = labels(path)
    assert good == [
        ("0017", NOW, "1.10"),
        ("1582218195625938940", NOW, "late"),
        ("x", 5, "true"),
    ]
    assert bad == [
        ("line 7", "malformed", "id"),
        ("line 8", "malformed", "label"),
        ("line 9", "no_ts", "ts"),
        ("line 10", "malformed", "ts"),
        ("line 11", "malformed", "ts"),
        ("line 12", "future", "ts"),
        ("line 13", "no_ts", "ts"),
    ]


def test_json_lines(tmp_path):
    path = tmp_path / "labels.jsonl"
    path.write_bytes(
        b'{"id": 18446744073709551617, "ts": 1, "label": 1.0}\n'
        b'{"id": "a", "ts": 2, "label": false, "more": NaN}\r\n'
        b"\n"
        b"{nope\n"
        b"[1]\n"
        b'{"id": "a", "ts": 2}\n'
    )
    good, bad = labels(path)
    assert good == [("18446744073709551617", 1, "1"), ("a", 2, "false")]
    assert bad == [
        ("line 4", "malformed", ""),
        ("line 5", "malformed", ""),
        ("line 6", "malformed", "label"),
    ]


def test_packed_files(tmp_path):
    for name, text in (
        ("a.csv.gz", "id,ts,label\na,1,x\n"),
        ("a.jsonl.gz", '{"id":"a","ts":1,"label":"x"}'),
    ):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()))
        assert labels(path) == ([("a", 1, "x")], [])


def test_parquet(tmp_path):
    path = tmp_path / "labels.parquet"
    table = {
        "label": pa.array([1.0, 2.5, None]),
        "other": pa.array(["x"] * 3),
        "id": pa.array([17, 1582218195625938940, 3]),
        "ts": pa.array([NOW * 1000 + 999] * 3, pa.timestamp("us")),
    }
    parquet.write_table(pa.table(table), path)
    assert labels(path) == (
        [("17", NOW, "1"), ("1582218195625938940", NOW, "2.5")],
        [("row 3", "malformed", "label")],
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"id,label\n", "names no column ts"),
        ("a.csv", b"", "names no column id and no ts and no label"),
        ("a.csv", b"id,ts,label\n\xff,1,x\n", "no UTF-8"),
        ("a.csv", b'id,ts,label\n"a,1,x\n', "no CSV"),
        ("a.csv.gz", b"id,ts,label\n", "cannot be unpacked"),
        ("a.jsonl.gz", gzip.compress(b"{}" * 9999)[:30], "cannot be unpacked"),
        ("a.parquet", b"id,ts,label\n", "no Parquet"),
        ("a.txt", b"", "told by its ending"),
        ("labels", b"", "told by its ending"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        labels(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_absent_file(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        labels(tmp_path / "labels.csv")


def test_progress_ends_at_the_size_of_the_file(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,ts,label\n" + "a,1,x\n" * 10_000)
    seen = []
    assert sum(1 for _ in read_labels(path, seen.append)) == 10_000
    assert seen == sorted(seen)
    assert seen[-1] == path.stat().st_size


def test_a_label_as_large_as_an_event_is_refused(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,ts,label\n" + "a" * 300_000 + ",1,x\n")
    assert labels(path) == ([], [("line 2", "oversized", "")])
