"""Has the output collapsed onto one value?"""

from __future__ import annotations

from scipy.special import pdtr

LOST = 5
RARE = 1e-6


def collapsed(largest: int, rows: int, reference_largest: int, reference_rows: int) -> bool | None:
    """Whether the rows beside the most frequent value have all but gone.

    An output has collapsed when the share of rows that do *not* take the most frequent value is
    a fifth or less of what it was in the reference, and so few of them would come by chance less
    than once in a million windows (Poisson). So a reference of 70 % "legit" needs a window of 94 %
    one class, and 99 % in the reference needs 99.8 % of many rows; a constant reference cannot
    collapse. The value may be another one than the reference's. None without a reference.

    Args:
        largest: rows of the window in its fullest category, cell or log bucket.
        rows: rows of the window.
        reference_largest: rows of the reference in its fullest category or cell.
        reference_rows: rows of the reference.

    >>> collapsed(100, 100, 70, 100), collapsed(72, 100, 70, 100), collapsed(5, 5, 70, 100)
    (True, False, False)
    """
    if not reference_rows:
        return None
    if not rows:
        return False
    expected = rows * (1 - reference_largest / reference_rows)
    others = rows - largest
    return others * LOST <= expected and float(pdtr(others, expected)) < RARE
