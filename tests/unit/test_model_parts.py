"""The two parts of a model against other programs: LightGBM, shap and scikit-learn."""

from __future__ import annotations

from typing import Any

import lightgbm
import numba
import numpy as np
import pytest
import shap
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from cis_ews.errors import ModelError
from cis_ews.risk.model_encoding import Encoding
from cis_ews.risk.model_folds import assign_folds
from cis_ews.risk.model_kernel import compiled, parse_trees, raw_scores
from cis_ews.risk.model_linear import LinearPart, fit_linear
from cis_ews.risk.model_solver import bounds_of, solve_logistic
from cis_ews.risk.model_trees import TreePart, fit_trees
from tests.lib.model_frames import learnable

FRAME, LABEL = learnable()
TRUTH = LABEL.cast(float).to_numpy()
ENCODING = Encoding.learn(FRAME)
MATRIX = ENCODING.matrix(FRAME)
NORMAL = np.random.default_rng(0).normal(size=2_000)
NO_DIRECTION = np.zeros(MATRIX.shape[1], dtype=np.int64)


def _booster(matrix: NDArray[np.float64], truth: NDArray[np.float64], **parameters: Any) -> lightgbm.Booster:
    given = {"objective": "binary", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 2, **parameters}
    return lightgbm.train(given, lightgbm.Dataset(matrix, truth), num_boost_round=parameters.pop("rounds", 20))


@pytest.mark.parametrize("leaves", [2, 3, 16, 17, 32, 33, 64])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_walk_gives_the_score_of_lightgbm_to_the_last_bit(leaves: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(3_000, 6))
    matrix[:, 3:] = np.round(matrix[:, 3:])
    matrix[random.random(matrix.shape) < 0.1] = np.nan
    matrix[:, 5] = np.nan_to_num(matrix[:, 5])
    truth = (np.nansum(matrix, axis=1) + random.normal(size=3_000) > 0).astype(float)
    booster = _booster(matrix, truth, num_leaves=leaves, seed=seed, extra_trees=seed == 2)
    trees = parse_trees(booster.model_to_string(), columns=6)
    asked = np.vstack([matrix, _at_the_thresholds(trees.feature, trees.threshold, columns=6)])
    for rows in (asked, asked.astype(np.float32)):
        assert raw_scores(trees, rows).tolist() == booster.predict(rows, raw_score=True).tolist()  # pyright: ignore


def _at_the_thresholds(
    features: NDArray[np.int64], thresholds: NDArray[np.float64], *, columns: int
) -> NDArray[np.float64]:
    """Rows that stand exactly at a threshold, just above it, and at nothing, zero and infinity in one column."""
    rows = [
        (feature, value)
        for feature, threshold in zip(features, thresholds, strict=True)
        for value in (threshold, np.nextafter(threshold, np.inf), np.nan, 0.0, -0.0, np.inf, -np.inf)
    ]
    table = np.zeros((len(rows), columns))
    for row, (feature, value) in enumerate(rows):
        table[row, feature] = value
    return table


def test_trees_of_one_leaf_score_too() -> None:
    booster = _booster(MATRIX, TRUTH, min_data_in_leaf=5_000)
    trees = parse_trees(booster.model_to_string(), columns=MATRIX.shape[1])
    assert raw_scores(trees, MATRIX).tolist() == booster.predict(MATRIX, raw_score=True).tolist()  # pyright: ignore
    with pytest.raises(ModelError):
        parse_trees("tree\nend of trees\n", columns=3)


@pytest.mark.parametrize("parameters", [{"num_leaves": 65}, {"zero_as_missing": True}, {"linear_tree": True}])
def test_trees_that_the_walk_does_not_know_are_refused(parameters: dict[str, Any]) -> None:
    booster = _booster(MATRIX, TRUTH, **parameters)
    with pytest.raises(ModelError):
        parse_trees(booster.model_to_string(), columns=MATRIX.shape[1])


def test_where_no_folder_can_be_written_the_walk_is_compiled_in_memory() -> None:
    names: dict[str, Any] = {}
    exec("def double(values):\n    values *= 2.0", names)  # noqa: S102 - a function that has no file to stand beside
    with pytest.raises(RuntimeError, match="cannot cache"):
        numba.njit(cache=True)(names["double"])
    values = np.ones(2)
    compiled(names["double"])(values)
    assert values.tolist() == [2.0, 2.0]


def test_the_contributions_of_the_trees_are_those_of_shap() -> None:
    folds = assign_folds(TRUTH, None, seed=1)
    part = fit_trees(MATRIX, TRUTH, folds=folds, directions=NO_DIRECTION, seed=1, threads=1).part
    explainer = shap.TreeExplainer(lightgbm.Booster(model_str=part.text))
    ours = part.contributions(MATRIX)
    assert np.abs(explainer.shap_values(MATRIX) - ours[:, :-1]).max() < 1e-9
    assert np.abs(explainer.expected_value - ours[:, -1]).max() < 1e-9
    assert np.abs(ours.sum(axis=1) - part.margin(MATRIX)).max() < 1e-9


def test_the_trees_stay_small() -> None:
    folds = assign_folds(TRUTH, None, seed=1)
    part = fit_trees(MATRIX, TRUTH, folds=folds, directions=NO_DIRECTION, seed=1, threads=1).part
    assert 10 < part.trees <= 200
    assert part.leaves <= 15 * part.trees


def test_gaps_that_training_had_are_left_to_the_trees() -> None:
    part = TreePart("", np.array([np.nan, 3.0]))
    gaps = np.array([[np.nan, np.nan], [1.0, 1.0]])
    completed = part.completed(gaps)
    assert np.array_equal(completed, [[np.nan, 3.0], [1.0, 1.0]], equal_nan=True)
    assert np.isnan(gaps[0]).all()


@pytest.mark.parametrize("penalty", [0.1, 10.0, 300.0])
def test_without_directions_the_linear_part_is_logistic_regression(penalty: float) -> None:
    columns = np.nan_to_num(MATRIX, nan=float(np.nanmean(MATRIX[:, 1])))
    columns = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    intercept, weights = solve_logistic(columns, TRUTH, penalty=penalty, bounds=bounds_of(NO_DIRECTION))
    other = LogisticRegression(C=1.0 / penalty, tol=1e-10, max_iter=10_000).fit(columns, TRUTH)
    assert weights == pytest.approx(other.coef_[0], abs=1e-5)
    assert intercept == pytest.approx(other.intercept_[0], abs=1e-5)


def test_the_linear_part_counts_from_the_training_mean() -> None:
    """A row at the mean of every column says nothing, and on average nothing is said."""
    part = fit_linear(MATRIX, TRUTH, directions=NO_DIRECTION, penalty=1.0)
    said = np.array(list(part.contributions(MATRIX)))
    assert np.abs(said.mean(axis=1)).max() < 1e-9
    complete = ~np.isnan(MATRIX[:, 1])
    expected = part.coefficient[1] * (MATRIX[:, 1] - np.nanmean(MATRIX[:, 1]))
    gap = part.missing_coefficient[1] * part.missing_share[1]
    assert said[1][complete] == pytest.approx(expected[complete] - gap)
    assert said[1][~complete] == pytest.approx(part.missing_coefficient[1] - gap)
    assert said.sum(axis=0) + part.base_value == pytest.approx(part.margin(MATRIX))


def test_the_linear_part_is_cut_at_the_range_of_training() -> None:
    part = fit_linear(MATRIX, TRUTH, directions=NO_DIRECTION, penalty=1.0)
    beyond = np.where(np.isnan(MATRIX), np.nan, 1e9)
    assert part.margin(beyond[:5]).tolist() == part.margin(np.where(np.isnan(MATRIX), np.nan, part.high)[:5]).tolist()


def test_a_direction_bounds_a_coefficient() -> None:
    against = NO_DIRECTION.copy()
    free = fit_linear(MATRIX, TRUTH, directions=against, penalty=1.0)
    against[:2] = -np.sign(free.coefficient[:2]).astype(int)
    bound = fit_linear(MATRIX, TRUTH, directions=against, penalty=1.0)
    assert (free.coefficient[:2] != 0.0).all()
    assert bound.coefficient[:2].tolist() == [0.0, 0.0]
    agreeing = fit_linear(MATRIX, TRUTH, directions=-against, penalty=1.0)
    assert agreeing.coefficient == pytest.approx(free.coefficient, abs=1e-4)


def _bent(directions: NDArray[np.int64]) -> LinearPart:
    return fit_linear(MATRIX, TRUTH, directions=directions, penalty=10.0, may_bend=True)


def test_a_line_with_bends_is_logistic_regression_on_what_is_above_them() -> None:
    """The same as scikit-learn's on the columns, what is missing, and how far each value is above each bend."""
    part, missing = _bent(NO_DIRECTION), np.isnan(MATRIX)
    over = np.maximum(MATRIX[:, part.bends.column] - part.bends.at, 0.0)
    wide = np.concatenate([MATRIX, missing[:, part.missing_share > 0.0], over], axis=1)
    away = np.nan_to_num(wide - np.nanmean(wide, axis=0))
    other = LogisticRegression(C=0.1, tol=1e-10, max_iter=10_000).fit(away / away.std(axis=0), TRUTH)
    assert part.margin(MATRIX) == pytest.approx(other.decision_function(away / away.std(axis=0)), abs=1e-3)
    assert set(part.bends.column.tolist()) == {0, 1, MATRIX.shape[1] - 1}


def test_a_line_with_bends_counts_from_the_training_mean() -> None:
    part = _bent(NO_DIRECTION)
    said = np.array(list(part.contributions(MATRIX)))
    assert np.abs(said.mean(axis=1)).max() < 1e-9
    assert said.sum(axis=0) + part.base_value == pytest.approx(part.margin(MATRIX))


@pytest.mark.parametrize("way", [1, -1])
def test_a_line_with_bends_keeps_its_direction_everywhere(way: int) -> None:
    """Rising or falling only, piece by piece; free of a direction some line would go the other way."""
    directions = NO_DIRECTION.copy()
    directions[[0, 1, -1]] = way
    kept, free = _bent(directions), _bent(NO_DIRECTION)
    against: list[float] = []
    for column in (0, 1, MATRIX.shape[1] - 1):
        rows = np.repeat(np.nanmean(MATRIX, axis=0)[np.newaxis], 200, axis=0)
        rows[:, column] = np.linspace(np.nanmin(MATRIX[:, column]), np.nanmax(MATRIX[:, column]), 200)
        assert (way * np.diff(kept.margin(rows)) >= 0.0).all()
        against.append((way * np.diff(free.margin(rows))).min())
    assert min(against) < -1e-3


def test_a_direction_that_the_data_keep_to_changes_nothing() -> None:
    """Slopes of pieces and changes of slope are the same lines, under the same penalty."""
    rising = NORMAL[:, np.newaxis]
    truth = (np.random.default_rng(1).random(NORMAL.size) < 1.0 / (1.0 + np.exp(-2.0 * NORMAL))).astype(float)
    free, bound = (
        fit_linear(rising, truth, directions=np.array([way]), penalty=10.0, may_bend=True).margin(rising)
        for way in (0, 1)
    )
    assert bound == pytest.approx(free, abs=1e-3)


def test_categories_have_a_column_each_rare_ones_one_together_and_gaps_none() -> None:
    import polars as pl

    texts = [*["b"] * 30, *["a"] * 25, *["c"] * 20, "x", "y", None]
    encoding = Encoding.learn(pl.DataFrame({"text": texts}))
    assert encoding.features[0].columns == (("a",), ("b",), ("c",), ("x", "y"))
    seen = encoding.matrix(pl.DataFrame({"text": ["a", "c", "y", None, "z"]}))
    expected = [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [np.nan] * 4, [np.nan] * 4]
    assert np.array_equal(seen, expected, equal_nan=True)


def test_two_categories_need_one_column() -> None:
    import polars as pl

    encoding = Encoding.learn(pl.DataFrame({"text": [*["no"] * 30, *["yes"] * 30]}))
    assert encoding.matrix(pl.DataFrame({"text": ["no", "yes"]})).tolist() == [[0.0], [1.0]]
