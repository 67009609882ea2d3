"""The configs and the events of the pages are accepted as they stand there."""

import json
import re
from dataclasses import replace

import pytest
import yaml
from click.testing import CliRunner
from decoding import decoder, json_record
from pages import PAGES, fences

from inferwatch.cli import root
from inferwatch.events.kinds import Kind

FENCES = [fence for page in PAGES for fence in fences(page)]
VALUES = {
    "url": "https://example.com/hook",
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "key": "0123456789abcdef0123456789abcdef",
    "token": "xoxb-1-2-abc",
}


def value_of(name: str) -> str:
    return next(value for word, value in VALUES.items() if word in name.lower())


def configs_of(fence):
    """The configs of a block: itself, or what its Kubernetes manifests hold as one."""
    documents = list(yaml.safe_load_all(fence.text))
    if not all("apiVersion" in document for document in documents):
        return [fence]
    maps = [document["data"] for document in documents if document["kind"] == "ConfigMap"]
    return [replace(fence, text=data["inferwatch.yaml"]) for data in maps]


CONFIGS = [config for f in FENCES if f.language == "yaml" for config in configs_of(f)]


def test_manifests_hold_configs():
    assert any(config.page == "docs/collector.md" for config in CONFIGS)


@pytest.mark.parametrize("fence", CONFIGS, ids=str)
def test_a_config_has_no_mistake_and_no_warning(fence, tmp_path, monkeypatch):
    for name in re.findall(r"\$\{([A-Z_]+)\}", fence.text):
        monkeypatch.setenv(name, value_of(name))
    for name in re.findall(r"\$\{file:([^}]+)\}", fence.text):
        (tmp_path / name).write_text(value_of(name))
    file = tmp_path / "inferwatch.yaml"
    file.write_text(fence.text)
    done = CliRunner().invoke(root, ["config", "check", str(file)])
    assert (done.exit_code, done.output) == (0, "")


@pytest.mark.parametrize("fence", [f for f in FENCES if f.language == "json"], ids=str)
def test_an_event_is_taken(fence):
    event = json.loads(fence.text)
    kind = (
        Kind.LATENCY
        if "latency_ms" in event
        else Kind.LABEL
        if "label" in event
        else Kind.PREDICTION
    )
    decoded = decoder(kind).decode([json_record(event)])
    assert not decoded.rejected
    assert [chunk.rows.size for chunk in decoded.chunks] == [1]


def test_there_are_examples_of_both():
    assert {f.language for f in FENCES} >= {"yaml", "json"}
