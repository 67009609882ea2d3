"""Everything that is judged for one model: windows in, alert transitions out.

Deterministic: the same windows in the same order give the same alerts, with the same ids and
times, wherever and however often they are judged; a snapshot in between changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inferwatch.errors import StateFormatError
from inferwatch.events.alert import Alert, Severity
from inferwatch.events.reference import ReferenceProfile
from inferwatch.events.window import WindowResult
from inferwatch.settings.rules import RuleSettings
from pipeline.diagnosis.commands import with_config
from pipeline.diagnosis.examine import diagnose
from pipeline.diagnosis.view import Diagnosis, View
from pipeline.rules import compose
from pipeline.rules.baselines import Past
from pipeline.rules.budget import DEFAULT_BUDGET, Budget
from pipeline.rules.builtin import allowance_of, builtin_detectors
from pipeline.rules.burn import BurnRule
from pipeline.rules.configured import configured
from pipeline.rules.detector import Case, Detector, Part
from pipeline.rules.history import History
from pipeline.rules.kinds import kind_of
from pipeline.rules.levels import levels_of
from pipeline.rules.machine import Moved
from pipeline.rules.related import with_related
from pipeline.rules.threshold import ThresholdRule
from pipeline.rules.track import Episode, Track
from pipeline.rules.verdict import State, Verdict
from pipeline.rules.versions import elders_of
from pipeline.rules.volume import VolumeDetector, VolumeWatch
from pipeline.rules.volume import detectors as volume_detectors
from pipeline.rules.watched import WatchedModel, smallest_window

FORMAT = 4
"""4: of versions it is remembered which windows were compared."""
REFINED_WINDOWS = 5
"""The causes of an incident are measured again in its first windows, while it still unfolds."""
SILENT_WINDOWS = 30
"""An incident whose version or segment has no window for so long, while others have, ends."""

MAX_STREAMS = 8_192
"""Parts, versions, segments and windows that are known before the old ones are forgotten."""

Thing = tuple[str, str, str | None]
"""What a track is about: detector, version, segment."""


class ModelWatch:
    """Judges the windows of one model.

    Call `judge` once for each final window with part `final`, in order of (end, size, version,
    segment; the segments before the whole model, so that its diagnosis can name one), and once
    with part `quality` when its quality is to be judged, in window order; and again, with either
    part, for a revision of a window that was judged: it can only correct.
    """

    def __init__(
        self,
        model: WatchedModel,
        rules: Sequence[RuleSettings] | None,
        *,
        retention_ms: int,
        config_file: str | None = None,
        budget: Budget = DEFAULT_BUDGET,
    ) -> None:
        """Bind the rules, or the built-in set where the config has none, to the model.

        Args:
            model: its settings.
            rules: None for the built-in set.
            retention_ms: for how long after its end a window may be revised.
            config_file: what suggested commands are to name as their config.
            budget: false alarms a month that the built-in set may cost.
        """
        self._model = model
        self._retention = retention_ms
        self._config_file = config_file
        self._smallest = smallest_window(model)
        self._volume: VolumeWatch | None = None
        self._detectors = self._bind(rules, budget)
        self._warnings = self._find_warnings(rules or ())
        self._tracks: dict[Thing, Track] = {}
        self._pasts: dict[Thing, Past] = {}
        self._judged: dict[tuple[str, str, str | None, str], int] = {}
        self._history = History()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Rules that can never fire on this model, or not yet, and why."""
        learning = (
            d.warming_up(past for (key, *_), past in self._pasts.items() if key == d.watch.key)
            for d in self._detectors
            if isinstance(d, ThresholdRule) and d.learns
        )
        return (*self._warnings, *(said for said in learning if said is not None))

    @property
    def baselines(self) -> frozenset[str]:
        """The versions that others are compared with in the same window."""
        return frozenset(d.beside for d in self._detectors if d.beside is not None)

    def judge(
        self, result: WindowResult, *, part: Part, reference: ReferenceProfile | None
    ) -> list[Alert]:
        """The transitions that this window makes, in the order of the rules."""
        stream = (part, result.version, result.segment, result.window)
        if result.end <= self._judged.get(stream, result.end - 1):
            return self._revise(result, part, reference)
        self._judged[stream] = result.end
        alerts = self._add_volume(result) if part == "final" else []
        calm = True
        for detector in self._detectors:
            if detector.watch.part != part or detector.watch.window != result.window:
                continue
            case = self._case(detector, result, reference)
            if not detector.applies(result.version, result.segment):
                if detector.beside == result.version:
                    detector.learn(case, Verdict(State.UNKNOWN))
                continue
            verdict = detector.judge(case)
            detector.learn(case, verdict)
            calm = calm and verdict.state is not State.BREACHED
            alerts += self._take(detector, case, verdict)
        if result.window == self._smallest.text:
            calm = calm and not self._has_open(result)
            self._history.remember(result, part, calm=calm)
        if len(self._judged) > MAX_STREAMS:
            self._forget(result.end)
        return alerts + self._expire(result, part)

    def tick(self, until: int) -> list[Alert]:
        """The clock of the stream has come so far, and all windows up to then were judged.

        What nobody sends has no window: so silence is told by the clock alone.
        """
        volume = self._volume
        if volume is None:
            return []
        alerts: list[Alert] = []
        dead, odd = (d for d in self._detectors if isinstance(d, VolumeDetector))
        for judged in volume.until(until, named=self._names_volume()):
            for detector, verdict in ((dead, judged.dead), (odd, judged.odd)):
                case = Case(self._model, judged.result, None, Past())
                alerts += self._take(detector, case, verdict)
        return alerts

    def _add_volume(self, result: WindowResult) -> list[Alert]:
        if self._volume is None or result.segment or result.window != self._smallest.text:
            return []
        alerts = self.tick(result.end - 1)
        self._volume.add(result)
        return alerts

    def _names_volume(self) -> bool:
        keys = {d.watch.key for d in self._detectors if isinstance(d, VolumeDetector)}
        return any(key in keys for key, _, _ in self._tracks)

    def snapshot(self) -> dict[str, Any]:
        """All state in plain values; the format number comes first."""
        return {
            "format": FORMAT,
            "tracks": [[*thing, track.as_plain()] for thing, track in self._tracks.items()],
            "pasts": [
                [*thing, self._pasts[thing].as_plain()]
                for thing in sorted(self._pasts, key=_by_text)
                if self._pasts[thing]
            ],
            "judged": [[*stream, end] for stream, end in self._judged.items()],
            "history": self._history.as_plain(),
            "volume": None if self._volume is None else self._volume.as_plain(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot; what belongs to rules that are gone is dropped.

        Raises:
            StateFormatError: a newer version of inferwatch wrote it.
        """
        if state["format"] > FORMAT:
            raise StateFormatError(
                f"the stored rule state of model {self._model.name!r} has format "
                f"{state['format']}, this version reads up to {FORMAT}: run the newer version"
            )
        known = {d.watch.key for d in self._detectors}
        self._tracks = {
            (key, version, segment): Track.from_plain(plain)
            for key, version, segment, plain in state["tracks"]
            if key in known
        }
        self._pasts = {
            (key, version, segment): Past.from_plain(plain)
            for key, version, segment, plain in state["pasts"]
            if key in known
        }
        self._judged = {
            (part, version, segment, window): end
            for part, version, segment, window, end in state["judged"]
        }
        self._history = History.from_plain(state["history"])
        if self._volume is not None and state.get("volume") is not None:
            self._volume.restore(state["volume"])

    def _bind(self, rules: Sequence[RuleSettings] | None, budget: Budget) -> list[Detector]:
        if rules is None:
            window = self._smallest
            share = allowance_of(Severity.TICKET, budget, window.slide)
            self._volume = VolumeWatch(self._model.name, window, share)
            return [*builtin_detectors(self._model, budget), *volume_detectors(window)]
        bound: dict[str, Detector] = {}
        for rule in rules:
            for detector in configured(rule, self._model):
                bound.setdefault(detector.watch.key, detector)
        return list(bound.values())

    def _find_warnings(self, rules: Sequence[RuleSettings]) -> tuple[str, ...]:
        known = {w.text for w in self._model.windows}
        listed = ", ".join(w.text for w in self._model.windows)
        found = [
            f"rule {d.watch.name!r}: window {d.watch.window} is none of model "
            f"{self._model.name!r} ({listed}); add it to the model's windows"
            for d in self._detectors
            if d.watch.window not in known
        ]
        watches = [d.watch for r in rules for d in configured(r, self._model)[:1]]
        bound = [(watch.name, watch.metric) for watch in watches]
        found += [
            f"rule {name!r} is given more than once for model {self._model.name!r} and metric "
            f"{metric}: only the first is judged; give each a name of its own"
            for name, metric in dict.fromkeys(bound)
            if bound.count((name, metric)) > 1
        ]
        burns = (d for d in self._detectors if isinstance(d, BurnRule))
        found += dict.fromkeys(d.warning for d in burns if d.warning is not None)
        return tuple(found)

    def _case(
        self, detector: Detector, result: WindowResult, reference: ReferenceProfile | None
    ) -> Case:
        key, segment = detector.watch.key, result.segment
        past = self._pasts.setdefault((key, result.version, segment), Past())
        beside = (
            None if detector.beside is None else self._pasts.get((key, detector.beside, segment))
        )
        return Case(self._model, result, reference, past, beside, self._elders(detector, result))

    def _elders(self, detector: Detector, result: WindowResult) -> dict[str, Past]:
        """What is remembered of the versions that came before this one, and still serve."""
        if result.segment is not None:
            return {}
        part, recent = detector.watch.part, result.end - 3 * (result.end - result.start)
        found = {}
        for version in elders_of(result.version, self._history.first_seen):
            judged = self._judged.get((part, version, None, result.window), 0)
            past = self._pasts.get((detector.watch.key, version, None))
            if past is not None and judged >= recent:
                found[version] = past
        return found

    def _take(self, detector: Detector, case: Case, verdict: Verdict) -> list[Alert]:
        result, watch = case.result, detector.watch
        thing = (watch.key, result.version, result.segment)
        track = self._tracks.get(thing)
        if track is None:
            if verdict.state is not State.BREACHED:
                return []
            track = self._tracks[thing] = Track()
        episode = track.current
        moved = track.judge(verdict, result.end, watch.timing, self._retention)
        if track.is_idle:
            del self._tracks[thing]
        if moved is Moved.FIRED:
            assert track.current is not None
            return [self._fire(detector, case, verdict, track)]
        if moved is Moved.RESOLVED:
            assert episode is not None
            return [compose.resolve(watch, result, episode, verdict, track.machine.last_breach)]
        if verdict.state is State.BREACHED and track.machine.is_open:
            self._refine(detector, case, verdict, track)
        return []

    def _fire(self, detector: Detector, case: Case, verdict: Verdict, track: Track) -> Alert:
        assert track.current is not None
        diagnosis = self._diagnose(detector, case, verdict, track.current)
        alert = compose.fire(
            detector.watch, self._model, case.result, track.current, verdict, diagnosis
        )
        track.current.story = compose.story_of(alert, verdict)
        return alert

    def _refine(self, detector: Detector, case: Case, verdict: Verdict, track: Track) -> None:
        episode = track.current
        assert episode is not None
        windows = (case.result.end - track.machine.since) // detector.watch.timing.slide
        if windows <= REFINED_WINDOWS + detector.watch.timing.hold // detector.watch.timing.slide:
            diagnosis = self._diagnose(detector, case, verdict, episode)
            episode.story = compose.refined(episode.story, diagnosis)

    def _diagnose(
        self, detector: Detector, case: Case, verdict: Verdict, episode: Episode
    ) -> Diagnosis:
        view = self._view(detector, case, verdict, compose.began(verdict, episode))
        others = [
            story
            for (_, version, _), track in self._tracks.items()
            if version == case.result.version and track.current is not episode
            for story in track.stories(view.starts_at, case.result.end)
        ]
        found = with_related(diagnose(view), view.kind, others)
        return compose.with_words(with_config(found, self._config_file), verdict.told)

    def _view(self, detector: Detector, case: Case, verdict: Verdict, starts_at: int) -> View:
        result, part, history = case.result, detector.watch.part, self._history
        now = levels_of(result, "final") | levels_of(result, "quality")
        recent, slide = result.end - 3 * (result.end - result.start), detector.watch.timing.slide
        return View(
            kind=kind_of(verdict.findings[0].metric),
            result=result,
            starts_at=starts_at,
            findings=(verdict.told and verdict.told.findings) or verdict.findings,
            reference=case.reference,
            expect=dict(self._model.expect),
            before=history.before(result.version, starts_at),
            usual=history.usual(result.version, result.segment, starts_at),
            early=history.early(result.version, result.segment, starts_at),
            now=now,
            # Of the bad time only: the windows of segments may be a step behind the whole's.
            segments=history.segments(
                result.version, part, starts_at, max(starts_at, result.end - 2 * slide)
            ),
            versions=history.versions(result.version, starts_at, recent),
            first_seen=dict(history.first_seen),
        )

    def _revise(
        self, result: WindowResult, part: Part, reference: ReferenceProfile | None
    ) -> list[Alert]:
        alerts = []
        for detector in self._detectors:
            watch = detector.watch
            thing = (watch.key, result.version, result.segment)
            if watch.part != part or watch.window != result.window:
                continue
            if isinstance(detector, BurnRule) and thing in self._pasts:
                detector.recount(self._case(detector, result, reference))
            track = self._tracks.get(thing)
            if track is None:
                continue
            held = track.held(result.end)
            if held is None or held.state is not State.BREACHED:
                continue
            verdict = detector.rejudge(self._case(detector, result, reference), held.findings)
            if verdict.state is not State.CLEAR:
                continue
            overturned = track.revise(result.end, watch.timing)
            if overturned is not None:
                clock = self._judged[part, result.version, result.segment, result.window]
                alerts.append(compose.correct(watch, result, overturned, verdict, clock))
        return alerts

    def _has_open(self, result: WindowResult) -> bool:
        return any(
            track.machine.is_open
            for (_, version, segment), track in self._tracks.items()
            if version == result.version and segment in (None, result.segment)
        )

    def _forget(self, clock: int) -> None:
        """Drop what is known of versions and segments that can't be revised any more."""
        oldest = clock - 2 * self._retention
        self._judged = {stream: end for stream, end in self._judged.items() if end >= oldest}
        alive = {(version, segment) for _, version, segment, _ in self._judged}
        self._pasts = {thing: past for thing, past in self._pasts.items() if thing[1:] in alive}

    def _expire(self, result: WindowResult, part: Part) -> list[Alert]:
        """End incidents of versions and segments that have no windows any more."""
        alerts = []
        for detector in self._detectors:
            watch = detector.watch
            if watch.part != part or watch.window != result.window:
                continue
            patience = max(SILENT_WINDOWS * watch.timing.size, watch.timing.keep)
            for (key, *_), track in self._tracks.items():
                episode = track.current
                if key == watch.key and track.expire(result.end, patience):
                    assert episode is not None
                    alerts.append(compose.fall_silent(watch, episode, result))
        return alerts


def _by_text(thing: Thing) -> tuple[str, str, str]:
    key, version, segment = thing
    return key, version, segment or ""
