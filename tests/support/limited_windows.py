"""Windows of rows with more names than the limits allow: from panes, and row by row."""

import json
from collections import Counter, defaultdict

from inferwatch.events.kinds import Kind
from inferwatch.events.window import WindowResult
from inferwatch.settings import load
from pipeline.assemble import assemble
from pipeline.decode import Decoder, RawRecord
from pipeline.fold import Folder
from pipeline.labels.join import LabelJoin
from pipeline.limits import NameLimits
from pipeline.models import ModelPlans
from pipeline.partition import PartitionState
from pipeline.pooling import Pooling
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.stats.categories import category_order
from pipeline.windows.grid import Span
from pipeline.windows.pane import Pane, PaneKey
from pipeline.windows.result import WindowKey

OTHER = "__other__"
TOPICS = {
    Kind.PREDICTION: "inference.predictions",
    Kind.LATENCY: "inference.latencies",
    Kind.RESOURCE: "inference.resources",
    Kind.LABEL: "inference.labels",
}


class Partitions:
    """Partitions that fold what they are given, batch by batch, and the windows of all of them."""

    def __init__(self, config, references=None):
        self.settings = load(None, text=config)
        self.references = references or ReferenceCatalog()
        self.plans = ModelPlans(self.settings)
        self.states = defaultdict(PartitionState)
        self.folder = Folder(self.settings, self.references)
        self.join = LabelJoin(self.settings, self.references)
        self.kept = defaultdict(list)

    def take(self, kind, number, events):
        """Fold one batch into a partition."""
        state = self.states[kind, number]
        topic, first = TOPICS[kind], state.offset + 1
        records = [
            RawRecord(topic, number, first + n, 10**15, None, json.dumps(event).encode(), ())
            for n, event in enumerate(events)
        ]
        decoded = Decoder(kind, self.settings.limits, clock=lambda: 0).decode(records)
        through = first + len(events) - 1
        if kind is Kind.LABEL:
            news = self.join.newest(state, decoded)
            self.join.apply(state, news, {i: self.kept[i] for i in news if i in self.kept})
            state.offset = through
            return
        outcome = self.folder.fold(state, decoded, through)
        for rows in outcome.kept:
            for identity, row in rows.found(f"{topic}:{number}"):
                self.kept[identity].append(row)

    def restart(self):
        """Every partition gets an owner that knows only what was written."""
        for key, state in self.states.items():
            known = self.references.by_fingerprint
            panes = {
                text: Pane.restore(pane.snapshot(), known, pane.rules)
                for text, pane in state.panes.items()
            }
            labels = {identity: label.snapshot() for identity, label in state.labels.items()}
            self.states[key] = PartitionState.restore(
                state.offset,
                state.head(),
                panes,
                labels,
            )

    def windows(self) -> dict[tuple, WindowResult]:
        """(model, version, segment, window text, start) -> the result."""
        panes = defaultdict(list)
        for state in self.states.values():
            for text, pane in state.panes.items():
                panes[text].append(pane)
        limits = NameLimits(self.settings, self.plans, self.references)
        pooling = Pooling(limits, self.plans, lambda: True)

        def at(text):
            return panes.get(text, ())

        keys = set()
        for key in map(PaneKey.parse, panes):
            for span in self.plans.of(key.model).grid.spans_of(key.start):
                window = WindowKey(span, key.version, key.segment)
                keys.add((key.model, window))
                keys.update((key.model, w) for w in pooling.beside(key.model, window, at))
            for span in self.plans.of(OTHER).grid.spans_of(key.start):
                keys.add((OTHER, WindowKey(span, OTHER, "")))
        found = {}
        for model, key in keys:
            texts = pooling.texts(model, key, at)
            made_of = [pane for text in texts for pane in at(text)]
            result = assemble(self.plans.of(model), key, made_of, self.references)
            if result is not None:
                found[model, key.version, key.segment, key.span.text, key.span.start] = result
        return found


def lowest(names, named, most):
    """The names that stay, by the words of the contract."""
    others = sorted((name for name in names if name not in named), key=category_order)
    return set(named) | set(others[: max(most - len(named), 0)])


def told(settings, plans, rows, *, named=frozenset()) -> Counter:
    """Rows by window, counted row by row: (model, version, segment, text, start) -> rows.

    Args:
        settings: with the limits.
        plans: of all models.
        rows: of (model, version, segments, ts).
        named: models, versions or segments that stay.
    """
    limits = settings.limits
    spans: dict[tuple[str, Span], list] = defaultdict(list)
    of_all: dict[Span, list] = defaultdict(list)
    for row in rows:
        for span in plans.of(row[0]).grid.spans_of(row[3] // 1_000 * 1_000):
            spans[row[0], span].append(row)
        for span in plans.of(OTHER).grid.spans_of(row[3] // 1_000 * 1_000):
            of_all[span].append(row)
    everybody = named | plans.named
    counted = Counter()
    for span, here in of_all.items():
        stay = lowest({row[0] for row in here}, everybody, limits.models)
        pooled = sum(row[0] not in stay for row in here)
        if pooled:
            counted[OTHER, OTHER, "", span.text, span.start] = pooled
    for (model, span), here in spans.items():
        # Of models whole slices count: the panes of `__other__` that the window touches.
        slot = plans.other_pane
        touched = range(span.start // slot, -(-span.end // slot))
        beside = {row[0] for row in rows if row[3] // slot in touched}
        if model not in everybody and model not in lowest(beside, everybody, limits.models):
            continue
        stay = lowest({row[1] for row in here}, named, limits.models)
        by_version = defaultdict(list)
        for row in here:
            by_version[row[1] if row[1] in stay else OTHER].append(row)
        for version, mine in by_version.items():
            counted[model, version, "", span.text, span.start] = len(mine)
            if version == OTHER:
                continue
            segments = {segment for row in mine for segment in row[2]}
            left = lowest(segments, named, limits.segments)
            for row in mine:
                for segment in row[2]:
                    pool = f"{segment.partition('=')[0]}={OTHER}"
                    name = segment if segment in left else pool
                    counted[model, version, name, span.text, span.start] += 1
    return counted
