"""Bends: where the line of a column of numbers may change its slope, so that "twice as bad" need not be twice the risk.

A column with bends is a broken line (a linear spline) in log-odds, still a function of that column alone: its SHAP
value is the line's height above its mean. It is kept as one slope a piece: a sum of pieces that each rise is rising,
to the last bit. What is penalised is how much the slope changes at each bend, so that without evidence a line stays
straight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Where bends stand: at these shares of a column's known values, each place once, never at either end."""
FEWEST_VALUES = 6
"""A column of fewer different values has no bends."""


@dataclass(frozen=True, eq=False)
class Bends:
    """Bends of all columns, by column and place; the first piece of a line ends at its first bend.

    `slope`: in log-odds a unit, from `at` to the next bend; `rise`: how far values reach into that piece, on average
    over the known ones.
    """

    column: NDArray[np.int64]
    at: Vector
    rise: Vector
    slope: Vector

    def pieces(self, column: int) -> list[tuple[int, float, float]]:
        """Of each bend of a column its place here, and where the piece from it on begins and ends."""
        first, stop = np.searchsorted(self.column, [column, column + 1]).tolist()
        edges = [*self.at[first:stop].tolist(), np.inf]
        return [(first + number, *ends) for number, ends in enumerate(pairwise(edges))]


NO_BENDS = Bends(np.empty(0, dtype=np.int64), *(np.empty(0) for _ in range(3)))


def places_of_bends(values: Vector) -> list[float]:
    """Where the line of a column may bend."""
    known = values[~np.isnan(values)]
    different = np.unique(known)
    if different.size < FEWEST_VALUES:
        return []
    inside = np.unique(np.quantile(known, QUANTILES))
    return inside[(inside > different[0]) & (inside < different[-1])].tolist()


def piece(values: Vector, begin: float, end: float) -> Vector:
    """How far each value reaches into a piece of the line; NaN where it is missing."""
    return np.clip(values, begin, end) - begin


def from_mean(values: Vector) -> tuple[Vector, float]:
    """Distances from the mean of the known values, 0 where missing; the mean."""
    mean = float(np.nanmean(values))
    return np.nan_to_num(values - mean), mean


def changes_of_slope(straight: Vector, values: Vector, at: Sequence[float]) -> Vector:
    """What is penalised of a line: a row for its first slope and for each change, of the slopes of its pieces.

    `straight`: the column's distances from its mean. Slopes are those of a column scaled to a deviation of 1; a change
    weighs as much as that of a column of its own, of what lies above the bend.
    """
    unit = straight.std()
    above = [from_mean(np.maximum(values - bend, 0.0))[0].std() / unit for bend in at]
    weights = np.array([1.0, *above])
    return np.diag(weights) - np.diag(weights[1:], k=-1)
