"""Whatever a body holds, it is read, or refused with a reason: nothing else is raised."""

import contextlib
import os
import random

from exchanges import SIDECAR, body_of, captures, exchange_of, mutate

from inferwatch.errors import RejectedEventError
from inferwatch.events.arrow_writer import write_batch
from inferwatch.events.kinds import Kind
from inferwatch.settings import load
from inferwatch.settings.sidecar import SidecarSettings
from producers.counters import Counters
from producers.sidecar.events import EventMaker
from producers.sidecar.protocols.protocol import (
    Bodies,
    DecodedExchange,
    ReportedTruth,
    UndecodableError,
)
from producers.sidecar.protocols.recognise import recogniser

COUNT = int(os.environ.get("SIDECAR_MUTATIONS", "2000"))


def test_mutated_bodies():
    chance = random.Random(7)
    sidecar = SidecarSettings.model_validate({**SIDECAR, "redact": ["email"]})
    recognise = recogniser(sidecar)
    maker = EventMaker(sidecar, load(None, text="{}").for_model, Counters())
    recorded = [(c, body_of(c["request"]), body_of(c["response"])) for c in captures()]
    read = 0
    for _ in range(COUNT):
        capture, asked, answered = chance.choice(recorded)
        asked, answered = mutate(asked, chance), mutate(answered, chance)
        status = chance.choice([200, 200, 400, 500])
        exchange = exchange_of(capture, asked, answered, status)
        exchange.protocol = recognise(exchange)
        if exchange.protocol is None:
            continue
        try:
            told = exchange.protocol.decode(exchange, Bodies(asked, answered))
            if isinstance(told, DecodedExchange):
                made = maker.make(exchange, told)
                write(Kind.LATENCY, [made.latency])
                write(Kind.PREDICTION, made.predictions)
            elif isinstance(told, ReportedTruth):
                write(Kind.LABEL, maker.labels(exchange, told))
            read += 1
        except UndecodableError as error:
            assert error.reason.replace("_", "").isalnum()
    assert read > COUNT // 4


def write(kind, rows):
    for row in rows:
        # The publisher counts a row that cannot be written as malformed.
        with contextlib.suppress(RejectedEventError, ValueError):
            write_batch(kind, [row], origin="o")
