"""Intervals of a share, and of the difference of two, from counts alone.

Wilson, E. B. (1927), Probable inference, the law of succession, and statistical inference. JASA 22, 209-212.
Newcombe, R. G. (1998), Interval estimation for the difference between independent proportions: comparison of
eleven methods. Statistics in Medicine 17, 873-890 (method 10).
Holm, S. (1979), A simple sequentially rejective multiple test procedure. Scand. J. Statist. 6, 65-70.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Z = 1.959963984540054
"""The quantile of the normal distribution that belongs to 95 %."""


def wilson(share: float, number: float) -> tuple[float, float]:
    """The 95 % interval of a share of a number of students."""
    middle, square = share + Z * Z / (2.0 * number), Z * Z / number
    half = Z * math.sqrt(share * (1.0 - share) / number + (Z / (2.0 * number)) ** 2)
    return max(0.0, (middle - half) / (1.0 + square)), min(1.0, (middle + half) / (1.0 + square))


def difference(share: float, number: float, *, other: float, of_other: float) -> tuple[float, float]:
    """The 95 % interval of one share less another, of two groups that have nobody in common."""
    (low, high), (other_low, other_high) = wilson(share, number), wilson(other, of_other)
    gap = share - other
    below = math.hypot(share - low, other_high - other)
    above = math.hypot(high - share, other - other_low)
    return max(-1.0, gap - below), min(1.0, gap + above)


def p_of_difference(share: float, number: float, *, other: float, of_other: float) -> float:
    """How likely a difference as large would be by chance: the two-sided test of two shares with their common share."""
    common = (share * number + other * of_other) / (number + of_other)
    deviation = math.sqrt(max(common * (1.0 - common), 0.0) * (1.0 / number + 1.0 / of_other))
    return 1.0 if deviation == 0.0 else math.erfc(abs(share - other) / deviation / math.sqrt(2.0))


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p-value as if it were the only one, so that of all together one in twenty audits errs at most."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, least = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = least
    return adjusted
