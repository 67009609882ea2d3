"""Which records are sent again, under which numbers: written down before the first of them goes.

A plan is a record of `monitoring.state`, key `redrive/ORIGIN`: a format number (one byte) and JSON,
`{"letters": [id, …], "batches": false}`. The place of a letter in the plan gives its number. So
what was broken off is sent again under the numbers that it had, and the fold counts each once.
`redrive/ORIGIN/done` says that the broker has them all.

All of them lie in partition 0: their order in the log says who asked for a letter first, when two
people redrive at once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from inferwatch.errors import StateFormatError
from inferwatch.events.kinds import ORIGIN, SEQ, SPARSE
from inferwatch.redrive.resend import Header, Resend

KEY = "redrive/"
DONE = "/done"
FORMAT = 1
MAX_LETTERS = 1_000
"""Letters of one plan; more make several."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Letters to send under one origin, in the order of their numbers.

    Attributes:
        origin: the sender of these records and of no others.
        letters: their ids.
        is_batches: each is a whole columnar batch. How many numbers one takes nobody knows, so
            each is a sender of its own, whose holes mean nothing.
    """

    origin: str
    letters: tuple[str, ...]
    is_batches: bool = False

    @property
    def key(self) -> str:
        """The key of its record."""
        return KEY + self.origin

    def pack(self) -> bytes:
        """The value of its record.

        >>> Plan.unpack("redrive/me-1", Plan("me-1", ("t/0/7",)).pack())
        Plan(origin='me-1', letters=('t/0/7',), is_batches=False)
        """
        plain = {"letters": self.letters, "batches": self.is_batches}
        return bytes([FORMAT]) + json.dumps(plain).encode()

    @classmethod
    def unpack(cls, key: str, value: bytes) -> Plan:
        """What `pack` gave.

        Raises:
            StateFormatError: a newer version wrote it, or it is not ours.
        """
        found = value[0] if value else 0
        if not 0 < found <= FORMAT:
            raise StateFormatError(
                f"the record {key} of monitoring.state has format {found}, this version reads up "
                f"to {FORMAT}: take a newer version of inferwatch"
            )
        try:
            plain = json.loads(value[1:])
            letters, is_batches = tuple(map(str, plain["letters"])), bool(plain["batches"])
        except (ValueError, TypeError, KeyError) as error:
            raise StateFormatError(
                f"the record {key} of monitoring.state cannot be read: {error}"
            ) from error
        return cls(key.removeprefix(KEY), letters, is_batches)

    def numbered(
        self, resends: Mapping[str, Resend]
    ) -> Iterator[tuple[Resend, tuple[Header, ...]]]:
        """Each record of the plan that is at hand, with the headers that number it.

        >>> one = Resend("t/0/8", "t", 0, None, b"{}", (), False)
        >>> [headers for _, headers in Plan("me-1", ("t/0/7", "t/0/8")).numbered({"t/0/8": one})]
        [(('origin', b'me-1'), ('seq', b'1'))]
        """
        counted: Counter[str] = Counter()
        for place, letter in enumerate(self.letters):
            partition = "/".join(letter.split("/")[:2])
            number, counted[partition] = counted[partition], counted[partition] + 1
            resend = resends.get(letter)
            if resend is None:
                continue
            if self.is_batches:
                own = f"{self.origin}/{place}".encode()
                yield resend, ((ORIGIN, own), (SEQ, b"0"), (SPARSE, b"1"))
            else:
                yield resend, ((ORIGIN, self.origin.encode()), (SEQ, str(number).encode()))


def claims(plans: Sequence[Plan]) -> dict[str, Plan]:
    """Whose each letter is: the first plan in the log that lists it.

    >>> first, second = Plan("a", ("t/0/1",)), Plan("b", ("t/0/1", "t/0/2"))
    >>> sorted((letter, plan.origin) for letter, plan in claims([first, second]).items())
    [('t/0/1', 'a'), ('t/0/2', 'b')]
    """
    return {letter: plan for plan in reversed(plans) for letter in reversed(plan.letters)}
