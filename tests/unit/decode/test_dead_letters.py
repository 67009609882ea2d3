"""What a dead letter holds, by `deadletter.keep`."""

from __future__ import annotations

import base64
import hashlib

import pytest
from decoding import AT, NOW, decoder, record

from pipeline.decode import RawRecord

VALUE = b'{"model": "m", "ts": "soon", "prediction": "a"}'


@pytest.mark.parametrize(
    ("keep", "digest", "data"),
    [
        ("full", hashlib.sha256(VALUE).hexdigest(), VALUE),
        ("hash", hashlib.sha256(VALUE).hexdigest(), None),
        ("none", None, None),
    ],
)
def test_what_is_kept(keep: str, digest: str | None, data: bytes | None) -> None:
    bad = RawRecord("eu.inference.predictions", 3, 42, NOW, b"key", VALUE)
    (letter,) = decoder(keep=keep).decode([bad]).rejected
    assert (letter.topic, letter.partition, letter.offset) == ("eu.inference.predictions", 3, 42)
    assert (letter.row, letter.at, letter.length) == (None, AT, len(VALUE))
    assert letter.sha256 == digest
    assert (None if letter.data is None else base64.b64decode(letter.data)) == data


def test_at_most_64_KiB_are_kept_and_all_of_it_is_hashed() -> None:
    value = bytes(range(256)) * 1000
    (letter,) = decoder().decode([record(value)]).rejected
    assert base64.b64decode(letter.data or "") == value[: 64 * 1024]
    assert letter.length == len(value)
    assert letter.sha256 == hashlib.sha256(value).hexdigest()


def test_dead_letters_are_in_the_order_of_the_log() -> None:
    sent = [record(b"{", offset=i) for i in (5, 6, 7)]
    assert [letter.offset for letter in decoder().decode(sent).rejected] == [5, 6, 7]
