"""Small LightGBM boosters of every kind, and rows that stand where a walk could go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from cis_ews.risk.exact_shap import exact_shap_values
from cis_ews.risk.shap_trees import CATEGORY, ShapTree, read_forest

ODD = [np.nan, 0.0, -0.0, 1e-36, -1e-36, 1e-35, -1e-35, 1e-34, -1e-34, np.inf, -np.inf, 1e30, -1e30, -0.5, -1.0, 1e10]


def made_up(rows: int, features: int, *, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Numbers with gaps, zeros and steps, a category in the second column, and an outcome that hangs on all of them."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(rows, features))
    matrix[:, ::3] = np.round(2 * matrix[:, ::3])
    outcome = matrix.sum(axis=1) + matrix[:, 0] * (matrix[:, -1] > 0) + 0.3 * random.normal(size=rows)
    matrix[random.random(matrix.shape) < 0.1] = np.nan
    matrix[random.random(matrix.shape) < 0.1] = 0.0
    if features > 1:
        matrix[:, 1] = random.integers(0, 40, rows)
        outcome += 2.0 * (matrix[:, 1] % 3 == 0)
    return matrix, outcome


def trained(
    matrix: NDArray[np.float64],
    outcome: NDArray[np.float64],
    *,
    rounds: int = 10,
    categories: Any = "auto",
    **given: Any,
) -> lightgbm.Booster:
    """A booster on one thread; regression unless said otherwise."""
    parameters = {"objective": "regression", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 2, **given}
    data = lightgbm.Dataset(matrix, outcome, categorical_feature=categories)
    return lightgbm.train(parameters, data, num_boost_round=rounds)


def at_the_edges(booster: lightgbm.Booster, matrix: NDArray[np.float64], *, seed: int = 0) -> NDArray[np.float64]:
    """Rows of a matrix, some of whose values stand at a threshold, at its float32, beside both, or at an odd place."""
    random, edges = np.random.default_rng(seed), [np.array(ODD) for _ in range(matrix.shape[1])]
    for tree in read_forest(booster.model_to_string()).trees:
        for feature, threshold, kind in zip(tree.feature, tree.threshold, tree.kind, strict=True):
            if kind != CATEGORY:
                near = float(single(threshold))
                beside = [np.nextafter(threshold, np.inf), np.nextafter(threshold, -np.inf)]
                beside += [float(np.nextafter(np.float32(near), np.float32(way))) for way in (np.inf, -np.inf)]
                edges[feature] = np.append(edges[feature], [threshold, near, *beside])
    asked = matrix.copy()
    for column, values in enumerate(edges):
        chosen = random.random(len(asked)) < 0.5
        asked[chosen, column] = random.choice(values, int(chosen.sum()))
    return asked


def single(values: Any) -> Any:
    """Values as float32, infinite where they are too large: LightGBM's last threshold may be the largest float64."""
    with np.errstate(over="ignore"):
        return np.asarray(values).astype(np.float32)


def largest_difference(booster: lightgbm.Booster, asked: NDArray[Any]) -> float:
    """From LightGBM's own contributions, and of the sums from its raw score."""
    told = exact_shap_values(booster, asked)
    expected = np.asarray(booster.predict(asked, pred_contrib=True, num_threads=1))
    raw = np.asarray(booster.predict(asked, raw_score=True, num_threads=1))
    return float(max(np.abs(told - expected).max(), np.abs(told.sum(axis=1) - raw).max()))


def in_fractions(booster: lightgbm.Booster, row: NDArray[np.float64]) -> NDArray[np.float64]:
    """The SHAP values of a row without gaps, worked out from the definition in fractions, without any rounding."""
    values = [Fraction(0)] * row.size
    for tree in read_forest(booster.model_to_string()).trees:
        _add_leaves(tree, 0, {}, row, values)
    return np.array([float(value) for value in values])


_Path = Mapping[int, tuple[Fraction, bool]]


def _add_leaves(tree: ShapTree, node: int, path: _Path, row: NDArray[np.float64], values: list[Fraction]) -> None:
    if node < 0:
        for feature, (share, is_satisfied) in path.items():
            others = [each for other, each in path.items() if other != feature]
            gain = 1 - share if is_satisfied else -share
            values[feature] += Fraction(float(tree.leaf_value[~node])) * gain * _integral(others)
        return
    feature = int(tree.feature[node])
    goes_left = bool(row[feature] <= tree.threshold[node])
    for child, is_way in ((int(tree.left[node]), goes_left), (int(tree.right[node]), not goes_left)):
        share, is_satisfied = path.get(feature, (Fraction(1), True))
        ratio = Fraction(int(tree.rows_of(child)), int(tree.rows_of(node)))
        _add_leaves(tree, child, {**path, feature: (share * ratio, is_satisfied and is_way)}, row, values)


def _integral(others: list[tuple[Fraction, bool]]) -> Fraction:
    """Of the product of z + s (1 - z) or z (1 - s) over s from 0 to 1, as a polynomial in s."""
    polynomial = [Fraction(1)]
    for share, is_satisfied in others:
        rise = 1 - share if is_satisfied else -share
        moved = [Fraction(0), *(rise * factor for factor in polynomial)]
        polynomial = [
            one + other for one, other in zip([*(share * each for each in polynomial), 0], moved, strict=True)
        ]
    return sum((factor / (power + 1) for power, factor in enumerate(polynomial)), Fraction(0))
