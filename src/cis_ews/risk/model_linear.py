"""The linear part of a model: logistic regression with a ridge penalty, and signs where the features have a direction.

Columns are cut at the range of training, missing values take the training mean, and a column that had missing values
gets a second one that says so. Everything is measured as distance from the training mean, so that the contribution of a
column is its coefficient times that distance: exact SHAP values for features taken as independent (Lundberg and Lee,
2017, corollary 1), with the margin at the means as base value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


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
        away = np.clip(values, self.low[column], self.high[column]) - self.mean[column]
        said = self.coefficient[column] * np.where(missing, 0.0, away)
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
) -> LinearPart:
    """Fit on all rows. `directions` (1, -1 or 0 a column) bound the signs; `penalty` is scikit-learn's 1/C; `weights`:
    how much each row counts."""
    # A column without any value (in a fold it can happen) is at zero all along.
    low, high = (np.nan_to_num(ends.reduce(matrix, axis=0)) for ends in (np.fmin, np.fmax))
    columns, mean, missing_share = _distances(matrix)
    incomplete = np.flatnonzero(missing_share > 0.0)
    scale = columns.std(axis=0)
    scale[scale == 0.0] = 1.0
    columns /= scale
    lower, upper = bounds_of(np.concatenate([directions, np.zeros(incomplete.size, dtype=np.int64)]))
    base_value, found = solve_logistic(columns, label, weights=weights, penalty=penalty, lower=lower, upper=upper)
    coefficient = found / scale
    missing_coefficient = np.zeros(matrix.shape[1])
    missing_coefficient[incomplete] = coefficient[matrix.shape[1] :]
    return LinearPart(base_value, low, high, mean, coefficient[: matrix.shape[1]], missing_share, missing_coefficient)


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


def bounds_of(directions: NDArray[np.int64]) -> tuple[Vector, Vector]:
    """The least and the greatest coefficient that each direction allows."""
    return np.where(directions > 0, 0.0, -np.inf), np.where(directions < 0, 0.0, np.inf)


def solve_logistic(
    columns: Vector,
    label: Vector,
    *,
    weights: Vector | None = None,
    penalty: float,
    lower: Vector,
    upper: Vector,
    offset: Vector | float = 0.0,
) -> tuple[float, Vector]:
    """The intercept and coefficients of least penalised log loss, by L-BFGS-B within the bounds."""
    from scipy import optimize, special
    from threadpoolctl import threadpool_limits

    solver, expit, rows = cast("Any", optimize), cast("Any", special).expit, label.size
    counts = 1.0 if weights is None else weights

    def loss(point: Vector) -> tuple[float, Vector]:
        slopes = point[1:]
        margin = columns @ slopes + point[0] + offset
        residual: Vector = counts * (expit(margin) - label)
        lost: Vector = counts * (np.logaddexp(0.0, margin) - label * margin)
        value = float(lost.mean()) + penalty * float(slopes @ slopes) / (2 * rows)
        slope = (columns.T @ residual + penalty * slopes) / rows
        return value, np.concatenate([[residual.mean()], slope])

    bounds = solver.Bounds(np.concatenate([[-np.inf], lower]), np.concatenate([[np.inf], upper]))
    options = {"maxiter": 1_000, "ftol": 1e-12, "gtol": 1e-7}
    start = np.zeros(columns.shape[1] + 1)
    # Sums over rows come out the same whatever the machine's threads are only where one thread makes them.
    with threadpool_limits(1):
        found = solver.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return float(found.x[0]), np.asarray(found.x[1:], dtype=np.float64)
