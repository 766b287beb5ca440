"""How uncertain a gap between a group and all others is where students of one school are alike.

A gap of two ratios, each a sum over a sum, is linearised: what each student moves it by. Students of a school are added
up, and the schools, which have nothing to do with each other, say how far the gap may be off.

    Liang, K.-Y. and Zeger, S. L. (1986), Longitudinal data analysis using generalized linear models. Biometrika 73,
    13-22.
    Cameron, A. C. and Miller, D. L. (2015), A practitioner's guide to cluster-robust inference. Journal of Human
    Resources 50, 317-372 (the factor G / (G - 1), and Student's t of G - 1 degrees of freedom).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cis_ews.evaluation.bootstrap import LEVEL
from cis_ews.evaluation.outcomes import Vector


@dataclass(frozen=True, eq=False, slots=True)
class Sums:
    """Of each school the sum of a measure and of its denominator; the same schools in the same order everywhere."""

    total: Vector
    of: Vector

    def without(self, other: Sums) -> Sums:
        """Of everybody but a group."""
        return Sums(self.total - other.total, self.of - other.of)

    @property
    def moved(self) -> Vector:
        """By how much the students of each school move the ratio of the sums."""
        whole = self.of.sum()
        return (self.total - self.total.sum() / whole * self.of) / whole


@dataclass(frozen=True, slots=True)
class ClusteredGap:
    """The deviation of a gap, and the degrees of freedom that it was told from."""

    deviation: float
    freedom: int

    @property
    def half_width(self) -> float:
        """Half of the 95 % interval."""
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, (1.0 + LEVEL) / 2.0)) * self.deviation

    def p_of(self, gap: float) -> float:
        """How likely a gap as large would be by chance. Where no school moves it another way than the others, a gap is
        no chance of schools, however likely it is of students."""
        from scipy.special import stdtr

        if self.deviation == 0.0:
            return 0.0 if gap else 1.0
        return float(2.0 * stdtr(self.freedom, -abs(gap) / self.deviation))


def clustered_gap(group: Sums, rest: Sums) -> ClusteredGap | None:
    """How uncertain the ratio of a group less that of the rest is; None of a single school."""
    if group.of.size < 2:
        return None
    return ClusteredGap(_deviation(group.moved - rest.moved), group.of.size - 1)


def clustered_mean(values: Vector, clusters: Vector) -> tuple[float, float | None]:
    """The mean of one value a row, and its standard error; None of a single cluster. `clusters`: a number a row."""
    _, of = np.unique(clusters, return_inverse=True)
    total, rows = (np.bincount(of, weights=each).astype(np.float64) for each in (values, np.ones(values.size)))
    sums = Sums(total, rows)
    return float(values.mean()), None if sums.of.size < 2 else _deviation(sums.moved)


def _deviation(moved: Vector) -> float:
    return float(np.sqrt(moved.size / (moved.size - 1) * (moved @ moved)))
