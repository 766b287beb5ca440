"""What the months of a school year say together of each student: compiled walks, each over the months of one student.

`days` and `parts` are months x students, zero where a month is not known; sums are added month after month.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cis_ews.compiling import compiled

AS_MUCH = 1 - 1e-9
"""Of two partings that differ by less, rounding does not choose: they are equal."""
Months = NDArray[np.float64]


@compiled
def slopes(days: Months, parts: Months) -> NDArray[np.float64]:
    """By how much the rate (part over days) rises from month to month, by least squares with each month as heavy as
    its days; NaN before the second month."""
    told = np.empty(days.shape[1])
    for student in range(days.shape[1]):
        weight, rate, month, square, product = 0.0, 0.0, 0.0, 0.0, 0.0
        for place in range(days.shape[0]):
            weight += days[place, student]
            rate += parts[place, student]
            month += place * days[place, student]
            square += place * place * days[place, student]
            product += place * parts[place, student]
        spread = weight * square - month * month
        told[student] = (weight * product - month * rate) / spread if spread > 0.0 else np.nan
    return told


@compiled
def shifts(days: Months, parts: Months, minimum: int) -> NDArray[np.float64]:
    """The rate from a month on less that before it, where the months part best (least squares) with `minimum` days on
    either side; of partings as good as the best the first, NaN where none is possible."""
    told, squares, found = np.empty(days.shape[1]), np.empty(days.shape[0]), np.empty(days.shape[0])
    for student in range(days.shape[1]):
        every, whole = 0.0, 0.0
        for place in range(days.shape[0]):
            every, whole = every + days[place, student], whole + parts[place, student]
        before, part, best = 0.0, 0.0, -1.0
        for place in range(days.shape[0] - 1):
            before, part = before + days[place, student], part + parts[place, student]
            since = every - before
            squares[place] = -1.0
            if before >= minimum and since >= minimum:
                found[place] = (whole - part) / max(since, 1.0) - part / max(before, 1.0)
                # Of all days together there are as many at any parting: they need not divide it.
                squares[place] = found[place] * found[place] * before * since
                best = max(best, squares[place])
        told[student] = np.nan
        for place in range(days.shape[0] - 1):
            if best >= 0.0 and squares[place] >= best * AS_MUCH:
                told[student] = found[place]
                break
    return told
