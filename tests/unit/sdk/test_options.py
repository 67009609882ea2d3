"""The arguments are the config's keys; what is wrong is told by its name, with what is allowed."""

import pytest
from sdk_rig import told

from inferwatch.errors import ConfigError, UsageError
from inferwatch.sdk import AsgiMiddleware, Monitor, WsgiMiddleware


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({"queue": "lots"}, ["queue: 'lots' is no size; allowed are 64KiB, 1MiB, 1GiB, 512"]),
        ({"sample": {"predictions": 2}}, ["sample.predictions:"]),
        ({"features": {"denny": []}}, ["features.denny: unknown key; did you mean deny?"]),
        ({"modle": "m"}, ["modle: unknown key; did you mean model?"]),
        ({"listen": "127.0.0.1:1"}, ["listen: is about a sidecar in front of a server"]),
        ({"broker": "http://x"}, ["broker.url:"]),
        ({"queue": "x", "model": ""}, ["model:", "queue:"]),
    ],
)
def test_a_wrong_argument_is_named(options, lines):
    with pytest.raises(ConfigError) as found:
        Monitor(**options)
    assert len(found.value.mistakes) == len(lines)
    for line, start in zip(sorted(found.value.mistakes), lines, strict=True):
        assert line.startswith(start)


def test_an_embedded_broker_is_refused():
    with pytest.raises(UsageError, match="broker.url is `embedded`"):
        Monitor(broker="embedded")


def test_a_secret_is_not_in_the_message():
    with pytest.raises(ConfigError) as found:
        Monitor(broker={"url": "kafka://a:1", "security": {"password": "hunter2"}})
    assert "hunter2" not in str(found.value)


def test_a_config_file_holds_and_the_arguments_win(tmp_path):
    file = tmp_path / "inferwatch.yaml"
    file.write_text(
        "topics: {prefix: t.}\n"
        "broker: {url: kafka://a:1}\n"
        'sidecar: {model: file, version: "1", upstream: http://127.0.0.1:1, queue: 1MiB}\n'
    )
    settings = Monitor(str(file), model="mine", broker="b:2").settings
    assert (settings.sidecar.model, settings.sidecar.version) == ("mine", "1")
    assert settings.sidecar.queue == 2**20
    assert (settings.topics.prefix, settings.broker.bootstrap) == ("t.", ["b:2"])
    assert Monitor(str(file)).settings.sidecar.model == "file"


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="nowhere.yaml"):
        Monitor("nowhere.yaml")


@pytest.mark.parametrize("middleware", [AsgiMiddleware, WsgiMiddleware])
def test_a_middleware_is_told_once(middleware):
    with told() as subject:
        assert middleware(None, subject.monitor).monitor is subject.monitor
        with pytest.raises(UsageError, match="model: the monitor has its own arguments"):
            middleware(None, subject.monitor, model="m")
    assert middleware(None, model="x").monitor.settings.sidecar.model == "x"
    with pytest.raises(ConfigError, match="modle"):
        middleware(None, modle="x")
