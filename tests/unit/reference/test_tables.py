from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from inferwatch.errors import UsageError
from inferwatch.events.reference import ReferenceProfile
from pipeline.columns import Column
from pipeline.reference.builder import BuildSpec, build
from pipeline.reference.tables import read_tables


def values(column: Column) -> list[object]:
    found: list[object] = [None] * column.size
    for row in range(column.size):
        if column.numbers is not None and (column.is_number is None or column.is_number[row]):
            found[row] = float(column.numbers[row])
        elif column.codes is not None and column.codes[row] >= 0:
            found[row] = column.texts[column.codes[row]]
        elif column.odd is not None and column.odd[row]:
            found[row] = "odd"
    return found


def read(path: Path) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for part in read_tables([path]):
        for name, column in part.items():
            found.setdefault(name, []).extend(values(column))
    return found


def test_csv_of_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(
        b"\xef\xbb\xbfversion,id,amount,mixed,country\r\n"
        b'1.10,007,1.5,3,"C\xc3\xb4te, ""CI""\nWest"\r\n'
        b"1.10,1582218195625938940,,n/a,DE\r\n1.10,8,nan,-Infinity,\r\n"
    )
    found = read(path)
    assert found["version"] == ["1.10"] * 3
    assert found["id"] == ["007", "1582218195625938940", "8"]
    assert found["amount"][:2] == [1.5, None] and math.isnan(found["amount"][2])  # type: ignore[arg-type]
    assert found["mixed"] == [3.0, "n/a", -math.inf]
    assert found["country"] == ['Côte, "CI"\nWest', "DE", None]


def test_a_number_in_a_csv_is_what_looks_like_one(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    cells = ["1e3", "+2", ".5", "5.", "1_000", "0x10", "1,5", "١", "true", "1e400", "-0"]
    path.write_text("x\n" + "\n".join(f'"{cell}"' for cell in cells) + "\n")
    assert read(path)["x"] == [
        1e3,
        2.0,
        0.5,
        5.0,
        "1_000",
        "0x10",
        "1,5",
        "١",
        "true",
        math.inf,
        0.0,
    ]


def test_all_formats_give_the_same_profile(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"amount": round(float(x), 6), "country": None if i % 7 == 0 else "DE", "label": i % 2}
        for i, x in enumerate(rng.normal(size=500))
    ]
    table = pa.Table.from_pylist(rows)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    pq.write_table(table, tmp_path / "a.parquet")
    with pa.ipc.new_file(tmp_path / "b.arrow", table.schema) as writer:
        writer.write_table(table)
    with pa.ipc.new_stream(tmp_path / "c.arrow", table.schema) as stream:
        stream.write_table(table)
    (tmp_path / "d.jsonl").write_text("\ufeff" + lines.replace("\n", "\n\n", 3))
    (tmp_path / "e.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "f.jsonl.zst").write_bytes(zstandard.compress(lines.encode()))
    csv = "features.amount,country,label\n" + "".join(
        f"{row['amount']},{row['country'] or ''},{row['label']}\n" for row in rows
    )
    (tmp_path / "g.csv").write_text(csv)
    profiles: dict[str, ReferenceProfile] = {
        path.name: build(lambda path=path: read_tables([path]), BuildSpec())  # type: ignore[misc]
        for path in sorted(tmp_path.iterdir())
    }
    assert len(profiles) == 7
    assert len({profile.fingerprint for profile in profiles.values()}) == 1, {
        name: profile.fingerprint for name, profile in profiles.items()
    }


def test_nested_objects_and_events(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    event = {"ts": 5, "features": {"geo": {"lat": 1}}, "scores": {"a": 0.5}, "prediction": "a"}
    path.write_text(json.dumps(event))
    assert set(read(path)) == {"ts", "features.geo.lat", "scores.a", "prediction"}
    struct = tmp_path / "events.parquet"
    pq.write_table(pa.Table.from_pylist([event]), struct)
    assert set(read(struct)) == {"ts", "features.geo.lat", "scores.a", "prediction"}


def test_progress_reaches_the_size_of_the_files(tmp_path: Path) -> None:
    paths = []
    for name in "ab":
        paths.append(tmp_path / f"{name}.csv")
        paths[-1].write_text("x\n1\n2\n")
    told: list[int] = []
    assert len(list(read_tables(paths, told.append))) == 2
    assert told[-1] == sum(path.stat().st_size for path in paths) and told == sorted(told)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("absent.csv", None, "there is no such file"),
        ("data.xlsx", b"", "the extension names no format"),
        ("empty.csv", b"", "the file is empty"),
        ("twice.csv", b"a,a\n1,2\n", "columns a stand in the first line twice"),
        ("ragged.csv", b"a,b\n1,2\n3\n", "cannot be read"),
        ("not.parquet", b"PAR0", "cannot be read"),
        ("list.jsonl", b'{"a": 1}\n[1]\n', r":2: a JSON object is wanted"),
        ("broken.jsonl", b'{"a": 1}\n\n{"a"\n', r":3: malformed"),
        ("cut.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 9999)[:30], "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=said) as error:
        list(read_tables([path]))
    assert str(path) in str(error.value) and "\n" not in str(error.value)
