"""The trees of any LightGBM booster with one output, as its model text tells them, for exact SHAP values.

Unlike `model_kernel`, which knows the trees of a `RiskModel` alone and doubts every word, this reads whatever LightGBM
trains: categories, every kind of missing value, any number of leaves. What it cannot explain it refuses by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cis_ews.errors import ModelError

ZERO = float(np.float32(1e-35))
"""LightGBM takes what is no further from zero than this for zero."""
NAN_RIGHT, NAN_LEFT, ZERO_RIGHT, ZERO_LEFT, CATEGORY = range(5)
"""How a split asks: where NaN goes, or where zero and NaN go, or whether the value is one of its categories."""
_IS_CATEGORY, _DEFAULT_LEFT, _MISSING_ZERO, _MISSING_NAN = 1, 2, 4, 8
_HINT = "explain a booster that LightGBM trained, with one output and constant leaves"


class ShapTree(NamedTuple):
    """One tree: a number a split, then a number a leaf; a child below zero is the leaf of that complement."""

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    kind: NDArray[np.uint8]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    rows: NDArray[np.float64]
    leaf_rows: NDArray[np.float64]
    leaf_value: NDArray[np.float64]
    categories: tuple[NDArray[np.uint32], ...]
    """Of each categorical split in order, the bits of the categories that go left; `threshold` says which."""

    def rows_of(self, node: int) -> float:
        """How many rows of training came by a split or leaf."""
        return float(self.rows[node] if node >= 0 else self.leaf_rows[~node])


class ShapForest(NamedTuple):
    """The names of the features, and the trees."""

    names: tuple[str, ...]
    trees: tuple[ShapTree, ...]


def read_forest(text: str) -> ShapForest:
    """Read LightGBM's model text. Raises ModelError for what has no exact SHAP values of this kind, or is damaged."""
    header, *blocks = text.partition("end of trees")[0].split("\nTree=")
    said = _said(header)
    try:
        _check_kind(said)
        names = said["feature_names"].split(" ")
        trees = tuple(_tree(_said(block), columns=len(names)) for block in blocks)
    except (KeyError, ValueError, IndexError, OverflowError):
        raise ModelError("the model text is not one of LightGBM, or is damaged", hint=_HINT) from None
    if not trees:
        raise ModelError("the booster has no trees", hint=_HINT)
    return ShapForest(tuple(names), trees)


def _said(block: str) -> dict[str, str]:
    return {key: value for key, _, value in (line.partition("=") for line in block.splitlines())}


def _check_kind(said: Mapping[str, str]) -> None:
    outputs = max(int(said["num_class"]), int(said["num_tree_per_iteration"]))
    if outputs > 1:
        raise ModelError(f"the booster has {outputs} outputs (multi-class), and one is explained here", hint=_HINT)
    if "average_output" in said:
        found = "the booster averages its trees (a random forest): its contributions do not add up to its margin"
        raise ModelError(found, hint=_HINT)


def _tree(said: Mapping[str, str], *, columns: int) -> ShapTree:
    if said["is_linear"] != "0":
        raise ModelError("the booster has linear trees: their leaves are no constants", hint=_HINT)
    if said["num_leaves"] == "1":
        return _single_leaf(_numbers(said, "leaf_value", np.float64))
    decision = _numbers(said, "decision_type", np.int64)
    threshold = _numbers(said, "threshold", np.float64)
    tree = ShapTree(
        feature=_numbers(said, "split_feature", np.int64),
        threshold=np.where(decision & _IS_CATEGORY, threshold, _past_zero(threshold)),
        kind=_kinds(decision, threshold),
        left=_numbers(said, "left_child", np.int64),
        right=_numbers(said, "right_child", np.int64),
        rows=_numbers(said, "internal_count", np.float64),
        leaf_rows=_numbers(said, "leaf_count", np.float64),
        leaf_value=_numbers(said, "leaf_value", np.float64),
        categories=_categories(said),
    )
    _check(tree, columns=columns)
    return tree


def _single_leaf(value: NDArray[np.float64]) -> ShapTree:
    none = np.empty(0, dtype=np.int64)
    nothing = none.astype(np.float64)
    kinds = none.astype(np.uint8)
    return ShapTree(none, nothing, kinds, none, none, nothing, np.ones(1), value[:1], ())


def _numbers(said: Mapping[str, str], key: str, kind: type[np.generic]) -> NDArray[Any]:
    return np.array(said[key].split(), dtype=kind)


def _past_zero(threshold: NDArray[np.float64]) -> NDArray[np.float64]:
    """Thresholds with which a plain comparison judges all that counts as zero as zero itself is judged."""
    below = np.nextafter(-ZERO, -np.inf)
    near = np.abs(threshold) <= ZERO
    return np.where(near, np.where(threshold >= 0.0, ZERO, below), threshold)


def _kinds(decision: NDArray[np.int64], threshold: NDArray[np.float64]) -> NDArray[np.uint8]:
    default_left = (decision & _DEFAULT_LEFT) > 0
    of_zero = np.where(default_left, ZERO_LEFT, ZERO_RIGHT)
    # A value that never was missing in training counts as zero where it is.
    nan_left = np.where(decision & _MISSING_NAN, default_left, threshold >= 0.0)
    of_nan = np.where(nan_left, NAN_LEFT, NAN_RIGHT)
    numeric = np.where(decision & _MISSING_ZERO, of_zero, of_nan)
    return np.where(decision & _IS_CATEGORY, CATEGORY, numeric).astype(np.uint8)


def _categories(said: Mapping[str, str]) -> tuple[NDArray[np.uint32], ...]:
    if said["num_cat"] == "0":
        return ()
    bounds = _numbers(said, "cat_boundaries", np.int64)
    words = _numbers(said, "cat_threshold", np.uint32)
    return tuple(words[begin:end] for begin, end in pairwise(bounds))


def _check(tree: ShapTree, *, columns: int) -> None:
    """Raise ValueError unless splits and leaves hang together, and ModelError where a count of rows is missing."""
    splits, leaves = tree.feature.size, tree.leaf_value.size
    sizes = {each.size for each in (tree.threshold, tree.kind, tree.left, tree.right, tree.rows)}
    children = np.sort(np.concatenate([tree.left, tree.right]))
    expected = np.concatenate([np.arange(-leaves, 0), np.arange(1, splits)])
    if sizes != {splits} or tree.leaf_rows.size != leaves or not np.array_equal(children, expected):
        raise ValueError("splits and leaves that do not hang together")
    if ((tree.feature < 0) | (tree.feature >= columns)).any() or not np.isfinite(tree.leaf_value).all():
        raise ValueError("a split or leaf that makes no sense")
    chosen = tree.threshold[tree.kind == CATEGORY]
    if not np.isin(chosen, np.arange(len(tree.categories))).all():
        raise ValueError("categories that are not there")
    if (tree.rows < 1).any() or (tree.leaf_rows < 1).any():
        raise ModelError("a split or leaf of the booster has no rows, and SHAP values divide by them", hint=_HINT)
