"""Exact SHAP values of a LightGBM booster, fast enough for every student, every night.

    told = exact_shap_values(booster, frame)  # rows x (features + 1), in log-odds; the base value last

The values are those of path-dependent TreeSHAP, as `shap.TreeExplainer` and LightGBM's `pred_contrib` give them. They
come from tables (`shap_tables`) that are made once a model: docs/explanations.md tells how, with an example on paper.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.errors import FeatureMismatchError, ModelError
from cis_ews.risk.cores import available_cores
from cis_ews.risk.model_checks import checked_threads
from cis_ews.risk.model_encoding import kind_of, some
from cis_ews.wording import counted

if TYPE_CHECKING:
    from lightgbm import Booster

    from cis_ews.risk.shap_tables import ShapTables

CACHED = 8
"""The tables of so many models are kept in memory."""
SLICE = 16_384
_END = "end of trees"
_KINDS = ("float32", "float64")
Matrix = NDArray[np.float32 | np.float64]


def exact_shap_values(
    booster: Booster, frame: pl.DataFrame | Matrix, *, threads: int | None = None
) -> NDArray[np.float64]:
    """Rows x (features + 1): the SHAP value of each feature for the raw score, and the base value last.

    `frame` is a polars DataFrame of numbers and Booleans, whose columns are taken by the booster's names, or a matrix
    of float32 or float64 in the booster's order. Null and NaN are missing; a categorical split asks for the codes that
    the booster was trained with. A row's values add up to the booster's raw score (to 1e-9), and are the same bits
    whatever the number of threads. The first call for a model makes its tables, later calls find them.

    Raises ModelError for what is no booster, boosters of several outputs, averaged trees (random forests), linear
    trees, and for columns that are no numbers; FeatureMismatchError for missing columns.
    """
    _check_booster(booster)
    names, tables = booster.feature_name(), tables_of(booster.model_to_string())
    asked = _checked_frame(frame, names) if isinstance(frame, pl.DataFrame) else _checked_matrix(frame, len(names))
    table = np.empty((len(names) + 1, asked.shape[0]))

    def work(first: int) -> None:
        _explain(tables, _columns(asked, first), table, first=first)

    with ThreadPoolExecutor(checked_threads(threads) or available_cores()) as pool:
        list(pool.map(work, range(0, asked.shape[0], SLICE)))
    return table.T


def _check_booster(booster: object) -> None:
    from lightgbm import Booster

    if not isinstance(booster, Booster):
        hint = "give a lightgbm.Booster; of a scikit-learn model of LightGBM, its booster_"
        raise ModelError(f"no booster, but {type(booster).__name__}", hint=hint)


def explained(tables: ShapTables, matrix: Matrix) -> NDArray[np.float64]:
    """The SHAP values of a matrix by its model's tables, base value last, on this thread."""
    table = np.empty((matrix.shape[1] + 1, matrix.shape[0]))
    _explain(tables, np.ascontiguousarray(matrix.T), table, first=0)
    return table.T


def _explain(tables: ShapTables, columns: Matrix, table: NDArray[np.float64], *, first: int) -> None:
    from cis_ews.risk.shap_kernel import add_shap_values

    rows = slice(first, first + columns.shape[1])
    table[:-1, rows], table[-1, rows] = 0.0, tables.base_value
    add_shap_values(tables, columns, table, first=first)


_cache: OrderedDict[str, ShapTables] = OrderedDict()
_lock = Lock()


def tables_of(text: str) -> ShapTables:
    """The tables of a LightGBM model text, made or found. Raises ModelError for what cannot be explained."""
    key = key_of(text)
    with _lock:
        if key not in _cache:
            _keep(key, _made(text))
        _cache.move_to_end(key)
        return _cache[key]


def remember(text: str, tables: ShapTables) -> None:
    """Keep tables that were made before."""
    with _lock:
        _keep(key_of(text), tables)


def key_of(text: str) -> str:
    """What tables are known by: the SHA-256 of the trees and of what is said before them."""
    return hashlib.sha256(text.partition(_END)[0].encode()).hexdigest()


def _keep(key: str, tables: ShapTables) -> None:
    _cache[key] = tables
    while len(_cache) > CACHED:
        _cache.popitem(last=False)


def _made(text: str) -> ShapTables:
    from cis_ews.risk.shap_tables import build_tables
    from cis_ews.risk.shap_trees import read_forest

    return build_tables(read_forest(text))


def _checked_matrix(matrix: Matrix, columns: int) -> Matrix:
    is_array = isinstance(matrix, np.ndarray)  # pyright: ignore[reportUnnecessaryIsInstance] - whoever calls may not know
    if not is_array or matrix.ndim != 2 or str(matrix.dtype) not in _KINDS:
        found = f"the features are no matrix of float32 or float64, but {type(matrix).__name__}"
        raise ModelError(found, hint="give a polars DataFrame, or a numpy array of rows x features")
    if matrix.shape[1] != columns:
        found = f"the matrix has {counted(matrix.shape[1], 'column')}, and the booster {counted(columns, 'feature')}"
        raise FeatureMismatchError(found, hint="give the columns that the booster was trained with, in its order")
    return matrix


def _checked_frame(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """The booster's columns by name, all Float32 where they are so, else Float64."""
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise FeatureMismatchError(
            f"{counted(len(missing), 'feature')} of the booster missing in the frame: {some(missing)}",
            hint="name the columns as the booster does (booster.feature_name())",
            missing=missing,
        )
    chosen = [frame.get_column(name) for name in names]
    _check_numbers(chosen)
    kind = pl.Float32 if all(series.dtype == pl.Float32 for series in chosen) else pl.Float64
    return pl.DataFrame([series.cast(kind) for series in chosen])


def _check_numbers(chosen: list[pl.Series]) -> None:
    texts = [series.name for series in chosen if kind_of(series) == "categories"]
    if texts:
        raise ModelError(
            f"{counted(len(texts), 'column')} of texts or categories: {some(texts)}",
            hint="give the numbers that the booster was trained with: the codes of a polars category are not those",
        )


def _columns(asked: pl.DataFrame | Matrix, first: int) -> Matrix:
    """A slice of rows, one contiguous row a column, NaN where missing."""
    if not isinstance(asked, pl.DataFrame):
        return np.ascontiguousarray(asked[first : first + SLICE].T)
    return np.stack([series.fill_null(float("nan")).to_numpy() for series in asked.slice(first, SLICE)])
