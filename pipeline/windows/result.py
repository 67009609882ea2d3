"""The result of a window, worked out of merged counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from inferwatch.events.window import EstimatedBlock, QualityBlock, WindowResult
from pipeline.estimate.accuracy import estimated_accuracy
from pipeline.estimate.confidence import ConfidenceCounter
from pipeline.windows.counting import CountingRules
from pipeline.windows.grid import Span
from pipeline.windows.inputs import InputCounts
from pipeline.windows.pane import NO_REFERENCE, Counts, Pane


@dataclass(frozen=True, slots=True)
class WindowKey:
    """One window of one model: what a result is about."""

    span: Span
    version: str
    segment: str

    @property
    def track(self) -> tuple[str, str, str]:
        """The windows that follow one another in time."""
        return (self.span.text, self.version, self.segment)

    @property
    def turn(self) -> tuple[Span, str, bool, str]:
        """The order of judging: by end, and the segments before the whole.

        So a cause that lies in one segment is known when the whole is judged.
        """
        return (self.span, self.version, not self.segment, self.segment)


def window_result(
    model: str,
    key: WindowKey,
    counts: Counts,
    *,
    reference: str | None,
    provisional: bool = False,
    slow_ms: Sequence[int] = (),
    revision: int = 0,
    late: int = 0,
) -> WindowResult:
    """The result of one window.

    Args:
        model: its name.
        key: which window, version and segment.
        counts: the merged panes.
        reference: fingerprint of the reference in force at the window's start, None without one.
        provisional: whether that reference was learned.
        slow_ms: limits above which requests are counted as slow.
        revision: how often it was corrected.
        late: rows that came after the window was final.
    """
    fingerprint, inputs = _inputs(counts, reference, provisional=provisional)
    whole = counts.rows + counts.lost
    quality = counts.quality.result(counts.joinable) if counts.quality else None
    return WindowResult(
        model=model,
        version=key.version,
        segment=key.segment or None,
        window=key.span.text,
        start=key.span.start,
        end=key.span.end,
        revision=revision,
        final=True,
        rows=counts.rows,
        late=late,
        duplicates=counts.duplicates,
        lost=counts.lost,
        completeness=counts.rows / whole if counts.rows else None,
        reference=fingerprint,
        provisional=provisional and fingerprint is not None,
        latency=counts.latency.result(key.span.size, slow_ms) if counts.latency else None,
        quality=quality,
        estimated=_estimated(counts.confidence, inputs, quality),
        features=(inputs.feature_blocks() or None) if inputs else None,
        prediction=inputs.prediction_block() if inputs else None,
        scores=(inputs.score_blocks() or None) if inputs else None,
        resources=counts.resources.result() if counts.resources else None,
    )


def relabelled(known: WindowResult, panes: Iterable[Pane], rules: CountingRules) -> WindowResult:
    """The result of a window with its labels as they are now: they change nothing else."""
    joinable = 0
    quality = rules.quality()
    confidence: ConfidenceCounter | None = None
    inputs: InputCounts | None = None
    for pane in panes:
        for counts in pane.taken_by(known.end):
            if counts.rules.digest != rules.digest:
                continue
            joinable += counts.joinable
            if counts.quality is not None:
                # One set of rules makes one kind of counter.
                quality.merge(counts.quality)  # type: ignore[arg-type]
            if counts.confidence is not None:
                confidence = confidence or ConfidenceCounter()
                confidence.merge(counts.confidence)
            inputs = counts.inputs.get(known.reference or NO_REFERENCE, inputs)
    block = quality.result(joinable)
    return replace(known, quality=block, estimated=_estimated(confidence, inputs, block))


def _estimated(
    confidence: ConfidenceCounter | None, inputs: InputCounts | None, quality: QualityBlock | None
) -> EstimatedBlock | None:
    if confidence is None or inputs is None or inputs.reference is None:
        return None
    return estimated_accuracy(confidence, inputs.reference.calibration, quality)


def _inputs(
    counts: Counts, reference: str | None, *, provisional: bool
) -> tuple[str | None, InputCounts | None]:
    """The counts against the window's reference; those without one where that is all there is.

    A learned reference begins in the midst of a stream. The windows that hold rows from before it
    are measured against it only where that is most of their rows: else a late row would make one
    forget all that it says.
    """
    without = counts.inputs.get(NO_REFERENCE)
    measured = None if reference is None else counts.inputs.get(reference)
    if measured is None or (provisional and without is not None and without.rows > measured.rows):
        return None, without
    return reference, measured
