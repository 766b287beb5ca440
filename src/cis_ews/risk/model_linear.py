"""The linear part of a model: logistic regression with a ridge penalty, and signs where the features have a direction.

Columns are cut at the range of training, missing values take the training mean, and a column that had missing values
gets a second one that says so; a column of numbers may have bends (`model_bends`). Everything is measured as distance
from the training mean, so that the contribution of a column is its coefficient times that distance: exact SHAP values
for features taken as independent (Lundberg and Lee, 2017, corollary 1), with the margin at the means as base value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cis_ews.risk.model_bends import NO_BENDS, Bends, changes_of_slope, from_mean, piece, places_of_bends
from cis_ews.risk.model_solver import Vector, bounds_of, solve_logistic

MOST_ROWS = 30_000
"""Of more rows so many are drawn to fit on: a few hundred coefficients gain little from others."""


@dataclass(frozen=True, eq=False)
class LinearPart:
    """Coefficients in log-odds a unit of each column; `missing_*` are those of the columns' missing values."""

    base_value: float
    low: Vector
    high: Vector
    mean: Vector
    coefficient: Vector
    missing_share: Vector
    missing_coefficient: Vector
    bends: Bends = NO_BENDS

    def contributions(self, matrix: Vector) -> Iterator[Vector]:
        """What each column of the matrix adds to the base value, one column after another."""
        for column in range(matrix.shape[1]):
            yield self._contribution(matrix[:, column], column)

    def margin(self, matrix: Vector) -> Vector:
        """Log-odds of each row."""
        margin = np.full(matrix.shape[0], self.base_value)
        for said in self.contributions(matrix):
            margin += said
        return margin

    def _contribution(self, values: Vector, column: int) -> Vector:
        # Column by column and without BLAS: a row's result does not depend on the rows beside it or on threads.
        missing = np.isnan(values)
        within = np.clip(values, self.low[column], self.high[column])
        pieces = self.bends.pieces(column)
        first = np.minimum(within, pieces[0][1]) if pieces else within
        said = self.coefficient[column] * (first - self.mean[column])
        # Each term rises, or falls, where the line does, and so does a sum in floating point.
        for place, begin, end in pieces:
            said += self.bends.slope[place] * (piece(within, begin, end) - self.bends.rise[place])
        said[missing] = 0.0
        if self.missing_coefficient[column] != 0.0:
            said += self.missing_coefficient[column] * (missing - self.missing_share[column])
        return said


def fit_linear(
    matrix: Vector,
    label: Vector,
    *,
    weights: Vector | None = None,
    directions: NDArray[np.int64],
    penalty: float,
    may_bend: bool = False,
) -> LinearPart:
    """Fit on all rows, or MOST_ROWS of them. `directions` (1, -1 or 0 a column) bound the signs; `penalty` is
    scikit-learn's 1/C; `weights`: how much each row counts; `may_bend`: whether columns of numbers may have bends."""
    # A column without any value (in a fold it can happen) is at zero all along.
    low, high = (np.nan_to_num(ends.reduce(matrix, axis=0)) for ends in (np.fmin, np.fmax))
    if label.size > MOST_ROWS:
        drawn = np.sort(np.random.default_rng(0).permutation(label.size)[:MOST_ROWS])
        matrix, label, weights = matrix[drawn], label[drawn], None if weights is None else weights[drawn]
    columns, mean, missing_share = _distances(matrix)
    width, incomplete = matrix.shape[1], np.flatnonzero(missing_share > 0.0)
    scale = columns.std(axis=0)
    scale[scale == 0.0] = 1.0
    bent = {column: places_of_bends(matrix[:, column]) for column in range(width)} if may_bend else {}
    lines = _broken(matrix, columns, mean, bent={column: at for column, at in bent.items() if at})
    columns = np.concatenate([columns, lines.columns], axis=1)
    scale = np.concatenate([scale, scale[lines.bent]])
    columns /= scale
    signs = np.concatenate([directions, np.zeros(incomplete.size, dtype=np.int64), directions[lines.bent]])
    base_value, slopes = solve_logistic(
        columns,
        label,
        weights=weights,
        penalty=penalty,
        bounds=bounds_of(signs),
        penalised=lines.penalised,
    )
    coefficient = slopes / scale
    begins = width + incomplete.size
    missing_coefficient = np.zeros(width)
    missing_coefficient[incomplete] = coefficient[width:begins]
    bends = Bends(lines.bent, lines.at, lines.rise, coefficient[begins:])
    return LinearPart(base_value, low, high, mean, coefficient[:width], missing_share, missing_coefficient, bends)


class _Lines(NamedTuple):
    """What bends add: a column for the piece from each on, and what is penalised in place of every slope."""

    columns: Vector
    bent: NDArray[np.int64]
    at: Vector
    rise: Vector
    penalised: Vector | None


def _broken(matrix: Vector, columns: Vector, mean: Vector, *, bent: Mapping[int, Sequence[float]]) -> _Lines:
    """The pieces of broken lines; in `columns` and `mean` a line's first piece takes the place of the whole."""
    begins, added = columns.shape[1], sum(map(len, bent.values()))
    penalised = np.eye(begins + added)
    pieces, rise = np.empty((matrix.shape[0], added), order="F"), np.empty(added)
    begin = 0
    for column, at in bent.items():
        values, places = matrix[:, column], slice(begin, begin + len(at))
        own = [column, *range(begins + places.start, begins + places.stop)]
        penalised[np.ix_(own, own)] = changes_of_slope(columns[:, column], values, at)
        columns[:, column], mean[column] = from_mean(np.minimum(values, at[0]))
        for place, ends in zip(range(places.start, places.stop), pairwise([*at, np.inf]), strict=True):
            pieces[:, place], rise[place] = from_mean(piece(values, *ends))
        begin = places.stop
    owners = np.repeat(np.array(list(bent), dtype=np.int64), [len(at) for at in bent.values()])
    return _Lines(pieces, owners, np.array([*chain.from_iterable(bent.values())]), rise, penalised if bent else None)


def _distances(matrix: Vector) -> tuple[Vector, Vector, Vector]:
    """Distances from the training mean, where missing values are at it, and then how far each row of an incomplete
    column is from its share of missing values; the means; the shares."""
    missing = np.isnan(matrix)
    missing_share = missing.mean(axis=0)
    incomplete = np.flatnonzero(missing_share > 0.0)
    away = np.where(missing, 0.0, matrix)
    mean = away.sum(axis=0) / np.maximum((~missing).sum(axis=0), 1)
    away -= mean
    away[missing] = 0.0
    columns = np.empty((matrix.shape[0], mean.size + incomplete.size), order="F")
    columns[:, : mean.size] = away
    np.subtract(missing[:, incomplete], missing_share[incomplete], out=columns[:, mean.size :])
    return columns, mean, missing_share
