"""Matchers in both grammars: the classic one wins wherever it accepts."""

import pytest

from inferwatch.settings.notify import classic_matchers, utf8_matchers
from inferwatch.settings.notify.matchers import parse_matchers

CLASSIC = [
    ('a="b"', [("a", "=", "b")]),
    ("a=b", [("a", "=", "b")]),
    (" a !~ b.* ", [("a", "!~", "b.*")]),
    ("{a=b,c=~d}", [("a", "=", "b"), ("c", "=~", "d")]),
    ("a=b,", [("a", "=", "b")]),
    ("{a=b", [("a", "=", "b")]),
    ("a=", [("a", "=", "")]),
    ('a=""', [("a", "=", "")]),
    ("a==b", [("a", "=", "=b")]),
    ('a="b,c=d"', [("a", "=", "b,c=d")]),
    (r'a="x\"y\\z\n\q"', [("a", "=", 'x"y\\z\n\\q')]),
    (r'a="x\",y",b=c', [("a", "=", 'x",y'), ("b", "=", "c")]),
    (r"a=b\n", [("a", "=", "b\n")]),
    ("a='b'", [("a", "=", "'b'")]),
    ("a=b c", [("a", "=", "b c")]),
    ("a:b=c", [("a:b", "=", "c")]),
    ("a=größe", [("a", "=", "größe")]),
    ("a=b}", [("a", "=", "b")]),
    ("", []),
    ("{}", []),
    ("a=b\\", [("a", "=", "b\\")]),
]

UTF8_ONLY = [
    ("größe=9", [("größe", "=", "9")]),
    ('"a b"="c"', [("a b", "=", "c")]),
    ('"a.b"!="c"', [("a.b", "!=", "c")]),
    (r'"\u00e4"="\x61\t\101"', [("ä", "=", "a\tA")]),
    ("{a.b=c, d=e}", [("a.b", "=", "c"), ("d", "=", "e")]),
    ('"foo"=bar,', [("foo", "=", "bar")]),
    ('9="x"', [("9", "=", "x")]),
]

NEITHER = [
    "a", "=b", "a=b c=d\"", 'a="b', 'a=b"', 'a="b"c"', "a~b", "a!b", ",a=b", "a=~[", "a=b,,c=d",
    '"a="b"', "größe='9'", "{größe=9", "größe=9}", "größe", r'"\q"="a"', '"\\xff"="a"', "größe==b",
    "é=", "é=a b", '"a\nb"="c"',
]  # fmt: skip


def plain(matchers):
    return [(m.name, str(m.operator), m.value) for m in matchers]


@pytest.mark.parametrize(("text", "wanted"), CLASSIC)
def test_classic(text, wanted):
    assert plain(classic_matchers.parse(text)) == wanted
    assert plain(parse_matchers(text)) == wanted


@pytest.mark.parametrize(("text", "wanted"), UTF8_ONLY)
def test_utf8_where_the_classic_parser_refuses(text, wanted):
    with pytest.raises(ValueError, match="."):
        classic_matchers.parse(text)
    assert plain(parse_matchers(text)) == wanted


@pytest.mark.parametrize("text", NEITHER)
def test_refused_by_both(text):
    for parse in (classic_matchers.parse, utf8_matchers.parse, parse_matchers):
        with pytest.raises(ValueError, match="."):
            parse(text)


def test_where_both_accept_and_differ_the_classic_reading_holds():
    text = r'a="\t"'
    assert plain(utf8_matchers.parse(text)) == [("a", "=", "\t")]
    assert plain(parse_matchers(text)) == [("a", "=", "\\t")]


@pytest.mark.parametrize(
    ("pattern", "value", "wanted"),
    [
        ("a|b", "b", True), ("a|b", "ab", False), ("a.c", "a\nc", False), ("(?s)a.c", "a\nc", True),
        ("a$", "a\n", False), (r"\d+", "٣", False), ("(?i)ä", "Ä", True), (r"\pL+", "größe", True),
        ("", "", True), ("[[:alpha:]]+", "abc", True), (r"a\z", "a", True),
        ("a{,2}", "a{,2}", True),
    ],
)  # fmt: skip
def test_expressions_are_re2s(pattern, value, wanted):
    from inferwatch.settings.notify.patterns import matches

    assert matches(pattern, value) is wanted


@pytest.mark.parametrize("pattern", ["(?=a)", r"(a)\1", "a**", "a++", "(?>a)", "[b-a]"])
def test_what_re2_lacks_is_a_mistake(pattern):
    with pytest.raises(ValueError, match="no regular expression"):
        parse_matchers(f'a=~"{pattern}"'.replace("\\", "\\\\"))


def test_a_hostile_value_takes_no_time():
    from inferwatch.settings.notify.patterns import matches

    assert not matches("(a+)+b", "a" * 50_000)
