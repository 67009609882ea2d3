"""What JSON may look like, and what makes it malformed."""

from __future__ import annotations

import json

import pytest
from decoding import NOW, decoder, reasons, record, rows

from inferwatch.errors import RejectedEventError
from inferwatch.events.json_parse import parse_exactly, parse_json
from pipeline.columns import PredictionRows
from pipeline.decode import Decoded

START = f'{{"model":"m","ts":{NOW},"prediction":"a",'


def decode(rest: str | bytes) -> Decoded:
    tail = rest if isinstance(rest, bytes) else rest.encode()
    return decoder().decode([record(START.encode() + tail + b"}")])


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("NaN", "nan"),
        ("Infinity", "inf"),
        ("-Infinity", "-inf"),
        ("1e400", "inf"),
        ("-1e400", "-inf"),
        ("1" * 400, "inf"),
        ("-" + "1" * 9000, "-inf"),
        ("18446744073709551617", "1.8446744073709552e+19"),
        ("9007199254740993", "9007199254740992.0"),
        ("1000000000000000000000000000000", "1e+30"),
        ("-0.0", "-0.0"),
        ("5e-324", "5e-324"),
    ],
)
def test_numbers_at_the_limits(word: str, value: str) -> None:
    (row,) = rows(decode(f'"features":{{"n":{word}}}'))
    assert row["features.n"] == value


def test_of_a_key_given_twice_the_last_counts() -> None:
    for tail in ('"features":{"a":1,"a":2}', '"features":{"a":NaN,"a":2}'):
        assert rows(decode(tail))[0]["features.a"] == "2.0"
    assert rows(decode('"prediction":"b"'))[0]["prediction"] == "'b'"


@pytest.mark.parametrize("half", ["\\ud83d", "\\udf78", "\\ud83dx", "\\ud83d\\ud83d"])
@pytest.mark.parametrize("place", ['"features":{"a":"%s"}', '"features":{"%s":1}', '"x":"%s"'])
def test_half_a_surrogate_pair_is_malformed(half: str, place: str) -> None:
    assert reasons(decode(place % half)) == [("malformed", "")]


@pytest.mark.parametrize("text", ["\U0001f378", "café", "café", "\u0000", "\u202eabc", "  a "])
def test_every_other_text_is_kept_as_sent(text: str) -> None:
    for spelled in (json.dumps(text), json.dumps(text, ensure_ascii=True)):
        for extra in ("", ',"n":NaN'):  # through both parsers
            decoded = decode(f'"features":{{"a":{spelled}{extra}}}')
            assert rows(decoded)[0]["features.a"] == f"'{text}'"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"[{}]",
        b'"text"',
        b"17",
        b"nan",
        b"not json",
        b"\x00\x01",
        b"\xff\xfe{\x00}\x00",
        b'{"model":"\xff"}',
        b'{"model":"m",}',
        b'{"a":"\x01"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":' * 3_000 + b"1" + b"}" * 3_000,
    ],
)
def test_malformed(value: bytes) -> None:
    assert reasons(decoder().decode([record(value)])) == [("malformed", "")]


def test_a_tombstone_is_malformed() -> None:
    assert reasons(decoder().decode([record(None)])) == [("malformed", "")]


def test_a_byte_order_mark_and_white_space_are_passed_over() -> None:
    event = START.encode() + b'"id":"a"}'
    for value in (b"\xef\xbb\xbf" + event, b" \r\n\t" + event):
        assert rows(decoder().decode([record(value)]))[0]["id"] == "a"


def test_both_parsers_agree_on_strict_json() -> None:
    for text in ('{"a": [1, -2.5e3, "x\\u00e9", true, null, {"b": ""}]}', "0", "[]"):
        assert parse_json(text.encode()) == parse_exactly(text.encode()) == json.loads(text)


def test_messages_never_quote_the_content() -> None:
    for value in (b'{"secret": nope}', b'"secret', b'{"a": "\\ud800 secret"}'):
        with pytest.raises(RejectedEventError) as caught:
            parse_json(value)
        assert "secret" not in str(caught.value)


def test_names_that_would_fill_the_memory_are_malformed() -> None:
    wide: dict[str, object] = {f"{i}": 1 for i in range(1000)}
    for _ in range(100):
        wide = {"k" * 1000: wide}
    assert [why for why, _ in reasons(decode(f'"features":{json.dumps(wide)}'))] == ["malformed"]


def test_objects_may_be_nested_deeply() -> None:
    deep: dict[str, object] = {"x": 1}
    for _ in range(500):
        deep = {"k": deep}
    name = "features." + "k." * 500 + "x"
    assert rows(decode(f'"features":{json.dumps(deep)}'))[0][name] == "1.0"


def test_events_with_no_name_in_common_make_no_huge_table() -> None:
    records = []
    for i in range(200):
        features = json.dumps({f"{i}.{j}": 1 for j in range(400)})
        records.append(record(f'{START}"features":{features}}}'.encode(), offset=i))
    chunks = decoder().decode(records).chunks
    assert sum(chunk.rows.size for chunk in chunks) == 200
    sizes = [
        chunk.rows.size * len(chunk.rows.features)
        for chunk in chunks
        if isinstance(chunk.rows, PredictionRows)
    ]
    assert max(sizes) <= 1_000_000
