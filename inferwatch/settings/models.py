"""The models that are watched: what the config says of each, and what holds for it in the end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import reduce
from math import gcd
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from inferwatch.settings.section import Remark, Section, SectionError
from inferwatch.settings.types import (
    ClassName,
    Duration,
    Float,
    Share,
    Size,
    Text,
    Window,
    WindowSpec,
    parse_duration,
    scalar_text,
)

Task = Literal["binary", "multiclass", "regression"]

# More slices than this make a window slow to merge and Redis large.
_MANY_PANES = 20_000
# What may be expected of a model; with `train_` in front, of its training data.
_SHARES = ("accuracy", "precision", "recall", "f1", "roc_auc")
_MEASURES = ("log_loss", "brier", "ece", "mae", "rmse", "r2", "bias", "mape")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OWN_LABELS = ("alertname", "model", "version", "segment", "severity", "kind")


def _parse_learn(value: Any) -> int | None:
    """None for `off`."""
    if value is None or scalar_text(value, "a duration or off") == "off":
        return None
    try:
        learn = parse_duration(value)
    except ValueError:
        raise ValueError(f"{value!r} is neither a duration nor off; allowed are 24h, off") from None
    if learn == 0:
        raise ValueError("nothing can be learned from 0; allowed are 24h, off")
    return learn


def _parse_wait(value: Any) -> int | None:
    """None for `auto`."""
    if value is None or scalar_text(value, "a duration or auto") == "auto":
        return None
    try:
        return parse_duration(value)
    except ValueError:
        text = f"{value!r} is neither a duration nor auto; allowed are 10m, auto"
        raise ValueError(text) from None


def _some(windows: tuple[WindowSpec, ...]) -> tuple[WindowSpec, ...]:
    if not windows:
        raise ValueError("without a window nothing is watched; allowed are [1m, 15m/1m]")
    return windows


def _all_different(values: tuple[Any, ...]) -> tuple[Any, ...]:
    texts = [v.text if isinstance(v, WindowSpec) else v for v in values]
    _refuse(
        Remark((index,), f"{text!r} stands in this list twice; allowed is once")
        for index, text in enumerate(texts)
        if text in texts[:index]
    )
    return values


def _performance(expect: dict[str, float]) -> dict[str, float]:
    _refuse(_expect_mistakes(expect))
    return expect


def _expect_mistakes(expect: dict[str, float]) -> Iterator[Remark]:
    for key, value in expect.items():
        metric = key.removeprefix("train_")
        if metric not in (*_SHARES, *_MEASURES):
            known = ", ".join((*_SHARES, *_MEASURES))
            yield Remark((key,), f"no measure of performance; allowed are {known}, and train_…")
        elif metric in _SHARES and not 0 <= value <= 1:
            yield Remark((key,), f"{value:g} is no share; allowed is 0 to 1")


def _no_label_of_ours(tags: dict[str, str]) -> dict[str, str]:
    _refuse(_tag_mistakes(tags))
    return tags


def _tag_mistakes(tags: dict[str, str]) -> Iterator[Remark]:
    for tag in tags:
        if not _LABEL_NAME.fullmatch(tag):
            yield Remark((tag,), "no label name; allowed are letters, digits and _")
        elif tag in _OWN_LABELS:
            yield Remark((tag,), "every alert has this label already; take another name")


def _refuse(remarks: Iterable[Remark]) -> None:
    found = list(remarks)
    if found:
        raise SectionError(*found)


Learn = Annotated[int | None, BeforeValidator(_parse_learn), WithJsonSchema({"type": "string"})]
Wait = Annotated[int | None, BeforeValidator(_parse_wait), WithJsonSchema({"type": "string"})]
Windows = Annotated[
    tuple[Window, ...],
    AfterValidator(_some),
    AfterValidator(_all_different),
    WithJsonSchema({"type": "array", "minItems": 1, "items": {"type": "string"}}),
]
Classes = Annotated[tuple[ClassName, ...], AfterValidator(_all_different)]
Segments = Annotated[tuple[Text, ...], AfterValidator(_all_different)]
Performance = Annotated[dict[str, Float], AfterValidator(_performance)]
Tags = Annotated[dict[str, Text], AfterValidator(_no_label_of_ours)]
PositiveShare = Annotated[Share, Field(gt=0)]


class LearnSettings(Section):
    """How a model without a reference profile gets its first one."""

    learn: Learn = 86_400_000
    """How much event time a first reference is learned from; off: none is learned."""


class DefaultSettings(Section):
    """What holds for a model that does not say otherwise."""

    windows: Windows = (
        WindowSpec("1m", 60_000, 60_000),
        WindowSpec("5m", 300_000, 300_000),
        WindowSpec("1h", 3_600_000, 3_600_000),
    )
    """Tumbling windows (5m), and sliding ones with their slide (15m/1m)."""
    lateness: Duration = 30_000
    """How far behind the newest row a row may be before its window is final."""
    reference: LearnSettings = LearnSettings()
    """The first reference of a model that has no profile."""

    def surprises(self) -> Iterator[Remark]:
        """Windows that have little in common."""
        return _window_surprises(self.windows)


class LabelSettings(Section):
    """Labels: how long they may take, and how much is kept for them."""

    horizon: Duration = 86_400_000
    """How long after its prediction a label still counts."""
    sample: PositiveShare = 1.0
    """Share of the predictions that are kept for their labels, by a hash of the id."""
    wait: Wait = None
    """How long quality waits for labels before it is judged; auto: 95 % of this model's delays."""
    memory: Size = 256 * 2**20
    """Bound on the kept predictions; above it the sample falls by itself, and says so."""

    @model_validator(mode="after")
    def _wait_ends_before_the_horizon(self) -> LabelSettings:
        if self.wait is not None and self.wait > self.horizon:
            raise SectionError(Remark(("wait",), "longer than `horizon`; allowed is at most that"))
        if self.horizon == 0:
            raise SectionError(Remark(("horizon",), "no label could count; allowed is more than 0"))
        return self


class FeatureSettings(Section):
    """Which features are watched, and as what."""

    include: tuple[Text, ...] = ("*",)
    """Names or globs of the features that are watched."""
    exclude: tuple[Text, ...] = ()
    """Names or globs of those that are not; wins over include."""
    categorical: tuple[Text, ...] = ()
    """Names or globs of features that are categories even where their values are numbers."""


class ModelEntry(Section):
    """One model, or all whose names fit a glob, as the config writes it."""

    name: Annotated[Text, Field(min_length=1)]
    """A name or a glob; the first match wins."""
    task: Task | None = None
    """binary, multiclass or regression; told from the predictions when absent."""
    positive: ClassName | None = None
    """The positive class of a binary model, a text or a number."""
    classes: Classes = ()
    """The classes; else those seen."""
    windows: Windows | None = None
    """As in defaults."""
    lateness: Duration | None = None
    """As in defaults."""
    reference: LearnSettings | None = None
    """As in defaults."""
    segments: Segments = ()
    """Keys of `segment`, or feature names, whose values get windows of their own."""
    labels: LabelSettings = LabelSettings()
    """Labels: how long they may take, and how much is kept for them."""
    features: FeatureSettings = FeatureSettings()
    """Which features are watched, and as what."""
    expect: Performance = {}
    """Performance to expect (accuracy, f1, train_accuracy); else taken from the reference."""
    tags: Tags = {}
    """Merged into the labels of its alerts."""

    @model_validator(mode="after")
    def _classes_fit_the_task(self) -> ModelEntry:
        _refuse(self._class_mistakes())
        return self

    def _class_mistakes(self) -> Iterator[Remark]:
        if self.task == "regression":
            for key in ("positive", "classes"):
                if getattr(self, key):
                    yield Remark((key,), "a regression has no classes; allowed for binary")
            return
        if self.task == "multiclass" and self.positive is not None:
            yield Remark(("positive",), "allowed for task binary only")
        if self.classes and len(self.classes) < 2:
            yield Remark(("classes",), "a classifier has two classes at least")
        if self.task == "binary" and len(self.classes) > 2:
            yield Remark(("classes",), f"{len(self.classes)} classes; task binary has two")
        if self.positive is not None and self.classes and self.positive not in self.classes:
            allowed = ", ".join(self.classes)
            yield Remark(("positive",), f"{self.positive!r} is no class; allowed are {allowed}")

    def matches(self, model: str) -> bool:
        """Whether this entry is about the model.

        >>> ModelEntry(name="fraud-*").matches("fraud-eu")
        True
        """
        return self.name == model or fnmatchcase(model, self.name)

    def swallows(self, other: ModelEntry) -> bool:
        """Whether every model that `other` matches is matched here too.

        True only where that is certain: `*` in a glob stands for whatever another glob may stand
        for, `?` and `[…]` are compared with plain names only.

        >>> ModelEntry(name="fraud-*").swallows(ModelEntry(name="fraud-eu-*"))
        True
        """
        if not re.search(r"[*?\[]", other.name):
            return self.matches(other.name)
        if self.name.strip("*") == "" or self.name == other.name:
            return True
        return not re.search(r"[?\[]", self.name + other.name) and self.matches(other.name)

    def surprises(self) -> Iterator[Remark]:
        """Windows that have little in common."""
        return _window_surprises(self.windows or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """What holds for one model: its entry of the config, and the defaults where that is silent.

    Attributes:
        name: the model's own name, also where its entry is a glob.
        lateness: milliseconds.
        reference: `learn` is None where no first reference is learned.
        labels: `wait` is None for auto.
    """

    name: str
    task: Task | None
    positive: str | None
    classes: tuple[str, ...]
    windows: tuple[WindowSpec, ...]
    lateness: int
    reference: LearnSettings
    segments: tuple[str, ...]
    labels: LabelSettings
    features: FeatureSettings
    expect: dict[str, float]
    tags: dict[str, str]

    @property
    def pane(self) -> int:
        """Milliseconds of one slice of event time: every window is a whole number of them."""
        return pane_of(self.windows)

    @property
    def longest_window(self) -> int:
        """Milliseconds of the longest window."""
        return max(w.size for w in self.windows)


def settle(name: str, entry: ModelEntry | None, defaults: DefaultSettings) -> ModelSettings:
    """What holds for the model `name`, of which `entry` is the first match."""
    entry = entry or ModelEntry(name=name)
    return ModelSettings(
        name=name,
        task=entry.task,
        positive=entry.positive,
        classes=entry.classes,
        windows=entry.windows or defaults.windows,
        lateness=defaults.lateness if entry.lateness is None else entry.lateness,
        reference=entry.reference or defaults.reference,
        segments=entry.segments,
        labels=entry.labels,
        features=entry.features,
        expect=entry.expect,
        tags=entry.tags,
    )


def pane_of(windows: tuple[WindowSpec, ...]) -> int:
    """The greatest common divisor of all sizes and slides, milliseconds.

    >>> pane_of((WindowSpec("15m/1m", 900_000, 60_000), WindowSpec("90s", 90_000, 90_000)))
    30000
    """
    return reduce(gcd, [length for w in windows for length in (w.size, w.slide)])


def _window_surprises(windows: tuple[WindowSpec, ...]) -> Iterator[Remark]:
    if not windows:
        return
    pane, longest = pane_of(windows), max(w.size for w in windows)
    if longest // pane > _MANY_PANES:
        yield Remark(
            ("windows",),
            f"all sizes and slides have only {pane} ms in common, so that the longest window is "
            f"merged from {longest // pane} slices; choose multiples of one another",
        )
