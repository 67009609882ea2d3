"""What a structured event holds as data is written back as the same values, and soon."""

import json
import math
import random
import time

import pytest

from inferwatch.events.json_parse import parse_json
from producers.sidecar.collector.cloud_event import read_cloud_events

STRUCTURED = [(b"Content-Type", b"application/cloudevents+json")]
TYPE = "org.kubeflow.serving.inference.request"


def data_of(text):
    (event,) = read_cloud_events(STRUCTURED, f'{{"id":"1","type":"{TYPE}","data":{text}}}'.encode())
    return event.data


@pytest.mark.parametrize(
    "text",
    ['{"é":[1.5,-0.0,1e300,9007199254740993,null,true,"\\u2028"]}', "[" * 500 + "]" * 500, '"x"'],
)
def test_data_keeps_its_values(text):
    assert repr(parse_json(data_of(text))) == repr(parse_json(text.encode()))


def test_data_beyond_strict_json_keeps_its_values_too():
    values = parse_json(data_of("[NaN, -Infinity, 1e999, 18446744073709551617]"))
    assert math.isnan(values[0])
    assert values[1:] == [-math.inf, math.inf, 18446744073709551617]


def test_data_is_as_short_as_loggers_write_it():
    assert data_of('{"instances": [[1, "é"]]}') == '{"instances":[[1,"é"]]}'.encode()


def test_a_large_event_holds_up_the_loop_for_less_than_the_standard_library_would():
    seeded = random.Random(7)
    text = json.dumps([seeded.random() for _ in range(20_000)])
    assert 2 * least_cpu(lambda: data_of(text)) < least_cpu(lambda: json.dumps(json.loads(text)))


def least_cpu(work):
    """Seconds of this thread, whatever else the machine does."""

    def once():
        before = time.thread_time()
        work()
        return time.thread_time() - before

    return min(once() for _ in range(5))
