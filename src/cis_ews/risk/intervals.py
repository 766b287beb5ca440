"""How sure a risk is: bounds for the share that goes off track among students with the same margin.

Held-out students whose margin was at most that of this student had, on average, at most this student's risk, and
those whose margin was at least as high had at least it: risk rises with the margin, as the calibrator says too. So a
lower bound for the share among the nearest students below is one for this student, and an upper bound for the nearest
above. How many are near is not known beforehand: groups of 50, 100, 200 ... students are taken, each bounded with a
part of the error that is allowed, and the best bound counts. Why not Venn-Abers or a bootstrap:
docs/adr/0017-bounds-from-neighbors.md.

    Wilson, E. B. (1927), Probable inference, the law of succession, and statistical inference. JASA 22, 209-212.
    Yang, F. and Barber, R. F. (2019), Contraction and uniform convergence of isotonic regression. EJS 13, 646-677.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cis_ews.risk.model_linear import Vector

CONFIDENCE = 0.90
FEWEST_STUDENTS = 50
STEPS = 512
"""At how many margins a bound can change: a table of some kilobytes, whatever the number of students."""


@dataclass(frozen=True)
class Band:
    """Bounds by margin: `low` holds from its margin upward, `high` from its margin downward; both rise with it."""

    margins: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        rises = all(list(values) == sorted(values) for values in (self.margins, self.low, self.high))
        is_share = all(0.0 <= value <= 1.0 for value in (*self.low, *self.high))
        if not (rises and is_share) or not len(self.margins) == len(self.low) == len(self.high) or not self.margins:
            raise ValueError("a band has bounds that rise with the margin, one of each a margin")

    def bounds(self, margin: Vector) -> tuple[Vector, Vector]:
        """The lower and the upper bound of each margin: 0 below and 1 above all that is known."""
        low = np.concatenate([[0.0], self.low])[np.searchsorted(self.margins, margin, side="right")]
        high = np.concatenate([self.high, [1.0]])[np.searchsorted(self.margins, margin, side="left")]
        return low, high


def fit_band(
    margin: Vector, label: Vector, *, groups: NDArray[np.int64] | None = None, weights: Vector | None = None
) -> Band:
    """The band of held-out margins, with CONFIDENCE at each margin by itself.

    `groups`: rows of one group are one student at several dates, and count as one student together. `weights`: how much
    each row counts beside others; none counts for more than itself, so that weights never feign certainty.
    """
    order = np.argsort(margin, kind="stable")
    sorted_margin, sorted_label = margin[order], label[order]
    weight = np.ones(margin.size) if groups is None else 1.0 / np.bincount(groups)[groups][order]
    if weights is not None:
        weight = weight * (weights / weights.max())[order]
    steps = np.unique(np.quantile(sorted_margin, np.linspace(0.0, 1.0, STEPS), method="inverted_cdf"))
    low = _lower_bounds(sorted_margin, sorted_label, weight=weight, at=steps)
    # An upper bound for the share off track, from above, is a lower bound for the share on track, from below.
    high = 1.0 - _lower_bounds(-sorted_margin[::-1], 1.0 - sorted_label[::-1], weight=weight[::-1], at=-steps[::-1])
    return Band(tuple(steps.tolist()), tuple(low.tolist()), tuple(high[::-1].tolist()))


def _lower_bounds(margin: Vector, label: Vector, *, weight: Vector, at: Vector) -> Vector:
    """At each of some margins the lower bound of the share of positives, from those with margins up to it."""
    students = np.concatenate([np.zeros(1), np.cumsum(weight)])
    positives = np.concatenate([np.zeros(1), np.cumsum(weight * label)])
    ends = np.searchsorted(margin, at, side="right")
    doublings = int(np.log2(max(students[-1] / FEWEST_STUDENTS, 1.0)))
    sizes = [FEWEST_STUDENTS * 2.0**doubling for doubling in range(doublings + 1)]
    z = _one_sided((1.0 - CONFIDENCE) / 2.0 / len(sizes))
    best = np.zeros(at.size)
    for size in sizes:
        begins = np.searchsorted(students, students[ends] - size, side="right") - 1
        is_whole = begins >= 0
        begins = np.maximum(begins, 0)
        number = np.maximum(students[ends] - students[begins], 1.0)
        share = np.clip((positives[ends] - positives[begins]) / number, 0.0, 1.0)
        best = np.maximum(best, np.where(is_whole, _wilson_low(share, number, z=z), 0.0))
    # The least of the bounds from here upward: so they rise with the margin, and err no more often than before.
    return np.minimum.accumulate(best[::-1])[::-1]


def _wilson_low(share: Vector, number: Vector, *, z: float) -> Vector:
    middle = share + z * z / (2.0 * number)
    half = z * np.sqrt(share * (1.0 - share) / number + z * z / (4.0 * number * number))
    return np.maximum((middle - half) / (1.0 + z * z / number), 0.0)


def _one_sided(error: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(1.0 - error))
