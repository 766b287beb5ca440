"""What a model consists of, and what its two parts say together about a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cis_ews.risk.calibration import Calibrator
from cis_ews.risk.intervals import Band
from cis_ews.risk.model_encoding import Encoding
from cis_ews.risk.model_linear import LinearPart, Vector
from cis_ews.risk.model_recipe import DEFAULT, Recipe
from cis_ews.risk.model_trees import TreePart


@dataclass(frozen=True, eq=False)
class ModelParts:
    """The parts of a model; `trees` or `linear` is None where the other is used alone. `trees_share` is the weight of
    the trees in the margin, and the rest is the weight of the linear part. `band`: None where the model was made before
    there were bounds. `recipe`: what kind of model was asked for."""

    encoding: Encoding
    trees: TreePart | None
    linear: LinearPart | None
    trees_share: float
    calibrator: Calibrator
    summary: Mapping[str, object]
    band: Band | None = None
    recipe: Recipe = DEFAULT

    def margin(self, matrix: Vector) -> Vector:
        """Log-odds of each row of an encoded matrix, before calibration."""
        return self._margin(matrix, self.trees.margin(matrix) if self.trees else None)

    def _margin(self, matrix: Vector, of_trees: Vector | None) -> Vector:
        margin = np.zeros(matrix.shape[0])
        if of_trees is not None:
            margin += self.trees_share * of_trees
        if self.linear:
            margin += (1.0 - self.trees_share) * self.linear.margin(matrix)
        return margin

    def probability(self, matrix: Vector) -> Vector:
        """Calibrated probability of each row of an encoded matrix."""
        return self.calibrator.probability(self.margin(matrix))

    def bounds(self, margin: Vector, risk: Vector) -> tuple[Vector, Vector] | None:
        """How low and how high a risk may be; around the risk itself, whatever the band says."""
        if self.band is None:
            return None
        low, high = self.band.bounds(margin)
        return np.minimum(low, risk), np.maximum(high, risk)

    def contributions(self, matrix: Vector) -> Vector:
        """Rows x (features + 1): the blend of both parts' SHAP values a feature, and the base value last.

        The SHAP value of a sum is the sum of the SHAP values, and columns of one feature are added together.
        """
        total = np.empty((matrix.shape[0], len(self.encoding.features) + 1), order="F")
        self._contribute(matrix, self.trees.contributions(matrix) if self.trees else None, total)
        return total

    def explain(self, matrix: Vector, told: Vector, *, is_single: bool) -> None:
        """Write into `told` the `contributions` and, in one more column, the last, the `probability`.

        `is_single`: whether all numbers of the matrix are known to be whole as float32.
        """
        said, margin = self.trees.explained(matrix, is_single=is_single) if self.trees else (None, None)
        self._contribute(matrix, said, told[:, :-1])
        told[:, -1] = self.calibrator.probability(self._margin(matrix, margin))

    def _contribute(self, matrix: Vector, of_trees: Vector | None, total: Vector) -> None:
        owners = self.encoding.owners
        total[:] = 0.0
        if of_trees is not None:
            for column, owner in enumerate([*owners, -1]):
                total[:, owner] += self.trees_share * of_trees[:, column]
        if self.linear:
            for column, said in enumerate(self.linear.contributions(matrix)):
                total[:, owners[column]] += (1.0 - self.trees_share) * said
            total[:, -1] += (1.0 - self.trees_share) * self.linear.base_value
