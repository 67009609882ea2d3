"""Records of one input topic to rows and dead letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from inferwatch.errors import RejectedEventError
from inferwatch.events.dead_letters import DeadLetters, Keep
from inferwatch.events.deadletter import DeadLetter
from inferwatch.events.encoding import Encoding, encoding_of
from inferwatch.events.json_event import cloud_event, json_event
from inferwatch.events.kinds import Kind
from pipeline.decode.arrow_chunks import ArrowChunks
from pipeline.decode.decoded import Chunk, Decoded
from pipeline.decode.json_chunks import JsonChunks
from pipeline.decode.kind_readers import READERS
from pipeline.decode.record import RawRecord, sender_of


class Limits(Protocol):
    """The limits of the config that decoding needs."""

    @property
    def event_bytes(self) -> int:
        """The largest value of a record, in bytes."""

    @property
    def future(self) -> int:
        """How far `ts` may lie ahead of the record's own timestamp, in milliseconds."""


class Decoder:
    """Decodes records of one kind; nothing that a record holds makes it raise.

    Guarantee: each row of each record is in exactly one chunk or is one dead letter; a record that
    cannot be read at all is one dead letter. Deterministic, but for the dead letters' `at`.
    Cost (benchmarks/decode.py prints it): about 0.25 µs a row of 20 features in batches of 1,024
    rows, 8 to 11 µs a single JSON event.

    >>> from types import SimpleNamespace
    >>> limits = SimpleNamespace(event_bytes=1_048_576, future=300_000)
    >>> decoder = Decoder(Kind.LABEL, limits, clock=lambda: 0)
    >>> good = RawRecord("t", 0, 7, 0, None, b'{"id": 17, "ts": 5, "label": true}')
    >>> bad = RawRecord("t", 0, 8, 0, None, b'{"id": 17, "ts": 5}')
    >>> decoded = decoder.decode([good, bad])
    >>> decoded.chunks[0].rows.ids, decoded.chunks[0].rows.texts, decoded.chunks[0].offset
    (('17',), ('true',), array([7]))
    >>> [(letter.offset, letter.reason, letter.where) for letter in decoded.rejected]
    [(8, 'malformed', 'label')]
    """

    def __init__(
        self, kind: Kind, limits: Limits, *, clock: Callable[[], int], keep: Keep = "full"
    ) -> None:
        """A decoder for one input topic.

        Args:
            kind: what the topic carries.
            limits: `event_bytes` and `future`.
            clock: milliseconds since the epoch, for the dead letters' `at`.
            keep: `deadletter.keep`.
        """
        self._reader = READERS[kind]
        self._limits = limits
        self._letters = DeadLetters(keep, clock)

    def decode(self, records: Sequence[RawRecord]) -> Decoded:
        """All rows of these records, which are in the order of the log within each partition."""
        events = JsonChunks(self._reader, self._limits.future)
        batches = ArrowChunks(
            self._reader,
            self._letters,
            event_bytes=self._limits.event_bytes,
            future=self._limits.future,
        )
        rejected: list[DeadLetter] = []
        for record in records:
            try:
                self._add(record, events, batches)
            except RejectedEventError as error:
                rejected.append(self._letters.letter(record, error))
        chunks, letters = batches.finish()
        chunks += events.finish()
        rejected += letters
        chunks.sort(key=_place)
        rejected.sort(key=lambda letter: (letter.partition, letter.offset, letter.row or 0))
        return Decoded(chunks, rejected)

    def _add(self, record: RawRecord, events: JsonChunks, batches: ArrowChunks) -> None:
        value = record.value or b""
        sender = sender_of(record.headers)
        encoding = None
        try:
            if not value:
                raise RejectedEventError("malformed", "", "the record is empty")
            if len(value) > self._limits.event_bytes:
                encoding = _likely_encoding(record, value)
                raise RejectedEventError(
                    "oversized",
                    "",
                    f"{len(value)} bytes; limits.event_bytes is {self._limits.event_bytes}",
                )
            encoding = encoding_of(record.headers, value)
            if encoding is Encoding.ARROW:
                batches.add(record, sender, value)
            elif encoding is Encoding.CLOUDEVENT:
                events.add(record, sender, cloud_event(value))
            else:
                events.add(record, sender, json_event(value))
        except RejectedEventError:
            # How many rows a batch held that cannot be read nobody knows; a JSON event is one.
            if encoding in (Encoding.JSON, Encoding.CLOUDEVENT):
                events.burn(record, sender)
            raise


def _likely_encoding(record: RawRecord, value: bytes) -> Encoding | None:
    try:
        return encoding_of(record.headers, value)
    except RejectedEventError:
        return None


def _place(chunk: Chunk) -> tuple[int, int, int]:
    if not chunk.rows.size:
        return chunk.partition, -1, 0
    return chunk.partition, int(chunk.offset[0]), int(chunk.row[0])
