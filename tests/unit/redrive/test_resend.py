"""What is sent for a dead letter, and what cannot be."""

import dataclasses
import json

import pytest
from decoding import NOW, decoder, stream

from inferwatch.events.deadletter import MAX_KEPT_HEADERS, DeadLetter
from inferwatch.events.json_codec import dumps, from_plain
from inferwatch.events.kinds import ARROW_STREAM
from inferwatch.redrive.plan import Plan
from inferwatch.redrive.resend import NotWhole, Resend, resend_of
from pipeline.decode import RawRecord

TOPIC = "inference.predictions"
PARTITIONS = {TOPIC: 4}
VALUE = b'{"model": "m", "ts": "soon", "prediction": "a"}'
HEADERS = (("origin", b"pod-1"), ("seq", b"41"), ("x-team", b"\xff"), ("x-none", None))


def letter_of(value=VALUE, headers=HEADERS, keep="full", **limits):
    sent = RawRecord(TOPIC, 3, 42, NOW, b"key", value, headers)
    (letter, *_) = decoder(keep=keep, **limits).decode([sent]).rejected
    return from_plain(DeadLetter, json.loads(dumps(letter)))


def test_key_and_headers_are_kept_and_the_senders_numbers_are_not():
    resend = resend_of(letter_of(), PARTITIONS)
    assert isinstance(resend, Resend)
    assert (resend.topic, resend.partition, resend.key, resend.value) == (TOPIC, 3, b"key", VALUE)
    assert resend.headers == (
        ("x-team", b"\xff"),
        ("x-none", None),
        ("redriven", b"inference.predictions/3/42"),
    )
    assert not resend.is_batch


def test_a_row_of_a_batch_is_sent_as_the_event_that_it_stands_for():
    batch = stream(
        {
            "model": ["m", "m"],
            "ts": [NOW, None],
            "prediction": ["a", "b"],
            "features.amount": [1.0, float("nan")],
        }
    )
    headers = (("content-type", ARROW_STREAM.encode()), ("origin", b"pod-1"), ("seq", b"0"))
    letter = letter_of(batch, headers)
    resend = resend_of(letter, PARTITIONS)
    assert isinstance(resend, Resend)
    assert (resend.id, resend.is_batch) == ("inference.predictions/3/42/1", False)
    assert dict(resend.headers)["content-type"] == b"application/json"
    mended = resend.value.replace(b'"ts": null', f'"ts": {NOW}'.encode())
    again = RawRecord(TOPIC, 3, 50, NOW, resend.key, mended, resend.headers)
    (chunk,) = decoder().decode([again]).chunks
    assert chunk.rows.size == 1
    assert list(chunk.rows.features) == ["amount"]


def test_a_whole_batch_is_known_as_one():
    headers = (("content-type", b"Application/vnd.apache.arrow.stream; v=1"),)
    resend = resend_of(letter_of(b"no batch", headers), PARTITIONS)
    assert isinstance(resend, Resend) and resend.is_batch


def test_a_whole_batch_tells_whose_numbers_it_takes_up():
    arrow = ("content-type", ARROW_STREAM.encode())
    sent = resend_of(letter_of(b"no batch", (arrow, *HEADERS[:2])), PARTITIONS)
    filling = (("redriven-origin", b"pod-1"), ("redriven-seq", b"41"))
    assert set(filling) < set(sent.headers)
    # Rejected and sent again once more it says the same, and not its own new numbers.
    numbered = (*sent.headers, ("origin", b"me/0"), ("seq", b"0"), ("sparse", b"1"))
    again = resend_of(letter_of(b"no batch", numbered), PARTITIONS)
    assert [h for h in again.headers if h[0].startswith("redriven-")] == list(filling)
    sparse = resend_of(letter_of(b"", (arrow, *HEADERS[:2], ("sparse", b"1"))), PARTITIONS)
    assert not set(filling) & set(sparse.headers)


BIG = b'"' + b"x" * 70_000 + b'"'
TOO_MANY = (("trace", b"x" * MAX_KEPT_HEADERS),)


@pytest.mark.parametrize(
    ("letter", "why"),
    [
        (letter_of(keep="hash"), NotWhole.NOT_KEPT),
        (letter_of(keep="none"), NotWhole.NOT_KEPT),
        (letter_of(BIG), NotWhole.CUT),
        (letter_of(headers=TOO_MANY), NotWhole.NO_HEADERS),
        (dataclasses.replace(letter_of(), data="e30=", length=2), NotWhole.DAMAGED),
        (dataclasses.replace(letter_of(), data="no base64"), NotWhole.DAMAGED),
        (dataclasses.replace(letter_of(), topic="payments"), NotWhole.FOREIGN),
        (dataclasses.replace(letter_of(), partition=4), NotWhole.NO_PARTITION),
        (dataclasses.replace(letter_of(), partition=-1), NotWhole.NO_PARTITION),
    ],
)
def test_what_cannot_be_sent_whole_is_not(letter, why):
    assert resend_of(letter, PARTITIONS) is why


def test_neither_key_nor_headers_are_kept_unless_all_is():
    assert letter_of(keep="hash").key is None
    assert letter_of(keep="hash").headers is None
    assert letter_of(headers=TOO_MANY).key is None


def test_a_letter_of_an_earlier_version_has_no_headers():
    plain = json.loads(dumps(letter_of()))
    del plain["key"], plain["headers"]
    assert resend_of(from_plain(DeadLetter, plain), PARTITIONS) is NotWhole.NO_HEADERS


def resends(*names, is_batch=False):
    return {n: Resend(n, TOPIC, int(n.split("/")[1]), None, b"{}", (), is_batch) for n in names}


def test_numbers_count_by_partition_and_do_not_move_when_a_letter_is_gone():
    plan = Plan("me", ("t/0/5", "t/1/5", "t/0/6/0", "t/0/6/1"))
    whole = resends(*plan.letters)
    assert [dict(n)["seq"] for _, n in plan.numbered(whole)] == [b"0", b"0", b"1", b"2"]
    del whole["t/0/6/0"]
    assert [dict(n)["seq"] for _, n in plan.numbered(whole)] == [b"0", b"0", b"2"]


def test_each_whole_batch_is_a_sender_of_its_own():
    plan = Plan("me", ("t/0/5", "t/0/6"), is_batches=True)
    numbered = [dict(n) for _, n in plan.numbered(resends(*plan.letters, is_batch=True))]
    assert [n["origin"] for n in numbered] == [b"me/0", b"me/1"]
    assert all(n["sparse"] == b"1" and n["seq"] == b"0" for n in numbered)
