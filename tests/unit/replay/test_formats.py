"""The same rows from any file are the same windows."""

import gzip
import json
import random

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import zstandard

from inferwatch.errors import UsageError

START = 1_764_000_000_000


def table(rows=300):
    rnd = random.Random(2)
    columns = {
        "id": [f"i{n}" for n in range(rows)],
        "model": ["shop"] * rows,
        "version": ["1.10"] * rows,
        "ts": [START + n * 700 for n in range(rows)],
        "prediction": [rnd.choice(["yes", "no"]) for _ in range(rows)],
        "scores.yes": [rnd.random() for _ in range(rows)],
        "amount": [None if rnd.random() < 0.1 else rnd.gauss(0, 1) for _ in range(rows)],
        "features.country": [rnd.choice(["DE", "FR", None]) for _ in range(rows)],
        "segment.region": [rnd.choice(["eu", "us"]) for _ in range(rows)],
    }
    columns["amount"][7:8] = [float("inf")][:rows]
    texts = dict.fromkeys(columns.keys() - {"ts", "scores.yes", "amount"}, pa.string())
    types = {**texts, "ts": pa.int64(), "scores.yes": pa.float64(), "amount": pa.float64()}
    return pa.table(columns, pa.schema([(name, types[name]) for name in columns]))


def events(tab):
    found = []
    for row in tab.to_pylist():
        event = {k: row[k] for k in ("id", "model", "version", "ts", "prediction")}
        event["scores"] = {"yes": row["scores.yes"]}
        event["features"] = {"amount": row["amount"], "country": row["features.country"]}
        event["segment"] = {"region": row["segment.region"]}
        found.append(event)
    return found


def write(tab, path):
    name = path.name
    if name.endswith(".parquet"):
        pq.write_table(tab, path)
    elif name.endswith(".csv"):
        pa.csv.write_csv(tab, path)
    elif name.endswith("stream.arrow"):
        with pa.ipc.new_stream(path, tab.schema) as sink:
            sink.write_table(tab, max_chunksize=64)
    elif name.endswith(".arrow"):
        with pa.ipc.new_file(path, tab.schema) as sink:
            sink.write_table(tab)
    else:
        data = "".join(json.dumps(event) + "\n" for event in events(tab)).encode()
        if name.endswith(".gz"):
            data = gzip.compress(data)
        if name.endswith(".zst"):
            data = zstandard.compress(data)
        path.write_bytes(data)
    return path


NAMES = ["p.parquet", "p.csv", "p.arrow", "stream.arrow", "p.jsonl", "p.jsonl.gz", "p.jsonl.zst"]


def test_every_format_gives_the_same_windows(replayed, tmp_path):
    tab = table()
    labels = [
        {"id": f"i{n}", "ts": START + n * 700 + 5_000, "label": "yes" if n % 3 else "no"}
        for n in range(300)
    ]
    lines = {name: replayed(write(tab, tmp_path / name), labels=labels).lines for name in NAMES}
    assert len(lines["p.csv"].splitlines()) == 4
    assert set(lines.values()) == {lines["p.jsonl"]}


def test_a_struct_is_an_object(replayed, tmp_path):
    rows = [
        {"model": "shop", "version": "1.10", "ts": START, "prediction": "yes",
         "features": {"amount": 1.5, "deep": {"er": 2.0}}, "scores": {"yes": 0.5}},
    ]  # fmt: skip
    path = write(pa.Table.from_pylist(rows), tmp_path / "p.parquet")
    assert replayed(path).lines == replayed(rows).lines


@pytest.mark.parametrize("name", ["p.parquet", "p.csv", "p.jsonl"])
def test_sorted_by_time_nothing_is_late(replayed, tmp_path, name):
    tab = table()
    shuffled = tab.take(random.Random(3).sample(range(300), 300))
    path = write(shuffled, tmp_path / name)
    assert replayed(path).plain["too_late"]
    assert replayed(path, by_time=True).lines == replayed(events(tab)).lines


def test_received_and_numbers_may_be_columns(replayed, tmp_path):
    tab = pa.table(
        {
            "model": ["shop"] * 5,
            "ts": [START + 1000 * n for n in range(5)],
            "prediction": ["yes"] * 5,
            "origin": ["s", "s", "s", "t", None],
            "seq": [0, 0, 2, 0, None],
            "received": [START + 1000, None, START, START + 3000, START + 4000],
        }
    )
    for name in ("p.parquet", "p.csv"):
        plain = replayed(write(tab, tmp_path / name)).plain
        assert (plain["rows"], plain["duplicates"], plain["lost"]) == (4, 1, 1)
    early = tab.set_column(5, "received", pa.array([START - 400_000] * 5))
    plain = replayed(write(early, tmp_path / "p.parquet")).plain
    assert plain["deadletter"] == {"future": 5}


def test_bad_rows_are_dead_letters_by_reason(replayed, tmp_path):
    (tmp_path / "p.csv").write_text(
        "model,ts,prediction,amount\n"
        f"shop,{START},yes,1\n"
        f",{START},yes,1\n"
        "shop,,yes,1\n"
        "shop,noon,yes,1\n"
        f"shop,{START},,1\n"
        f"shop,{START},yes\n"
        f"shop,{START},yes,1,2\n"
        f"shop,{START}.0,yes,x\n"
    )
    plain = replayed(tmp_path / "p.csv").plain
    assert plain["deadletter"] == {
        "malformed": 3,
        "no_model": 1,
        "no_prediction": 1,
        "no_ts": 1,
    }
    assert plain["rows"] == 2


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("p.txt", b"", "names no format"),
        ("p.parquet.gz", b"", "names no format"),
        ("p.parquet", b"PAR1 no", "cannot be read"),
        ("p.jsonl.gz", b"no gzip", "cannot be read"),
        ("p.csv", b"", "is empty"),
        (None, b"", "no such file"),
    ],
)
def test_what_cannot_be_read_is_said(replayed, tmp_path, name, content, said):
    path = tmp_path / (name or "absent.jsonl")
    if name:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        replayed(path)


def test_classes_of_csv_files_are_as_written_but_one_is_one(replayed, tmp_path):
    """A tool that knows no missing whole number writes 1 as 1.0; versions are no numbers."""
    (tmp_path / "p.csv").write_text(
        "id,model,version,ts,prediction\n"
        + "".join(f"i{n},shop,1.10,{START + n},{c}\n" for n, c in enumerate(("1", "1.0", "007")))
    )
    (tmp_path / "l.csv").write_text(f"id,ts,label\ni0,{START},1.0\ni1,{START},1\ni2,{START},007\n")
    window = replayed(tmp_path / "p.csv", labels=tmp_path / "l.csv").window(version="1.10")
    assert window["quality"]["confusion"] == {"1": {"1": 2}, "007": {"007": 1}}


def test_values_of_csv_files_are_numbers(replayed, tmp_path):
    config = """
defaults: {windows: [1m], reference: {learn: "off"}}
models: [{name: price, task: regression}]
"""
    (tmp_path / "p.csv").write_text(
        f"id,model,ts,prediction\ni0,price,{START},1.50\ni1,price,{START},2.0\n"
    )
    (tmp_path / "l.csv").write_text(f"id,ts,label\ni0,{START},1.0\ni1,{START},2\n")
    window = replayed(tmp_path / "p.csv", config, labels=tmp_path / "l.csv").window()
    assert window["quality"]["mae"] == 0.25
    assert window["prediction"]["mean"] == 1.75


@pytest.mark.parametrize("name", ["p.parquet", "p.csv", "p.arrow", "stream.arrow"])
def test_a_table_without_rows_is_no_mistake(replayed, tmp_path, name):
    assert replayed(write(table(0), tmp_path / name)).plain["rows"] == 0


def test_the_index_of_pandas_is_no_feature(replayed, tmp_path):
    frame = table(9).to_pandas().sample(frac=1, random_state=1)
    frame.to_parquet(tmp_path / "p.parquet")
    assert "__index_level_0__" in pq.read_schema(tmp_path / "p.parquet").names
    for window in replayed(tmp_path / "p.parquet").windows:
        assert list(window["features"]) == ["amount", "country"]
