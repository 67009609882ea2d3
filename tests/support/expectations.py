"""Expectations written down as data: what must hold of the files that a command left.

An expectation names a file (`in`), the lines of it that are meant (`where`), a path into each
(`get`), and an operator (`op`) with its `value`. Numbers are compared with `tol` (absolute) and
`rel` (relative, 1e-9 unless told).
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NOTHING = object()
"""Stands for what is not there, which is not the same as null."""

PSI_FLOOR = 1e-4


class UnmetError(AssertionError):
    """An expectation that does not hold."""


@dataclass(slots=True)
class Step:
    """What one command said."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(slots=True)
class Evidence:
    """What all commands of a case left: their words, and the files in `folder`."""

    folder: Path
    steps: list[Step] = field(default_factory=list)

    def lines(self, name: str, step: int) -> list[Any]:
        """A file of JSON lines, or of one JSON document; `stdout` is a document too."""
        if name == "stdout":
            return [strict_json(self.steps[step].stdout)]
        text = (self.folder / name).read_text(encoding="utf-8")
        if name.endswith(".json"):
            return [strict_json(text)]
        return [strict_json(line) for line in text.splitlines() if line.strip()]


def strict_json(text: str) -> Any:
    """JSON without NaN or infinities, and no key twice."""

    def refuse(word: str) -> Any:
        raise UnmetError(f"{word} is no JSON")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise UnmetError(f"a key stands twice in {[key for key, _ in pairs]}")
        return found

    return json.loads(text, parse_constant=refuse, object_pairs_hook=once)


def expect(evidence: Evidence, expected: Mapping[str, Any]) -> None:
    """Raises `UnmetError` where an expectation does not hold."""
    if "any" in expected:
        _one_of(evidence, expected["any"])
        return
    step = expected.get("step", 0)
    op = expected["op"]
    if op == "exit":
        _require(evidence.steps[step].exit_code in expected["value"], expected, "the exit code")
    elif expected["in"] in ("stderr", "text"):
        said = evidence.steps[step]
        _VALUES[op](said.stderr if expected["in"] == "stderr" else said.stdout, expected)
    elif op in _SETS:
        _SETS[op](evidence, expected)
    else:
        _VALUES[op](at(_the_one(evidence, expected), expected["get"]), expected)


def at(value: Any, path: Sequence[str | int]) -> Any:
    """What stands at a path; NOTHING where the path leads nowhere."""
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return NOTHING
    return value


def _require(holds: bool, expected: Mapping[str, Any], got: object) -> None:
    if not holds:
        raise UnmetError(f"{got!r:.200} where {json.dumps(expected)[:400]} is expected")


def _one_of(evidence: Evidence, ways: Sequence[Sequence[Mapping[str, Any]]]) -> None:
    refused = []
    for way in ways:
        try:
            for expected in way:
                expect(evidence, expected)
        except UnmetError as error:
            refused.append(str(error))
        else:
            return
    raise UnmetError(" and ".join(refused))


def _meant(evidence: Evidence, expected: Mapping[str, Any]) -> list[Any]:
    lines = evidence.lines(expected["in"], expected.get("step", 0))
    where = expected.get("where", {})
    return [line for line in lines if all(line.get(key) == want for key, want in where.items())]


def _the_one(evidence: Evidence, expected: Mapping[str, Any]) -> Any:
    found = _meant(evidence, expected)
    _require(len(found) == 1, expected, f"{len(found)} lines")
    return found[0]


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _near(got: Any, want: float, expected: Mapping[str, Any]) -> bool:
    allowed = expected.get("tol", 0.0) + expected.get("rel", 1e-9) * abs(want)
    return _number(got) and math.isfinite(got) and abs(got - want) <= allowed


def _equal(got: Any, want: Any) -> bool:
    return got is not NOTHING and isinstance(got, bool) is isinstance(want, bool) and got == want


def _value(holds: Callable[[Any, Any, Mapping[str, Any]], bool]) -> Callable[..., None]:
    return lambda got, expected: _require(
        holds(got, expected.get("value"), expected),
        expected,
        "nothing" if got is NOTHING else got,
    )


_VALUES: dict[str, Callable[[Any, Mapping[str, Any]], None]] = {
    "eq": _value(lambda got, want, _: _equal(got, want)),
    "in": _value(lambda got, want, _: got in want),
    "null": _value(lambda got, _, __: got is None or got is NOTHING),
    "absent": _value(lambda got, _, __: got is NOTHING),
    "number-or-null": _value(lambda got, _, __: got in (None, NOTHING) or _number(got)),
    "approx": _value(_near),
    "between": _value(lambda got, want, _: _number(got) and want[0] <= got <= want[1]),
    "contains": _value(lambda got, want, _: isinstance(got, str) and want in got),
    "has": _value(lambda got, want, _: isinstance(got, (list, dict)) and want in got),
}


def _count(evidence: Evidence, expected: Mapping[str, Any]) -> None:
    found = len(_meant(evidence, expected))
    _require(found == expected["value"], expected, found)


def _books(evidence: Evidence, expected: Mapping[str, Any]) -> None:
    """Every row is counted once: usable, missing, not finite or of the wrong type."""
    for line in _meant(evidence, expected):
        for path in expected["get"]:
            kinds = ("count", "missing", "non_finite", "type_mismatch")
            counts = [at(line, [*path, kind]) for kind in kinds]
            _require(sum(n for n in counts if _number(n)) == line["rows"], expected, counts)


def _total(evidence: Evidence, expected: Mapping[str, Any]) -> None:
    """A sum over lines, and over parts of what the command printed."""
    parts = [at(line, expected["get"]) for line in _meant(evidence, expected)]
    printed = evidence.lines("stdout", expected.get("step", 0))[0]
    for path in expected.get("plus", []):
        part = at(printed, path)
        parts += part.values() if isinstance(part, dict) else [part]
    found = sum(part for part in parts if _number(part))
    _require(found == expected["value"], expected, found)


def _same(evidence: Evidence, expected: Mapping[str, Any]) -> None:
    """Two lines agree in a part."""
    both = [
        at(_the_one(evidence, {**expected, **other}), expected["get"])
        for other in ({}, expected["as"])
    ]
    left_out = expected.get("but", [])
    one, other = (
        {key: value for key, value in part.items() if key not in left_out}
        if isinstance(part, dict)
        else part
        for part in both
    )
    _require(one is not NOTHING and _alike(one, other, expected), expected, both)


def _alike(one: Any, other: Any, expected: Mapping[str, Any]) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_alike(one.get(k), other.get(k), expected) for k in one.keys() | other.keys())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            _alike(a, b, expected) for a, b in zip(one, other, strict=True)
        )
    if _number(one) and _number(other):
        return _near(one, other, expected)
    return type(one) is type(other) and one == other


def _shares(values: Sequence[float], edges: Sequence[float]) -> list[float]:
    """Of right-closed bins."""
    counts = [0] * (len(edges) + 1)
    for value in values:
        counts[bisect_left(edges, value)] += 1
    return [count / len(values) for count in counts]


def _profile_column(evidence: Evidence, file: str, name: str) -> Any:
    return at(evidence.lines(file, 0)[0], ["features", name])


def _psi(evidence: Evidence, expected: Mapping[str, Any]) -> None:
    """The textbook sum over the profile's own edges, from the raw values."""
    edges = _profile_column(evidence, expected["profile"], expected["feature"])["psi_edges"]
    pairs = zip(_shares(expected["ref"], edges), _shares(expected["win"], edges), strict=True)
    floored = [(max(a, PSI_FLOOR), max(b, PSI_FLOOR)) for a, b in pairs]
    want = sum((b - a) * math.log(b / a) for a, b in floored)
    got = at(_the_one(evidence, expected), expected["get"])
    _require(_near(got, want, {"tol": 1e-9}), expected, got)


def _edges(evidence: Evidence, expected: Mapping[str, Any]) -> None:
    """Edges rise, lie halfway between neighbours, and the shares are theirs."""
    column = _profile_column(evidence, expected["in"], expected["feature"])
    edges, distinct = column["psi_edges"], sorted(set(expected["ref"]))
    halves = [(a + b) / 2 for a, b in zip(distinct, distinct[1:], strict=False)]
    _require(edges == sorted(set(edges)) and len(edges) <= 9, expected, edges)
    for edge in edges:
        _require(any(_near(edge, half, {}) for half in halves), expected, edge)
    want = _shares(expected["ref"], edges)
    _require(_alike(column["psi_shares"], want, {"tol": 1e-9}), expected, column["psi_shares"])
    _require(len(edges) >= expected.get("at_least", 0), expected, edges)


_SETS: dict[str, Callable[[Evidence, Mapping[str, Any]], None]] = {
    "count": _count,
    "books": _books,
    "total": _total,
    "same": _same,
    "psi": _psi,
    "edges": _edges,
}
