"""Routing beside Alertmanager's own tool: the same receivers, in the same order.

Debian's `amtool` 0.25 knows the classic matchers only, so what is compared is what it accepts.
"""

import json
import random
import shutil
import subprocess

import pytest

from consumers.notifier.stages.route import build_tree
from inferwatch.settings.notify import NotifySettings, classic_matchers

AMTOOL = shutil.which("amtool")
pytestmark = pytest.mark.skipif(AMTOOL is None, reason="needs amtool: prometheus-alertmanager")

NAMES = ["model", "severity", "kind", "team"]
VALUES = ["fraud", "fraud-eu", "page", "ticket", "risk", "", "a,b", "x y"]
PATTERNS = ["fraud.*", "page|ticket", ".+", "", "fraud", "[a-f]+", "(?i)PAGE", r"\w+-\w+", "^risk$"]


def route_of(rng: random.Random, depth: int, receivers: list[str]) -> dict:
    route: dict = {}
    if rng.random() < 0.8:
        route["receiver"] = rng.choice(receivers)
    matchers = []
    for _ in range(rng.choice([0, 1, 1, 1, 2])):
        operator = rng.choice(["=", "!=", "=~", "!~"])
        value = rng.choice(PATTERNS if "~" in operator else VALUES)
        matchers.append(f"{rng.choice(NAMES)}{operator}{json.dumps(value)}")
    if matchers:
        route["matchers"] = matchers
    if rng.random() < 0.2:
        route["match"] = {rng.choice(NAMES): rng.choice(VALUES)}
    if rng.random() < 0.2:
        route["match_re"] = {rng.choice(NAMES): rng.choice(PATTERNS)}
    if rng.random() < 0.4:
        route["continue"] = True
    if rng.random() < 0.3:
        route["group_by"] = rng.choice([["..."], ["model"], ["model", "kind"]])
    if depth:
        children = rng.randrange(0, 4)
        route["routes"] = [route_of(rng, depth - 1, receivers) for _ in range(children)]
    return route


def generated(seed: int) -> tuple[dict, list[dict]]:
    rng = random.Random(seed)
    receivers = [f"r{i}" for i in range(6)]
    root = {
        "receiver": "root",
        "routes": [route_of(rng, 2, receivers) for _ in range(rng.randrange(1, 5))],
    }
    labels = [
        {n: v for n in NAMES if (v := rng.choice([*VALUES, None])) and rng.random() < 0.9}
        for _ in range(2)
    ]
    tree = {"route": root, "receivers": [{"name": r} for r in ["root", *receivers]]}
    return tree, labels


HAND_WRITTEN = [
    # The child of a matching route is asked first; a route without children takes it itself.
    ({"receiver": "root", "routes": [
        {"receiver": "a", "matchers": ["x=1"], "routes": [{"receiver": "b", "matchers": ["y=2"]}]},
    ]}, [{"x": "1"}, {"x": "1", "y": "2"}, {"y": "2"}, {}]),
    # `continue` of a child asks its next sibling, not its parent's.
    ({"receiver": "root", "routes": [
        {"receiver": "a", "matchers": ["x=1"], "routes": [
            {"receiver": "b", "matchers": ["y=2"], "continue": True}]},
        {"receiver": "c"},
    ]}, [{"x": "1", "y": "2"}, {"x": "1"}]),
    # The same receiver twice is told twice.
    ({"receiver": "root", "routes": [
        {"receiver": "a", "continue": True}, {"receiver": "a"},
    ]}, [{}, {"x": "1"}]),
    # A label that is missing is the empty text.
    ({"receiver": "root", "routes": [
        {"receiver": "a", "matchers": ['x=""'], "continue": True},
        {"receiver": "b", "matchers": ['x!="1"'], "continue": True},
        {"receiver": "c", "matchers": ['x=~".*"'], "continue": True},
        {"receiver": "d", "matchers": ['x!~".+"']},
    ]}, [{}, {"x": "1"}, {"x": "2"}]),
    # Expressions cover the whole value, alternatives as a whole.
    ({"receiver": "root", "routes": [
        {"receiver": "a", "match_re": {"x": "ab|cd"}, "continue": True},
        {"receiver": "b", "match_re": {"x": "^ab"}, "continue": True},
        {"receiver": "c", "matchers": ["x=~a."]},
    ]}, [{"x": "ab"}, {"x": "abd"}, {"x": "cd"}, {"x": "acd"}, {"x": "a\nb"}]),
    # Quotes, escapes, braces, commas and spaces.
    ({"receiver": "root", "routes": [
        {"receiver": "a", "matchers": ['x="a,b"', 'y="c"'], "continue": True},
        {"receiver": "b", "matchers": ['{x="a,b", y=c}'], "continue": True},
        {"receiver": "c", "matchers": [r'x="\\"'], "continue": True},
        {"receiver": "d", "matchers": [" x = 'q' "], "continue": True},
        {"receiver": "r1", "matchers": [r'x="a\b"'], "continue": True},
        {"receiver": "r2", "matchers": ["x==="], "continue": True},
        {"receiver": "r3", "matchers": ["x=a b "]},
    ]}, [{"x": "a,b", "y": "c"}, {"x": "\\"}, {"x": "'q'"}, {"x": "a\\b"}, {"x": "=="},
         {"x": "a b"}]),
]  # fmt: skip


def ours(tree: dict, labels: dict) -> list[str]:
    notify = NotifySettings.model_validate(tree)
    return [r.receiver for r in build_tree(notify).reached(labels)]


def amtools(path, labels: dict) -> list[str]:
    # amtool reads `NAME=VALUE` as a matcher, so the value is quoted as one.
    args = [f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in labels.items()]
    said = subprocess.run(
        [AMTOOL, "config", "routes", "test", f"--config.file={path}", *args],
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stderr
    return said.stdout.strip().split(",")


@pytest.mark.parametrize("seed", range(60))
def test_generated_trees(seed, tmp_path):
    tree, label_sets = generated(seed)
    compare(tree, label_sets, tmp_path)


@pytest.mark.parametrize("case", HAND_WRITTEN, ids=range(len(HAND_WRITTEN)))
def test_hand_written_trees(case, tmp_path):
    root, label_sets = case
    names = ["root", "a", "b", "c", "d", "r1", "r2", "r3"]
    compare({"route": root, "receivers": [{"name": n} for n in names]}, label_sets, tmp_path)


def test_random_texts_are_accepted_and_refused_alike(tmp_path):
    rng = random.Random(11)
    pieces = [*"ab\"\\,={}~!' n:9_", "=~", "!=", '\\"', "ä", '"x"', 'a="']
    path = tmp_path / "alertmanager.yml"
    for _ in range(60):
        text = "".join(rng.choice(pieces) for _ in range(rng.randrange(1, 9)))
        if rng.random() < 0.7:
            text = "a" + rng.choice(["=", "!=", "=~", "!~"]) + text
        route = {"receiver": "root", "routes": [{"receiver": "x", "matchers": [text]}]}
        path.write_text(
            json.dumps({"route": route, "receivers": [{"name": "root"}, {"name": "x"}]})
        )
        accepted = (
            subprocess.run([AMTOOL, "check-config", path], capture_output=True).returncode == 0
        )
        try:
            classic_matchers.parse(text)
        except ValueError:
            assert not accepted, text
        else:
            assert accepted, text


def compare(tree: dict, label_sets: list[dict], tmp_path) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text(json.dumps(tree))
    for labels in label_sets:
        assert ours(tree, labels) == amtools(path, labels), labels
