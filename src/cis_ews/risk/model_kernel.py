"""The trees of a LightGBM model as arrays, and a compiled walk that gives LightGBM's own raw score, bit for bit.

A tree is asked without walking: every split is judged for a whole block of rows at once, and a split that sends a row
to the right strikes out the leaves on its left. The first leaf that is left is the row's (QuickScorer, doi
10.1145/2766462.2767733). Columns lie one after another in memory, so that each judgement is one pass over a vector.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numba
import numpy as np
from numpy.typing import NDArray

from cis_ews.errors import ModelError

MOST_LEAVES = 64
BLOCK = 512
_ANEW = "fit the model anew"
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_NONE, _MISSING_ZERO = 0, 1
_ZERO = float(np.float32(1e-35))
_ALL, _ONE, _TOP_SIX = np.uint64(2**64 - 1), np.uint64(1), np.uint64(58)
# Multiplying a single bit by this number leaves a different number in the highest six bits for each place of the bit.
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)


class TreeArrays(NamedTuple):
    """Splits of all trees one after another, in the order of the trees; `starts` and `leaf_starts` are their bounds."""

    starts: NDArray[np.int64]
    leaf_starts: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    nan_goes_left: NDArray[np.bool_]
    keeps: NDArray[np.uint64]
    leaf_value: NDArray[np.float64]


def parse_trees(text: str, *, columns: int) -> TreeArrays:
    """Read the trees for a matrix of so many columns out of LightGBM's model text.

    Raises ModelError for trees that the walk does not know, or that would lead it astray.
    """
    header, *blocks = text.partition("end of trees")[0].removesuffix("\n").split("\nTree=")
    try:
        if blocks:
            _check_header(header, [len(block) + len("\nTree=") for block in blocks], columns=columns)
        trees = [_parse_tree(block) for block in blocks]
    except (ValueError, IndexError, KeyError):
        raise ModelError("the trees of the model are damaged", hint=_ANEW) from None
    feature = _joined([tree.feature for tree in trees], np.int64)
    if np.any((feature < 0) | (feature >= columns)):
        raise ModelError("the trees of the model split on columns that the model does not have", hint=_ANEW)
    return TreeArrays(
        starts=_bounds([tree.feature.size for tree in trees]),
        leaf_starts=_bounds([tree.leaf_value.size for tree in trees]),
        feature=feature,
        threshold=_joined([tree.threshold for tree in trees], np.float64),
        nan_goes_left=_joined([tree.nan_goes_left for tree in trees], np.bool_),
        keeps=_joined([tree.keeps for tree in trees], np.uint64),
        leaf_value=_joined([tree.leaf_value for tree in trees], np.float64),
    )


class _Tree(NamedTuple):
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    nan_goes_left: NDArray[np.bool_]
    keeps: NDArray[np.uint64]
    leaf_value: NDArray[np.float64]


def _check_header(header: str, sizes: list[int], *, columns: int) -> None:
    """Raise ValueError unless the header is that of these trees: LightGBM, which explains them, would trust it."""
    said = dict(line.split("=", 1) for line in header.splitlines() if "=" in line)
    lists = [said[key].split() for key in ("feature_names", "feature_infos", "monotone_constraints") if key in said]
    one = {said[key] for key in ("num_class", "num_tree_per_iteration")}
    if one != {"1"} or said["objective"] != "binary sigmoid:1" or int(said["max_feature_idx"]) != columns - 1:
        raise ValueError("the header is of another model")
    if (
        any(len(each) != columns for each in lists)
        or [int(size) for size in said.get("tree_sizes", "").split()] != sizes
    ):
        raise ValueError("the header does not fit the trees")


def _check_sizes(said: dict[str, str], *, splits: int, leaves: int) -> None:
    """Raise ValueError unless a tree says one finite number of everything for each split and leaf."""
    of_splits = dict.fromkeys(("split_gain", "internal_value", "internal_weight", "internal_count"), splits)
    of_leaves = dict.fromkeys(("leaf_weight", "leaf_count"), leaves if splits else None)
    for key, size in {**of_splits, **of_leaves, "threshold": splits, "leaf_value": leaves}.items():
        numbers = _numbers(said, key, np.float64)
        # A threshold is infinite where a split asks for nothing but whether there is a value.
        told = ~np.isnan(numbers) if key == "threshold" else np.isfinite(numbers)
        if (size is not None and numbers.size != size) or not told.all():
            raise ValueError(f"{key} does not fit the tree")
    if int(said["num_leaves"]) != leaves or said["num_cat"] != "0":
        raise ValueError("a tree is not what it says")
    if (_numbers(said, "internal_count", np.int64) < 1).any() or (_numbers(said, "leaf_count", np.int64) < 0).any():
        raise ValueError("a split without rows")


def _joined(parts: list[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype=kind), *parts]).astype(kind)


def _parse_tree(block: str) -> _Tree:
    said = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    decisions = _numbers(said, "decision_type", np.int64)
    missing = (decisions >> 2) & 3
    if said.get("is_linear", "0") != "0" or np.any(decisions & _CATEGORICAL) or np.any(missing == _MISSING_ZERO):
        raise ModelError("the trees have categories, linear leaves or zero as missing", hint=_ANEW)
    thresholds = _numbers(said, "threshold", np.float64)
    children = zip(_numbers(said, "left_child", np.int64), _numbers(said, "right_child", np.int64), strict=True)
    order, keeps = _leaves_in_order([(int(left), int(right)) for left, right in children])
    if not len(keeps) == decisions.size == thresholds.size == len(said.get("split_feature", "").split()):
        raise ValueError("a tree does not say the same of each split")
    _check_sizes(said, splits=len(keeps), leaves=len(order))
    return _Tree(
        feature=_numbers(said, "split_feature", np.int64),
        # LightGBM takes what is no further from zero than this for zero, which lies above the threshold.
        threshold=np.where(thresholds == -_ZERO, np.nextafter(-_ZERO, -np.inf), thresholds),
        # Where a column had no missing value in training, LightGBM takes one for zero.
        nan_goes_left=np.where(missing == _MISSING_NONE, thresholds >= 0.0, (decisions & _DEFAULT_LEFT) > 0),
        keeps=np.array(keeps, dtype=np.uint64),
        leaf_value=_numbers(said, "leaf_value", np.float64)[order],
    )


def _numbers(said: dict[str, str], key: str, kind: type[np.generic]) -> NDArray[Any]:
    return np.array(said.get(key, "").split(), dtype=kind)


def _bounds(sizes: list[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _leaves_in_order(children: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """The leaves from left to right, and for each split the bits of the leaves that stay when it sends a row right."""
    order: list[int] = []
    keeps = [0] * len(children)
    waiting = set(range(len(children)))

    def visit(node: int) -> None:
        if node < 0:
            order.append(~node)
            return
        waiting.remove(node)
        left, right = children[node]
        first = len(order)
        visit(left)
        keeps[node] = int(_ALL) & ~((1 << len(order)) - (1 << first))
        visit(right)

    visit(0 if children else -1)
    if waiting or len(order) > MOST_LEAVES or sorted(order) != list(range(len(children) + 1)):
        raise ModelError(f"a tree has more than {MOST_LEAVES} leaves, or is none", hint=_ANEW)
    return order, keeps


def raw_scores(trees: TreeArrays, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of the trees' leaves for each row of a float64 matrix, as LightGBM's `raw_score` gives it."""
    scores = np.zeros(matrix.shape[0], dtype=np.float64)
    _score(np.asfortranarray(matrix).T, trees, scores)
    return scores


def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """Compile, keeping the machine code beside the module, or in memory alone where no folder can be written."""
    try:
        return cast("Callable[..., None]", numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:
        return cast("Callable[..., None]", numba.njit(nogil=True)(function))


def _bit_places() -> NDArray[np.int64]:
    places = np.zeros(MOST_LEAVES, dtype=np.int64)
    for place in range(MOST_LEAVES):
        places[((int(_DE_BRUIJN) << place) & int(_ALL)) >> 58] = place
    return places


_BIT_PLACES = _bit_places()


@compiled
def _score(columns: NDArray[np.float64], trees: TreeArrays, scores: NDArray[np.float64]) -> None:
    masks = np.empty(BLOCK, dtype=np.uint64)
    for begin in range(0, scores.size, BLOCK):
        size = min(BLOCK, scores.size - begin)
        for tree in range(trees.starts.size - 1):
            masks[:] = _ALL
            for split in range(trees.starts[tree], trees.starts[tree + 1]):
                values = columns[trees.feature[split], begin : begin + size]
                threshold, keep = trees.threshold[split], trees.keeps[split]
                # Every comparison with NaN is false: which one is asked decides where NaN goes.
                if trees.nan_goes_left[split]:
                    for row in range(size):
                        masks[row] &= keep if values[row] > threshold else _ALL
                else:
                    for row in range(size):
                        masks[row] &= _ALL if values[row] <= threshold else keep
            first_leaf = trees.leaf_starts[tree]
            for row in range(size):
                lowest = masks[row] & (~masks[row] + _ONE)
                place = _BIT_PLACES[(lowest * _DE_BRUIJN) >> _TOP_SIX]
                scores[begin + row] += trees.leaf_value[first_leaf + place]
