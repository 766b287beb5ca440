"""Bends: where the line of a column of numbers may change its slope, so that "twice as bad" need not be twice the risk.

A column with bends is a broken line (a linear spline) in log-odds, still a function of that column alone: its SHAP
value is the line's height above its mean. What is penalised is how much the slope changes at each bend, so that without
evidence a line stays straight.
"""

from __future__ import annotations

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
    """Bends of all columns, by column and place. `rise`: what is above `at`, on average over the known values;
    `change`: by how much the slope is higher from there on, in log-odds a unit."""

    column: NDArray[np.int64]
    at: Vector
    rise: Vector
    change: Vector

    def of(self, column: int) -> range:
        """The places of a column's bends."""
        return range(*np.searchsorted(self.column, [column, column + 1]).tolist())


NO_BENDS = Bends(np.empty(0, dtype=np.int64), *(np.empty(0) for _ in range(3)))


def places_of_bends(matrix: Vector) -> tuple[NDArray[np.int64], Vector]:
    """The column and the place of each bend that the columns of a matrix may have."""
    columns: list[int] = []
    places: list[float] = []
    for column in range(matrix.shape[1]):
        known = matrix[~np.isnan(matrix[:, column]), column]
        values = np.unique(known)
        if values.size < FEWEST_VALUES:
            continue
        inside = np.unique(np.quantile(known, QUANTILES))
        inside = inside[(inside > values[0]) & (inside < values[-1])]
        columns += [column] * inside.size
        places += inside.tolist()
    return np.array(columns, dtype=np.int64), np.array(places)


def above(matrix: Vector, column: NDArray[np.int64], at: Vector) -> tuple[Vector, Vector]:
    """How far each value is above each bend, less the mean of the known values, 0 where missing; and the means."""
    columns = np.empty((matrix.shape[0], at.size), order="F")
    means = np.empty(at.size)
    for place in range(at.size):
        values = matrix[:, column[place]]
        missing = np.isnan(values)
        over = np.where(missing, 0.0, np.maximum(values - at[place], 0.0))
        means[place] = over.sum() / max(int((~missing).sum()), 1)
        over -= means[place]
        over[missing] = 0.0
        columns[:, place] = over
    return columns, means


def as_slopes(
    columns: Vector, scale: Vector, *, begins: int, bent: NDArray[np.int64], directed: NDArray[np.bool_]
) -> Vector | None:
    """Turn a column that has a direction, and its bends, into one column a piece of its line, in place.

    The coefficient of a piece is its slope, whose sign can be bound. `columns`: scaled; those from `begins` on are the
    bends of the columns `bent`. Returns the matrix that gives the changes of slope of the slopes; None: nothing is to
    be turned.
    """
    if not directed[bent].any():
        return None
    changes = np.eye(columns.shape[1])
    for column in np.unique(bent[directed[bent]]):
        pieces = [int(column), *(begins + np.flatnonzero(bent == column)).tolist()]
        unit = scale[column]
        for here, after in zip(pieces, [*pieces[1:], None], strict=True):
            columns[:, here] *= scale[here] / unit
            if after is not None:
                columns[:, here] -= columns[:, after] * (scale[after] / unit)
        for before, here in pairwise(pieces):
            changes[here, here] = scale[here] / unit
            changes[here, before] = -scale[here] / unit
    return changes
