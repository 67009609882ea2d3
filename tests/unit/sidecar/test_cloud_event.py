"""What a structured event holds as data is written back as the same values, and soon."""

import math

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
