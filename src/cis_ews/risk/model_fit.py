"""How a model is fitted: each part on held-out folds, blended and calibrated there, then on all rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.risk.calibration import choose_calibrator, log_loss
from cis_ews.risk.intervals import fit_band
from cis_ews.risk.model_bands import Pooling, pooling_of
from cis_ews.risk.model_encoding import Encoding
from cis_ews.risk.model_linear import LinearPart, Vector, fit_linear
from cis_ews.risk.model_parts import ModelParts
from cis_ews.risk.model_recipe import DEFAULT, Recipe
from cis_ews.risk.model_trees import TreeFit, fit_trees, grow_trees

TREE_SHARES = (0.0, 1.0, *(tenth / 10 for tenth in range(1, 10)))
"""The shares of the trees that a blend is chosen from, one part alone first: it wins a near tie."""
NEAR_TIE = 0.0005
"""Log loss, in nats a row, that a blend has to gain over one part alone."""


def fit_parts(  # noqa: PLR0913 - what `RiskModel.fit` has checked
    features: pl.DataFrame,
    label: Vector,
    *,
    folds: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    weights: Vector | None = None,
    directions: Mapping[str, int],
    seed: int,
    threads: int,
    recipe: Recipe = DEFAULT,
) -> ModelParts:
    """Fit on checked features and label. The same for any number of threads."""
    encoding = Encoding.learn(features)
    rows = _Rows(encoding.matrix(features), label, weights, _signs(encoding, directions))
    trees = _trees(rows, folds=folds, seed=seed, threads=threads, recipe=recipe) if recipe.has_trees else None
    linear, of_lines = _lines(rows, encoding, folds=folds, recipe=recipe) if recipe.has_lines else (None, None)
    margins = _blends(None if trees is None else trees.held_out, of_lines)
    losses = {share: log_loss(label, margin, weights=weights) for share, margin in margins.items()}
    share = simplest(losses)
    calibrator, calibrated = choose_calibrator(margins[share], label, folds=folds, weights=weights)
    of_parts = {name: losses[whole] for name, whole in (("trees", 1.0), ("linear", 0.0)) if whole in losses}
    return ModelParts(
        encoding,
        trees=trees.part if trees and share else None,
        linear=linear if share < 1.0 else None,
        trees_share=share,
        calibrator=calibrator,
        band=fit_band(margins[share], label, groups=groups, weights=weights),
        recipe=recipe,
        summary={
            "rows": label.size,
            "positives": int(label.sum()),
            "features": len(encoding.features),
            "folds": int(folds.max()) + 1,
            "seed": seed,
            "trees_share": share,
            "calibrator": calibrator.kind,
            "held_out_log_loss": {**of_parts, "blend": losses[share], "calibrated": calibrated},
            **_size(trees, share),
        },
    )


def refit_parts(
    parts: ModelParts,
    features: pl.DataFrame,
    label: Vector,
    *,
    weights: Vector | None = None,
    directions: Mapping[str, int],
    seed: int,
    threads: int,
    trees_alone: bool = False,
) -> ModelParts:
    """The same kind of model from checked features and label: as many rounds, the same blend, calibrator and encoding.

    What `seed` changes is which rows and which features each tree sees. The linear part hangs on the rows alone: for
    the same rows and another seed it can be kept (`trees_alone`).
    """
    rows = _Rows(parts.encoding.matrix(features), label, weights, _signs(parts.encoding, directions))
    trees = parts.trees and grow_trees(
        rows.matrix,
        label,
        rounds=parts.trees.trees,
        weights=weights,
        directions=rows.signs,
        seed=seed,
        threads=threads,
        recipe=parts.recipe,
    )
    if trees_alone or parts.linear is None:
        return replace(parts, trees=trees)
    # A model that learned before there were bends has none, whatever its recipe says.
    as_it_was = replace(parts.recipe, bends=parts.linear.bends.at.size > 0)
    pooling = pooling_of(parts.encoding, strength=parts.recipe.pooling, signs=rows.signs)
    return replace(parts, trees=trees, linear=rows.line(as_it_was, pooling))


def simplest(losses: Mapping[float, float]) -> float:
    """The first share whose log loss is no more than a near tie above the least."""
    least = min(losses.values())
    return next(share for share, loss in losses.items() if loss <= least + (NEAR_TIE if share in (0.0, 1.0) else 0.0))


@dataclass(frozen=True, eq=False)
class _Rows:
    """What is learned from: an encoded matrix, and of each row its label and weight; `signs`: of each column."""

    matrix: Vector
    label: Vector
    weights: Vector | None
    signs: NDArray[np.int64]

    def line(self, recipe: Recipe, pooling: Pooling | None) -> LinearPart:
        """A linear part."""
        return fit_linear(
            self.matrix,
            self.label,
            weights=self.weights,
            directions=self.signs,
            penalty=recipe.ridge,
            may_bend=recipe.bends,
            pooling=pooling,
        )

    def of(self, rows: NDArray[np.bool_]) -> _Rows:
        """Some of the rows."""
        return _Rows(
            self.matrix[rows], self.label[rows], None if self.weights is None else self.weights[rows], self.signs
        )


def _trees(rows: _Rows, *, folds: NDArray[np.int64], seed: int, threads: int, recipe: Recipe) -> TreeFit:
    return fit_trees(
        rows.matrix,
        rows.label,
        folds=folds,
        weights=rows.weights,
        directions=rows.signs,
        seed=seed,
        threads=threads,
        recipe=recipe,
    )


def _lines(rows: _Rows, encoding: Encoding, *, folds: NDArray[np.int64], recipe: Recipe) -> tuple[LinearPart, Vector]:
    """The linear part of all rows, and the margins of rows that each fold's own had not seen."""
    pooling = pooling_of(encoding, strength=recipe.pooling, signs=rows.signs)
    linear, held_out = rows.line(recipe, pooling), np.empty_like(rows.label)
    for fold in np.unique(folds):
        held = folds == fold
        held_out[held] = rows.of(~held).line(recipe, pooling).margin(rows.matrix[held])
    return linear, held_out


def _blends(trees: Vector | None, linear: Vector | None) -> dict[float, Vector]:
    """The margins of each share that the trees may have, simplest first."""
    if trees is None or linear is None:
        return {0.0: linear} if linear is not None else {1.0: cast("Vector", trees)}
    return {share: share * trees + (1.0 - share) * linear for share in TREE_SHARES}


def _signs(encoding: Encoding, directions: Mapping[str, int]) -> NDArray[np.int64]:
    """The direction of each column of the matrix."""
    return np.array([directions.get(name, 0) for name in encoding.names], dtype=np.int64)[encoding.owners]


def _size(trees: TreeFit | None, share: float) -> dict[str, int]:
    if trees is None or not share:
        return {"trees": 0, "leaves": 0}
    return {"trees": trees.part.trees, "leaves": trees.part.leaves}
