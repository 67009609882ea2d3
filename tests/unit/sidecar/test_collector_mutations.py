"""Whatever an event holds, it is read, or refused with a reason: nothing else is raised."""

import json
import random

from exchanges import body_of, captures, mutate
from logger_events import kserve, seldon

from inferwatch.settings import load
from inferwatch.settings.sidecar import SidecarSettings
from producers.counters import Counters
from producers.sidecar.collector.cloud_event import CloudEventError, read_cloud_events
from producers.sidecar.collector.half import kind_of, read_half
from producers.sidecar.collector.logged import LoggedFeedback, LoggedInference
from producers.sidecar.events import EventMaker
from producers.sidecar.exchange import Exchange
from producers.sidecar.protocols.protocol import Bodies, DecodedExchange, UndecodableError
from producers.sidecar.protocols.recognise import recogniser
from producers.sidecar.protocols.seldon_v1 import SeldonFeedback

COUNT = 1500
SIDECAR = SidecarSettings.model_validate({"redact": ["email"], "segments": {"n": "header:ce-time"}})


def structured(event, chance):
    told = {**event["attributes"], "time": "2026-11-24T03:00:00Z", "metadata": '{"X-A": ["b"]}'}
    body = json.dumps({**told, "data": event["data"]}).encode()
    return [(b"Content-Type", b"application/cloudevents+json")], mutate(body, chance)


def binary(event, chance):
    headers = [
        (f"Ce-{name}".encode(), mutate(value.encode(), chance))
        for name, value in event["attributes"].items()
    ]
    return headers, json.dumps(event["data"]).encode()


def is_json(body):
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def test_mutated_events():
    chance = random.Random(11)
    recognise = recogniser(SIDECAR)
    inference, feedback = LoggedInference(SIDECAR, recognise), LoggedFeedback(SeldonFeedback())
    maker = EventMaker(SIDECAR, load(None).for_model, Counters())
    bodies = [(body_of(c["request"]), body_of(c["response"])) for c in captures()]
    recorded = [(json.loads(asked), answered) for asked, answered in bodies if is_json(asked)]
    taken = read = 0
    for _ in range(COUNT):
        asked, answered = chance.choice(recorded)
        logger, kind = chance.choice([kserve, seldon]), chance.choice(["request", "feedback"])
        try:
            send = chance.choice([structured, binary])
            (found,) = read_cloud_events(*send(logger(kind, asked), chance))
        except CloudEventError:
            continue
        kind = kind_of(found)
        if kind is None:
            continue
        half = read_half(found, kind, 2**20, 1.0, 5)
        taken += 1
        exchange = Exchange("POST", f"/{half.model or ''}", half.message, status=200)
        exchange.protocol = inference if kind == "request" else feedback
        try:
            told = exchange.protocol.decode(
                exchange, Bodies(b"".join(half.message.body), mutate(answered, chance))
            )
            if isinstance(told, DecodedExchange):
                maker.make(exchange, told)
            else:
                maker.labels(exchange, told)
            read += 1
        except UndecodableError as error:
            assert error.reason.replace("_", "").isalnum()
            maker.latency_only(exchange)
    assert taken > COUNT // 8
    assert read > taken // 20
