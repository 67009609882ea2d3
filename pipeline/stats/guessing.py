"""How good is poor: accuracy beside always saying the commonest class."""

from __future__ import annotations

from collections.abc import Mapping


def commonest_share(confusion: Mapping[str, Mapping[str, int]] | None) -> float:
    """The share of the commonest class among the labels; 0 without labels.

    >>> commonest_share({"no": {"no": 5, "yes": 1}, "yes": {"no": 2}})
    0.75
    """
    counts = [sum(predicted.values()) for predicted in (confusion or {}).values()]
    return max(counts) / sum(counts) if sum(counts) else 0.0


def poor_below(guessing: float) -> float:
    """Up to which accuracy a model is poor, where the commonest class has this share.

    0.7 for two classes of one size, less for more classes; where one class is common 5 points above
    guessing it, and of what guessing leaves wrong a quarter at most.

    >>> [round(poor_below(share), 3) for share in (0.1, 0.5, 0.6, 0.75, 0.96)]
    [0.46, 0.7, 0.7, 0.8, 0.97]
    """
    if guessing <= 0.5:
        return guessing + 0.4 * (1 - guessing)
    return max(0.7, guessing + min(0.05, (1 - guessing) / 4))
