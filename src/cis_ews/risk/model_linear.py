"""The linear part of a model: logistic regression with a ridge penalty, and signs where the features have a direction.

Columns are cut at the range of training, missing values take the training mean, and a column that had missing values
gets a second one that says so; a column of numbers may have bends (`model_bends`). Everything is measured as distance
from the training mean, so that the contribution of a column is its coefficient times that distance: exact SHAP values
for features taken as independent (Lundberg and Lee, 2017, corollary 1), with the margin at the means as base value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cis_ews.risk.model_bands import STARTS, GradeBands, Pooling, solve_by_band
from cis_ews.risk.model_bends import NO_BENDS, Bends, changes_of_slope, from_mean, piece, places_of_bends
from cis_ews.risk.model_solver import Vector, bounds_of, solve_logistic

MOST_ROWS = 30_000
"""Of more rows so many are drawn to fit on: a few hundred coefficients gain little from others."""


@dataclass(frozen=True, eq=False)
class LinearPart:
    """Coefficients in log-odds a unit of each column; `missing_*` are those of the columns' missing values. With
    `bands` they are the means of the bands' own."""

    base_value: float
    low: Vector
    high: Vector
    mean: Vector
    coefficient: Vector
    missing_share: Vector
    missing_coefficient: Vector
    bends: Bends = NO_BENDS
    bands: GradeBands | None = None

    def contributions(self, matrix: Vector) -> Iterator[Vector]:
        """What each column of the matrix adds to the base value, one column after another: exact SHAP values."""
        if self.bands is None:
            return (self._contribution(matrix[:, column], column) for column in range(matrix.shape[1]))
        return iter(self._shared(matrix, self.bands))

    def margin(self, matrix: Vector) -> Vector:
        """Log-odds of each row."""
        margin = np.full(matrix.shape[0], self.base_value)
        for said in self.contributions(matrix) if self.bands is None else self._effects(matrix, self.bands):
            margin += said
        return margin

    @cached_property
    def lines(self) -> tuple[LinearPart, ...]:
        """One for the students of each grade band, and last the one for students whose grade is not known."""
        pooled = replace(self, bands=None)
        if self.bands is None:
            return (pooled,)
        own = zip(self.bands.coefficient, self.bands.missing_coefficient, self.bands.slope, strict=True)
        of_bands = (
            replace(pooled, coefficient=each, missing_coefficient=missing, bends=replace(self.bends, slope=slope))
            for each, missing, slope in own
        )
        return (*of_bands, pooled)

    def on_lines(self, matrix: Vector, column: int) -> Vector:
        """What a column adds on each of the `lines`: lines x rows."""
        return np.stack([line._contribution(matrix[:, column], column) for line in self.lines])

    def _effects(self, matrix: Vector, bands: GradeBands) -> Iterator[Vector]:
        # Not half and half: so that what a column moves one way is moved so to the last bit, whatever the grade.
        band_of = bands.of(matrix)
        for column in range(matrix.shape[1]):
            yield _chosen(self.on_lines(matrix, column), band_of)
        yield bands.steps(band_of)

    def _shared(self, matrix: Vector, bands: GradeBands) -> list[Vector]:
        band_of = bands.of(matrix)
        of_grade, told = bands.steps(band_of), list[Vector]()
        for column in range(matrix.shape[1]):
            on_lines = self.on_lines(matrix, column)
            half = (_chosen(on_lines, band_of) - on_lines[-1]) / 2.0
            told.append(on_lines[-1] + half)
            of_grade += half
        told[bands.column] += of_grade
        return told

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
    pooling: Pooling | None = None,
) -> LinearPart:
    """Fit on all rows, or MOST_ROWS of them. `directions` (1, -1 or 0 a column) bound the signs; `penalty` is
    scikit-learn's 1/C; `weights`: how much each row counts; `may_bend`: whether columns of numbers may have bends;
    `pooling`: whether each grade band has coefficients of its own."""
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
    if pooling is None:
        base_value, slopes = solve_logistic(
            columns, label, weights=weights, penalty=penalty, bounds=bounds_of(signs), penalised=lines.penalised
        )
        bands = None
    else:
        found = solve_by_band(
            columns,
            label,
            grades=matrix[:, pooling.column],
            is_grade=np.concatenate([np.arange(width, dtype=np.int64), incomplete, lines.bent]) == pooling.column,
            weights=weights,
            signs=signs,
            penalties=(penalty, pooling.strength),
            penalised=lines.penalised,
        )
        base_value, slopes = found.base_value, found.mean
        own = _parted(found.each / scale, width=width, incomplete=incomplete)
        bands = GradeBands(pooling.column, np.array(STARTS), found.share, found.step, *own)
    coefficient, missing_coefficient, slope = _parted(slopes / scale, width=width, incomplete=incomplete)
    bends = Bends(lines.bent, lines.at, lines.rise, slope)
    return LinearPart(base_value, low, high, mean, coefficient, missing_share, missing_coefficient, bends, bands)


def _parted(slopes: Vector, *, width: int, incomplete: NDArray[np.int64]) -> tuple[Vector, Vector, Vector]:
    """The coefficients of the matrix, of its missing values, and of the pieces of lines; the last axis is parted."""
    missing = np.zeros((*slopes.shape[:-1], width))
    begins = width + incomplete.size
    missing[..., incomplete] = slopes[..., width:begins]
    return slopes[..., :width], missing, slopes[..., begins:]


def _chosen(on_lines: Vector, lines: NDArray[np.int64]) -> Vector:
    """Of each row what it has on its line."""
    return np.take_along_axis(on_lines, lines[np.newaxis], axis=0)[0]


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
