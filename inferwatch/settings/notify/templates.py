"""Templates of titles and texts: Jinja2, in a sandbox, over what a webhook would be sent.

Alertmanager's are Go templates; these are Jinja2, since that is what Python's users know. Jinja2 is
a part of the extra `consumers`; where it is absent (beside a model server) nothing is rendered, and
a template is taken on trust.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.util import find_spec
from typing import Annotated, Any

from pydantic import AfterValidator

from inferwatch.settings.types import Text

Escape = Callable[[str], str]

_GO = re.compile(r"\{\{-?\s*(\.|\$|template\b|range\b|if\b|with\b|define\b|end\b)")
_ALERT: dict[str, Any] = {
    "status": "firing",
    "labels": {
        "alertname": "slow",
        "model": "fraud",
        "version": "7",
        "severity": "page",
        "kind": "latency",
    },
    "annotations": {"summary": "fraud is slow", "runbook_url": "https://example.com/slow"},
    "startsAt": "2026-01-31T17:30:00.000Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "https://example.com/fraud",
    "fingerprint": "0123456789abcdef",
    "incident": "893a6dc79b5bf6217b25",
    "event": {
        "kind": "latency",
        "model": "fraud",
        "version": "7",
        "segment": None,
        "metric": "latency.p99_ms",
        "value": 300.0,
        "baseline": 120.0,
        "threshold": 250.0,
        "rows": 1000,
        "completeness": 1.0,
        "evidence": [],
        "causes": [],
        "suggestions": [],
    },
    "headline": "PAGE firing: fraud is slow",
    "page": "PAGE firing: fraud is slow\n\nmodel: fraud 7",
}
SAMPLE: dict[str, Any] = {
    "status": "firing",
    "receiver": "on-call",
    "reason": "first notification",
    "groupKey": '{}:{model="fraud"}',
    "groupLabels": {"model": "fraud"},
    "commonLabels": dict(_ALERT["labels"]),
    "commonAnnotations": dict(_ALERT["annotations"]),
    "alerts": [_ALERT],
    "firing": [_ALERT],
    "resolved": [],
    "alert": _ALERT,
    "preface": "",
}
"""What a template is tried with; the names at its top are all that a template may name."""


def can_check() -> bool:
    """Whether Jinja2 is at hand."""
    return find_spec("jinja2") is not None


def _printable(text: str) -> str:
    r"""Text without control characters but line breaks: values come with anybody's traffic.

    >>> _printable("a\x07b\nc")
    'a b\nc'
    """
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def render(template: str, context: Mapping[str, Any], escape: Escape) -> str:
    """The text of a template; every value that it shows is printable, and escaped by `escape`.

    Raises:
        jinja2.TemplateError, or whatever an expression of the template raises; also where it works
        or says more than `sandbox.py` allows.

    >>> render("{{ alert.labels.model }} {{ alert.labels.team }}!", SAMPLE, str.upper)
    'FRAUD !'
    """
    from inferwatch.settings.notify.sandbox import text_of

    return text_of(_compiled(template, escape), context)


@lru_cache(maxsize=64)
def _environment(escape: Escape) -> Any:
    from inferwatch.settings.notify.sandbox import Sandbox

    return Sandbox(lambda value: escape(_printable(str(value))) if value is not None else "")


@lru_cache(maxsize=1024)
def _compiled(template: str, escape: Escape) -> Any:
    return _environment(escape).from_string(template)


def mistake(template: str) -> str | None:
    """What is wrong with a template, or None: it is read, its names are known, and it is tried.

    >>> mistake("{{ alert.labels.model }}"), mistake("{{ models }}")
    (None, "line 1 of the template: 'models' is no name here; allowed are alert, alerts, \
commonAnnotations, commonLabels, firing, groupKey, groupLabels, preface, reason, receiver, \
resolved, status")
    """
    if not can_check():
        return None
    from jinja2 import TemplateError, TemplateSyntaxError, meta

    try:
        tree = _environment(str).parse(template)
        unknown = sorted(meta.find_undeclared_variables(tree) - SAMPLE.keys())
        if unknown:
            line = _line_of(tree, unknown[0])
            allowed = ", ".join(sorted(SAMPLE))
            said = f"{unknown[0]!r} is no name here; allowed are {allowed}"
            return f"line {line} of the template: {said}"
        render(template, SAMPLE, str)
    except TemplateSyntaxError as error:
        go = (
            "; this looks like a Go template, and Jinja2 is wanted: {{ commonLabels.alertname }}"
            if _GO.search(template)
            else ""
        )
        return f"line {error.lineno} of the template: {error.message}{go}"
    except TemplateError as error:
        return f"the template failed with an alert like any other: {error.message}"
    except Exception as error:
        return f"the template failed with an alert like any other: {type(error).__name__}: {error}"
    return None


def _line_of(tree: Any, name: str) -> int:
    from jinja2 import nodes

    return next((n.lineno for n in tree.find_all(nodes.Name) if n.name == name), 1)


def _checked(template: str) -> str:
    said = mistake(template)
    if said is not None:
        raise ValueError(said)
    return template


Template = Annotated[Text, AfterValidator(_checked)]
