"""The trees of a model: small, regularised, the same whatever the number of threads; kept as LightGBM's text."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from cis_ews.errors import ModelError
from cis_ews.risk.exact_shap import Matrix, explained, key_of, remember, tables_of
from cis_ews.risk.model_linear import Vector
from cis_ews.risk.model_recipe import DEFAULT, Recipe

if TYPE_CHECKING:
    from cis_ews.risk.model_kernel import TreeArrays

MOST_ROUNDS = 200
PATIENCE = 20
THREADS_FROM = 20_000
AGREEMENT = 1e-9
"""How near contributions have to be to those of LightGBM before a model is saved, on so many rows:"""
SAMPLE = 200
_END = "end of trees\n"
LARGER_FROM = 50_000
"""From so many rows on, 200 of the smallest trees never stop early: they may be larger, and learn faster."""
_LARGER: dict[str, object] = {"learning_rate": 0.08, "num_leaves": 15, "max_depth": 5}
_PARAMETERS: dict[str, object] = {
    "objective": "binary",
    "metric": "binary_logloss",
    "learning_rate": 0.04,
    "num_leaves": 8,
    "max_depth": 4,
    "feature_fraction_bynode": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "monotone_constraints_method": "intermediate",
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


@dataclass(frozen=True, eq=False)
class TreePart:
    """Trees in LightGBM's model text; `typical` stands in where a value is missing that never was in training."""

    text: str
    typical: Vector

    @cached_property
    def arrays(self) -> TreeArrays:
        """The trees as arrays for the compiled walk. Raises ModelError if the text is not what it should be."""
        from cis_ews.risk.model_kernel import parse_trees

        return parse_trees(self.text, columns=self.typical.size)

    @property
    def trees(self) -> int:
        """How many trees there are."""
        return self.arrays.starts.size - 1

    @property
    def leaves(self) -> int:
        """How many leaves all trees have together."""
        return self.arrays.leaf_value.size

    def margin(self, matrix: Vector) -> Vector:
        """Log-odds of each row."""
        from cis_ews.risk.model_kernel import raw_scores

        return raw_scores(self.arrays, self.completed(matrix))

    def contributions(self, matrix: Vector) -> Vector:
        """Exact SHAP values a column of the matrix, the base value last."""
        return explained(tables_of(self.text), self.completed(matrix))

    def explained(self, matrix: Vector, *, is_single: bool) -> tuple[Vector, Vector]:
        """`contributions` and `margin`; the same, but sooner, where all numbers of the matrix are whole as float32."""
        from cis_ews.risk.model_kernel import raw_scores

        completed: Matrix = self.completed(matrix)
        if is_single and np.array_equal(self.typical, self.typical.astype(np.float32), equal_nan=True):
            completed = completed.astype(np.float32)
        return explained(tables_of(self.text), completed), raw_scores(self.arrays, completed)

    def checked_tables(self) -> bytes:
        """The tables for contributions, as bytes to keep beside the model. Raises ModelError unless they give what
        LightGBM's own `pred_contrib` gives for rows at and around the trees' thresholds, and with gaps."""
        from lightgbm import Booster

        tables, rows = tables_of(self.text), self._sample()
        told = np.asarray(Booster(model_str=self.text).predict(rows, pred_contrib=True, num_threads=1))
        if not np.abs(told - explained(tables, rows)).max() <= AGREEMENT * max(1.0, np.abs(told).max()):
            raise ModelError(
                "the contributions of the trees are not those of LightGBM", hint="fit the model anew; nothing was saved"
            )
        return self.kept_tables()

    def kept_tables(self) -> bytes:
        """The tables for contributions, as bytes to keep beside the model."""
        from cis_ews.risk.shap_file import tables_bytes

        return tables_bytes(tables_of(self.text), key=key_of(self.text))

    def take_tables(self, content: bytes) -> None:
        """Use tables that were kept, where they are whole and of these trees: others are made anew when asked for."""
        from cis_ews.risk.shap_file import tables_from

        tables = tables_from(content, key=key_of(self.text), columns=self.typical.size)
        if tables:
            remember(self.text, tables)

    def _sample(self) -> Vector:
        """Rows whose values are thresholds of the trees, just beyond, missing, or zero."""
        draw, trees = np.random.default_rng(0), self.arrays
        rows = np.zeros((SAMPLE, self.typical.size))
        for column in range(self.typical.size):
            known = np.append(trees.threshold[trees.feature == column], 0.0)
            rows[:, column] = draw.choice(np.concatenate([known, np.nextafter(known, np.inf), [np.nan]]), SAMPLE)
        return rows

    def completed(self, matrix: Vector) -> Vector:
        """The matrix without gaps that training did not have: LightGBM would take them for zero."""
        completed = matrix
        for column in np.flatnonzero(~np.isnan(self.typical)):
            missing = np.isnan(matrix[:, column])
            if missing.any():
                completed = matrix.copy(order="F") if completed is matrix else completed
                completed[missing, column] = self.typical[column]
        return completed


@dataclass(frozen=True, eq=False)
class TreeFit:
    """Trees fitted on all rows, and the margins of rows that each fold's own trees had not seen."""

    part: TreePart
    held_out: Vector


def fit_trees(
    matrix: Vector,
    label: Vector,
    *,
    folds: NDArray[np.int64],
    weights: Vector | None = None,
    directions: NDArray[np.int64],
    seed: int,
    threads: int,
    recipe: Recipe = DEFAULT,
) -> TreeFit:
    """Stop where the held-out log loss of all folds together is least, then fit on all rows for as many rounds."""
    library = _library()
    parameters = _parameters(directions, rows=label.size, seed=seed, threads=threads, recipe=recipe)
    typical = _typical(matrix)
    data = library.Dataset(np.ascontiguousarray(matrix), label, weight=weights, params=parameters, free_raw_data=False)
    splits = [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in np.unique(folds)]
    tried: Any = library.cv(
        parameters,
        data,
        num_boost_round=MOST_ROUNDS,
        folds=splits,
        callbacks=[library.early_stopping(PATIENCE, verbose=False)],
        return_cvbooster=True,
    )
    rounds = len(tried["valid binary_logloss-mean"])
    held_out = np.empty_like(label)
    for (_, held), booster in zip(splits, tried["cvbooster"].boosters, strict=True):
        held_out[held] = TreePart(_text(booster, rounds), typical).margin(matrix[held])
    booster = library.train(parameters, data, num_boost_round=rounds)
    return TreeFit(TreePart(_text(booster, rounds), typical), held_out)


def grow_trees(
    matrix: Vector,
    label: Vector,
    *,
    rounds: int,
    weights: Vector | None = None,
    directions: NDArray[np.int64],
    seed: int,
    threads: int,
    recipe: Recipe = DEFAULT,
) -> TreePart:
    """Trees of so many rounds on all rows, as `fit_trees` makes them once it knows how many."""
    library = _library()
    parameters = _parameters(directions, rows=label.size, seed=seed, threads=threads, recipe=recipe)
    data = library.Dataset(np.ascontiguousarray(matrix), label, weight=weights, params=parameters)
    return TreePart(_text(library.train(parameters, data, num_boost_round=rounds), rounds), _typical(matrix))


def _library() -> Any:
    # Read by OpenMP when LightGBM is loaded: threads that wait by spinning make a busy machine many times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import lightgbm

    return cast("Any", lightgbm)


def _parameters(
    directions: NDArray[np.int64], *, rows: int, seed: int, threads: int, recipe: Recipe
) -> dict[str, object]:
    # Threads that wait for each other on small data cost more than they bring, most of all on a busy machine.
    larger = _LARGER if rows >= LARGER_FROM else {}
    parameters = {
        **_PARAMETERS,
        **larger,
        **_asked(recipe),
        "seed": seed,
        "num_threads": threads if rows >= THREADS_FROM else 1,
    }
    return parameters | ({"monotone_constraints": directions.tolist()} if directions.any() else {})


def _asked(recipe: Recipe) -> dict[str, object]:
    """What a recipe says of the trees; as deep as twice as many leaves would need, one more than as many do."""
    leaves, rate = recipe.leaves, recipe.rate
    size = {} if leaves is None else {"num_leaves": leaves, "max_depth": (leaves - 1).bit_length() + 1}
    return {**size, **({} if rate is None else {"learning_rate": rate}), "min_data_in_leaf": recipe.rows_a_leaf}


def _text(booster: Any, rounds: int) -> str:
    """The model text up to its last tree: what follows says with how many threads it was made."""
    return booster.model_to_string(num_iteration=rounds).partition(_END)[0] + _END


def _typical(matrix: Vector) -> Vector:
    """The lower median of each column, a value that occurs; NaN where training had missing values."""
    return np.quantile(matrix, 0.5, axis=0, method="lower")
