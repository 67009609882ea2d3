"""The model says one thing only."""

from __future__ import annotations

from inferwatch.events.alert import Evidence, Suggestion
from inferwatch.events.window import CategoricalBlock, FeatureBlock
from pipeline.diagnosis.columns import MIN_ROWS, broken_inputs, shares_of
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import number, percent
from pipeline.rules.baselines import entropy_bits

ONE_CLASS = 0.97


def examine(view: View) -> Examined | None:
    """One class (or value) for all rows, where there was a choice; a symptom if inputs broke."""
    block = view.result.prediction
    if block is None or block.count < MIN_ROWS:
        return None
    entropy_before = _entropy_before(view)
    said = _only_answer(view, block)
    if said is None:
        return None
    answer, share, share_before = said
    inputs_broke = broken_inputs(view)
    usually = "" if share_before is None else f", usually {percent(share_before)}"
    why = f"the model answers {answer} in {percent(share)} of the rows{usually}"
    if not inputs_broke:
        why += ", while its inputs are as usual"
    return examined(
        "prediction_collapse",
        0.45 if inputs_broke else 0.92,
        why,
        evidence=(
            Evidence(
                text=f"prediction: {answer} in {percent(share)} of the rows{usually}",
                metric="prediction.entropy",
                before=entropy_before,
                after=block.entropy if block.entropy is not None else answer,
                share=share,
            ),
        ),
        suggestions=(
            Suggestion(
                text="Send a few requests whose answer is known to the model server by hand; if "
                "they come back wrong, restart it with the last good model file.",
            ),
            Suggestion(
                text="Compare the deployed model file, its preprocessing and its decision "
                "threshold with the last good release.",
            ),
        ),
    )


def _only_answer(view: View, block: FeatureBlock) -> tuple[str, float, float | None] | None:
    column = None if view.reference is None else view.reference.prediction
    before = column if column is not None else getattr(view.before, "prediction", None)
    if isinstance(block, CategoricalBlock):
        if not block.top or block.top[0][1] < ONE_CLASS:
            return None
        answer, share = block.top[0]
        usual = shares_of(before)
        if usual is None:
            return None
        share_before = usual.get(answer, 0.0)
        return None if share_before > 0.9 else (repr(answer), share, share_before)
    if block.std is None or block.mean is None or before is None:
        return None
    std_before = getattr(before, "std", None)
    if not std_before or block.std > 0.02 * std_before:
        return None
    return number(block.mean), 1.0, None


def _entropy_before(view: View) -> float | None:
    if view.reference is not None and view.reference.prediction is not None:
        return entropy_bits(view.reference.prediction)
    return view.usual.get("prediction.entropy")
