import orjson
import pytest
from results import alert, window

from inferwatch.events.alert import Alert, AlertKind, Cause
from inferwatch.events.json_codec import (
    alert_from_json,
    dumps,
    from_plain,
    window_from_json,
    window_to_dict,
    window_to_json,
)
from inferwatch.events.window import CategoricalBlock, NumericBlock, WindowResult


def test_what_is_written_is_read() -> None:
    assert window_from_json(window_to_json(window())) == window()
    assert alert_from_json(dumps(alert())) == alert()


def test_a_column_is_told_by_its_type() -> None:
    read = from_plain(WindowResult, window_to_dict(window())).features
    assert isinstance(read["dep_delay"], NumericBlock)
    assert isinstance(read["carrier"], CategoricalBlock)


def test_a_kind_of_a_newer_version_is_passed_on() -> None:
    plain = {**as_plain(alert()), "kind": "weather", "new_key": [1]}
    read = from_plain(Alert, plain)
    assert read.kind == "weather"
    assert from_plain(Alert, as_plain(alert())).kind is AlertKind.QUALITY


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("rows",), "many", "rows: a whole number is wanted, not 'many'"),
        (("rows",), None, "rows: a value is wanted, not null"),
        (("rows",), True, "rows: a whole number is wanted, not True"),
        (("model",), 7, "model: a text is wanted, not 7"),
        (("final",), 1, "final: true or false is wanted, not 1"),
        (("latency",), [], "latency: LatencyBlock is an object, not []"),
        (("latency", "p95_ms"), "5", "latency.p95_ms: a number is wanted, not '5'"),
        (("features",), [1], "features: an object is wanted, not [1]"),
    ],
)
def test_a_wrong_value_is_named_with_its_path(path, value, said) -> None:
    plain = window_to_dict(window())
    inner = plain
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(TypeError) as error:
        from_plain(WindowResult, plain)
    assert str(error.value) == said


def test_a_missing_key_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="why"):
        from_plain(Cause, {"cause": "load", "confidence": 1.0})
    with pytest.raises(TypeError, match="object"):
        from_plain(Cause, [])


def as_plain(record: Alert) -> dict:
    return orjson.loads(dumps(record))
