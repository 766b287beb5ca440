"""How a model is fitted: each part on held-out folds, blended and calibrated there, then on all rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.risk.calibration import choose_calibrator, log_loss
from cis_ews.risk.intervals import fit_band
from cis_ews.risk.model_encoding import Encoding
from cis_ews.risk.model_linear import LinearPart, Vector, fit_linear
from cis_ews.risk.model_parts import ModelParts
from cis_ews.risk.model_trees import TreeFit, fit_trees, grow_trees

TREE_SHARES = (0.0, 1.0, *(tenth / 10 for tenth in range(1, 10)))
"""The shares of the trees that a blend is chosen from, one part alone first: it wins a near tie."""
NEAR_TIE = 0.0005
"""Log loss, in nats a row, that a blend has to gain over one part alone."""
RIDGE = 10.0


def fit_parts(
    features: pl.DataFrame,
    label: Vector,
    *,
    folds: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    weights: Vector | None = None,
    directions: Mapping[str, int],
    seed: int,
    threads: int,
) -> ModelParts:
    """Fit on checked features and label. The same for any number of threads."""
    encoding = Encoding.learn(features)
    matrix = encoding.matrix(features)
    signs = _signs(encoding, directions)
    trees = fit_trees(matrix, label, folds=folds, weights=weights, directions=signs, seed=seed, threads=threads)
    linear = fit_linear(matrix, label, weights=weights, directions=signs, penalty=RIDGE, may_bend=True)
    held_out = _linear_held_out(matrix, label, folds=folds, weights=weights, signs=signs)
    margins = {share: share * trees.held_out + (1.0 - share) * held_out for share in TREE_SHARES}
    losses = {share: log_loss(label, margin, weights=weights) for share, margin in margins.items()}
    share = simplest(losses)
    calibrator, calibrated = choose_calibrator(margins[share], label, folds=folds, weights=weights)
    held_out_losses = {"trees": losses[1.0], "linear": losses[0.0], "blend": losses[share], "calibrated": calibrated}
    return ModelParts(
        encoding,
        trees=trees.part if share else None,
        linear=linear if share < 1.0 else None,
        trees_share=share,
        calibrator=calibrator,
        band=fit_band(margins[share], label, groups=groups, weights=weights),
        summary={
            "rows": label.size,
            "positives": int(label.sum()),
            "features": len(encoding.features),
            "folds": int(folds.max()) + 1,
            "seed": seed,
            "trees_share": share,
            "calibrator": calibrator.kind,
            "held_out_log_loss": held_out_losses,
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
    matrix, signs = parts.encoding.matrix(features), _signs(parts.encoding, directions)
    trees = parts.trees and grow_trees(
        matrix,
        label,
        rounds=parts.trees.trees,
        weights=weights,
        directions=signs,
        seed=seed,
        threads=threads,
    )
    if trees_alone or parts.linear is None:
        return replace(parts, trees=trees)
    may_bend = parts.linear.bends.at.size > 0
    linear = fit_linear(matrix, label, weights=weights, directions=signs, penalty=RIDGE, may_bend=may_bend)
    return replace(parts, trees=trees, linear=linear)


def _signs(encoding: Encoding, directions: Mapping[str, int]) -> NDArray[np.int64]:
    """The direction of each column of the matrix."""
    return np.array([directions.get(name, 0) for name in encoding.names], dtype=np.int64)[encoding.owners]


def simplest(losses: Mapping[float, float]) -> float:
    """The first share whose log loss is no more than a near tie above the least."""
    least = min(losses.values())
    return next(share for share, loss in losses.items() if loss <= least + (NEAR_TIE if share in (0.0, 1.0) else 0.0))


def _linear_held_out(
    matrix: Vector, label: Vector, *, folds: NDArray[np.int64], weights: Vector | None, signs: NDArray[np.int64]
) -> Vector:
    held_out = np.empty_like(label)
    for fold in np.unique(folds):
        held = folds == fold
        known = None if weights is None else weights[~held]
        part: LinearPart = fit_linear(
            matrix[~held], label[~held], weights=known, directions=signs, penalty=RIDGE, may_bend=True
        )
        held_out[held] = part.margin(matrix[held])
    return held_out


def _size(trees: TreeFit, share: float) -> dict[str, int]:
    return {"trees": trees.part.trees, "leaves": trees.part.leaves} if share else {"trees": 0, "leaves": 0}
