"""The JSON Schema and the example: both are made from the tree, and agree with it."""

import json
import re

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from inferwatch.settings import Settings, load
from inferwatch.settings.example import example_text
from inferwatch.settings.schema import schema, schema_text


def fits_schema(text):
    plain = YAML(typ="safe", pure=True).load(text)
    return not list(Draft202012Validator(schema()).iter_errors(plain))


def test_the_schema_is_one_of_2020_12():
    found = json.loads(schema_text())
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(found)


def test_every_section_is_in_the_schema_and_refuses_unknown_keys():
    found = schema()
    assert set(found["properties"]) == set(Settings.known_keys())
    for name, section in found["$defs"].items():
        if section.get("type") == "object":
            assert section.get("additionalProperties") is False, name


def test_every_key_is_described():
    for name, section in {"Settings": schema(), **schema()["$defs"]}.items():
        for key, value in section.get("properties", {}).items():
            # A key that holds a section may leave the words to that.
            assert value.get("description") or "$ref" in value, f"{name}.{key}"


def test_the_example_has_no_mistake_no_warning_and_fits_the_schema():
    settings = load("example", text=example_text())
    assert settings.warnings == ()
    assert fits_schema(example_text())


def test_the_example_says_what_each_of_its_keys_means():
    text = example_text()
    assert "# How far behind the newest row a row may be before its window is final." in text
    assert max(len(line) for line in text.splitlines()) <= 100
    uncommented = [
        line
        for before, line in zip(text.splitlines(), text.splitlines()[1:], strict=False)
        if re.match(r"  [a-z_]+:", line) and not before.lstrip().startswith("#")
    ]
    assert uncommented == []


def test_the_values_of_the_example_are_what_its_words_are_about():
    settings = load("example", text=example_text())
    model = settings.for_model("flight-delay")
    assert model.positive == "late"
    assert settings.limits == Settings().limits
    assert settings.retention == Settings().retention
    assert settings.defaults == Settings().defaults


@pytest.mark.parametrize(
    "text", ["topics: {partitions: x}", "limits: {idle: soon}", "deadletter: {keep: all}", "zz: 1"]
)
def test_the_schema_refuses_what_the_loader_refuses(text):
    assert not fits_schema(text)
    with pytest.raises(Exception, match="f:1:"):
        load("f", text=text)
