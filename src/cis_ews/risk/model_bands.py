"""Grade bands in the linear part: coefficients of each band, pulled to their mean.

Absence does not mean the same in grade 2 and in grade 10. With bands, each column has a coefficient b_k for each grade
band k, within the bounds of its direction, and a band has a step of its own. What is penalised is the mean of the
coefficients, weighted by the bands' shares p_k, as a single coefficient would be; and, times `pooling`, the squares of
their distances from it (partial pooling: Gelman and Hill 2007, Data Analysis Using Regression and Multilevel/
Hierarchical Models, chapter 12). Much pooling gives one coefficient for all, little gives each band its own. Rows whose
grade is not known go by the mean.

A coefficient that hangs on the grade is an interaction. For features taken as independent its SHAP value is shared
equally between the two (Lundberg and Lee 2017): with d the column's distance from its mean and m = sum of p_k b_k, the
column gets (m + b_k) d / 2, and the grade (b_k - m) d / 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cis_ews.enums import GRADE_BANDS
from cis_ews.errors import ModelError
from cis_ews.risk.model_encoding import Encoding
from cis_ews.risk.model_solver import bounds_of, solve_logistic

Vector = NDArray[np.float64]

GRADE = "grade"
"""The feature whose numbers are grades, kindergarten as 0."""
STARTS = tuple(float(grades[0].value) for grades in list(GRADE_BANDS.values())[1:])
"""The grades with which the second band and each further one begin."""
_HINT = "leave pooling out, or give the feature grade: 0 for kindergarten, 1 to 12"


@dataclass(frozen=True, eq=False)
class GradeBands:
    """What the bands of a linear part are, and their own coefficients.

    `column`: that of the grade. `starts`: the grade with which each band but the first begins. `share`: of each band,
    of the rows whose grade is known. `step`: of each band, in log-odds, 0 on average. `coefficient`,
    `missing_coefficient` and `slope`: as those of the linear part, a row a band.
    """

    column: int
    starts: Vector
    share: Vector
    step: Vector
    coefficient: Vector
    missing_coefficient: Vector
    slope: Vector

    def of(self, matrix: Vector) -> NDArray[np.int64]:
        """The number of the band of each row; one more than the last where the grade is not known."""
        return _bands_of(matrix[:, self.column], self.starts)

    def steps(self, bands: NDArray[np.int64]) -> Vector:
        """The step of the band of each row, 0 where the grade is not known."""
        return np.append(self.step, 0.0)[bands]


class Pooling(NamedTuple):
    """The column of the grade, and how strongly the coefficients of bands are pulled together."""

    column: int
    strength: float


def pooling_of(encoding: Encoding, *, strength: float | None, signs: NDArray[np.int64]) -> Pooling | None:
    """Where the grade stands among the columns. Raises ModelError where bands are asked for and cannot be told."""
    if strength is None:
        return None
    if GRADE not in encoding.names:
        raise ModelError("the recipe asks for grade bands, and there is no feature grade", hint=_HINT)
    place = encoding.names.index(GRADE)
    if encoding.features[place].is_category:
        raise ModelError("the recipe asks for grade bands, and the feature grade is text", hint=_HINT)
    column = int(np.flatnonzero(encoding.owners == place)[0])
    if signs[column]:
        raise ModelError(
            "the recipe asks for grade bands, and the grade is to move the risk one way alone",
            hint="leave the direction of grade out, or pooling",
        )
    return Pooling(column, strength)


class Found(NamedTuple):
    """The intercept, the mean of the bands' coefficients, each band's own (a row a band), steps, shares of rows."""

    base_value: float
    mean: Vector
    each: Vector
    step: Vector
    share: Vector


def solve_by_band(
    columns: Vector,
    label: Vector,
    *,
    grades: Vector,
    is_grade: NDArray[np.bool_],
    weights: Vector | None,
    signs: NDArray[np.int64],
    penalties: tuple[float, float],
    penalised: Vector | None,
) -> Found:
    """As `solve_logistic`, with a coefficient for each column and band, and one for each column of the grade.

    `penalties`: that of the mean, and that of the distances from it. `penalised`: of the columns as they are given.
    """
    bands, count = _bands_of(grades, np.array(STARTS)), len(STARTS) + 1
    # By bands, so that a block of rows has zeros in most columns.
    order = np.argsort(bands, kind="stable")
    member = np.eye(count + 1, count)[bands[order]]
    known = int((bands < count).sum())
    if not known:
        raise ModelError("the recipe asks for grade bands, and no grade is known", hint=_HINT)
    share = member.sum(axis=0) / known
    member[known:] = share
    spread = np.sqrt(share * (1.0 - share))
    spread[spread == 0.0] = 1.0
    own, width = int(is_grade.sum()), int((~is_grade).sum())
    several, steps = slice(own, own + count * width), slice(own + count * width, None)
    made = np.empty((order.size, own + count * width + count), order="F")
    made[:, :own] = columns[np.ix_(order, is_grade)]
    made[:, several] = np.concatenate(
        [columns[np.ix_(order, ~is_grade)] * member[:, [band]] for band in range(count)], 1
    )
    made[:, steps] = (member - share) / spread
    bounded = np.concatenate([signs[is_grade], np.tile(signs[~is_grade], count), np.zeros(count, dtype=np.int64)])
    base_value, found = solve_logistic(
        made,
        label[order],
        weights=None if weights is None else weights[order],
        penalty=penalties[0],
        bounds=bounds_of(bounded),
        penalised=_penalised(
            np.eye(signs.size) if penalised is None else penalised,
            is_grade=is_grade,
            share=share,
            pull=penalties[1] / penalties[0],
        ),
        has_zeros=True,
    )
    each = np.empty((count, signs.size))
    each[:, is_grade], each[:, ~is_grade] = found[:own], found[several].reshape(count, width)
    step = found[steps] / spread
    return Found(base_value, share @ each, each, step - share @ step, share)


def _penalised(each: Vector, *, is_grade: NDArray[np.bool_], share: Vector, pull: float) -> Vector:
    """Combinations of all coefficients: those of the grade, of the mean of the bands, of the distances from it, steps.

    `each`: the combinations of one coefficient a column.
    """
    of_grade, others = each[np.ix_(is_grade, is_grade)], each[np.ix_(~is_grade, ~is_grade)]
    apart = np.sqrt(pull) * np.kron(np.eye(share.size) - share, others)
    of_bands = np.concatenate([np.kron(share, others), apart])
    (high, wide), own, count = of_bands.shape, len(of_grade), share.size
    whole = np.zeros((own + high + count, own + wide + count))
    whole[:own, :own], whole[own : own + high, own : own + wide] = of_grade, of_bands
    whole[own + high :, own + wide :] = np.eye(count)
    return whole


def _bands_of(grades: Vector, starts: Vector) -> NDArray[np.int64]:
    bands = np.searchsorted(starts, grades, side="right")
    return np.where(np.isnan(grades), starts.size + 1, bands)
