"""YAML 1.2 as texts with places."""

from pathlib import Path

import pytest

from inferwatch.settings.document import parse
from inferwatch.settings.substitution import Substitution


def read(text):
    return parse(text, Substitution({}, Path()))


def mistakes(text):
    return [m.line("f") for m in read(text).mistakes]


@pytest.mark.parametrize("text", ["yes", "off", "17:30", "1.10", "0x1F", "1_000", "true", "1e3"])
def test_a_scalar_stays_the_text_that_was_written(text):
    assert read(f"key: {text}").data == {"key": text}


@pytest.mark.parametrize("text", ["null", "~", "", "Null", "NULL"])
def test_a_plain_null_is_none_and_a_quoted_one_a_text(text):
    assert read(f"key: {text}").data == {"key": None}
    assert read(f'key: "{text}"').data == {"key": text}


def test_json_is_yaml_too():
    assert read('{"a": {"b": [1, null, "x"]}}').data == {"a": {"b": ["1", None, "x"]}}


def test_an_empty_text_is_an_empty_config():
    for text in ("", "# nothing\n", "---\n", "~"):
        assert read(text).data == {}
        assert not mistakes(text)


def test_places_are_counted_from_one():
    document = read("a:\n  - b: 1\n    c: [x, y]\n")

    assert document.key_place(("a",)) == (1, 1)
    assert document.key_place(("a", 0, "c")) == (3, 5)
    assert document.value_place(("a", 0, "c", 1)) == (3, 12)
    assert document.key_place(("a", 0)) == (2, 5)


def test_a_path_that_is_not_there_is_at_the_nearest_key_above():
    document = read("a:\n  b: 1\n")

    assert document.value_place(("a", "x", "y")) == (1, 1)


def test_a_byte_order_mark_moves_no_column():
    assert read("\ufeffa: 1").key_place(("a",)) == (1, 1)


def test_an_alias_repeats_its_anchor():
    assert read("a: &x {k: 1}\nb: *x").data == {"a": {"k": "1"}, "b": {"k": "1"}}


def test_a_key_that_stands_twice_is_a_mistake_at_its_second_place():
    assert mistakes("a:\n  b: 1\n  b: 2\n") == ["f:3:3: a.b: stands here twice; keep one of them"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("- a", "f:1:1: config: a mapping of sections is wanted (broker: …), nothing else"),
        ("just text", "f:1:1: config: a mapping of sections is wanted (broker: …), nothing else"),
        ("a: !x 1", "f:1:4: a: the tag !x is not understood; leave it out"),
        ("? [a]\n: 1", "f:1:3: config: a key is a text, not a list or a mapping"),
        ("a: {<<: {b: 1}}", "f:1:5: a.<<: YAML 1.2 has no merge keys; write the keys out"),
        ("a: &x\n  b: *x", "f:1:4: a.b: this alias stands inside of what it repeats"),
        ("a: \x01", "f:1:4: config: no YAML: U+0001 is no character of a text"),
    ],
)
def test_what_is_no_config_is_told_with_its_place(text, line):
    (found,) = mistakes(text)
    assert found.replace('"<<"', "<<") == line


@pytest.mark.parametrize(
    ("text", "place"),
    [("a: [1", "1:6"), ("a: 1\n b: 2", "2:3"), ("a: 1\n\tb: 2", "2:1"), ('a: "x', "1:6")],
)
def test_a_syntax_error_is_one_line_at_its_place(text, place):
    (found,) = mistakes(text)
    assert found.startswith(f"f:{place}: config: no YAML: ")
    assert "\n" not in found


def test_two_documents_in_one_text_are_a_mistake():
    (found,) = mistakes("a: 1\n---\nb: 2\n")
    assert "single document" in found


def test_nested_aliases_cannot_fill_the_memory():
    levels = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        levels.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]")

    (found,) = mistakes("\n".join(levels))
    assert "are aliases nested?" in found


def test_deep_nesting_is_a_mistake_and_no_crash():
    (found,) = mistakes("a: " + "[" * 5_000)
    assert "config: no " in found


def test_a_marker_without_quotes_in_a_flow_mapping_is_answered_with_the_cure():
    assert mistakes("a: {b: ${X}}") == [
        "f:1:9: config: no YAML: expected ',' or '}', but got '{'; "
        "inside of { } and [ ] put quotes around it: '${NAME}'"
    ]
