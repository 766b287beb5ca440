"""The trees of a LightGBM model as arrays, and a compiled walk that gives LightGBM's own raw score, bit for bit.

A tree is asked without walking: every split is judged for a whole block of rows at once, and a split that sends a row
to the right strikes out the leaves on its left. The first leaf that is left is the row's (QuickScorer, doi
10.1145/2766462.2767733). Columns lie one after another in memory, so that each judgement is one pass over a vector.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cis_ews.compiling import compiled
from cis_ews.errors import ModelError
from cis_ews.risk.model_encoding import LARGEST
from cis_ews.risk.shap_tables import rounded_down

MOST_LEAVES = 64
BLOCK = 512
_ANEW = "fit the model anew"
_DEFAULT_LEFT, _NAN_IS_MISSING = 2, 8
# No categories, and zero is never missing.
_DECISIONS = (0, _DEFAULT_LEFT, _NAN_IS_MISSING, _NAN_IS_MISSING | _DEFAULT_LEFT)
_OF_SPLITS = {
    "split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child",
    "internal_value", "internal_weight", "internal_count",
}  # fmt: skip
_OF_LEAVES = {"leaf_value", "leaf_weight", "leaf_count"}
_OF_TREES = {"num_leaves", "num_cat", "is_linear", "shrinkage"}
_RANGE = re.compile(r"none|\[[-+.e0-9]+:[-+.e0-9]+\]")
_ZERO = float(np.float32(1e-35))
_ALL, _ONE, _TOP_SIX = np.uint64(2**64 - 1), np.uint64(1), np.uint64(58)
# Multiplying a single bit by this number leaves a different number in the highest six bits for each place of the bit.
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)


class TreeArrays(NamedTuple):
    """Splits of all trees one after another, in the order of the trees; `starts` and `leaf_starts` are their bounds.

    `threshold32`: for values of float32. `keeps`: a bit a leaf, in whole numbers as small as they can be.
    """

    starts: NDArray[np.int64]
    leaf_starts: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    threshold32: NDArray[np.float32]
    nan_goes_left: NDArray[np.bool_]
    keeps: NDArray[np.uint16 | np.uint32 | np.uint64]
    leaf_value: NDArray[np.float64]


def parse_trees(text: str, *, columns: int) -> TreeArrays:
    """Read the trees for a matrix of so many columns out of LightGBM's model text.

    Raises ModelError for trees that the walk does not know, or that would lead it or LightGBM astray: LightGBM, which
    explains them, trusts what it reads and ends the process where that is wrong.
    """
    header, *blocks = text.partition("end of trees")[0].removesuffix("\n").split("\nTree=")
    try:
        _check_header(header, [len(block) + len("\nTree=") for block in blocks], columns=columns)
        trees = [_parse_tree(block, place, columns=columns) for place, block in enumerate(blocks)]
    except (ValueError, IndexError, KeyError, OverflowError):
        raise ModelError("the trees of the model are damaged", hint=_ANEW) from None
    threshold = _joined([tree.threshold for tree in trees], np.float64)
    leaves = max(tree.leaf_value.size for tree in trees)
    return TreeArrays(
        starts=_bounds([tree.feature.size for tree in trees]),
        leaf_starts=_bounds([tree.leaf_value.size for tree in trees]),
        feature=_joined([tree.feature for tree in trees], np.int64),
        threshold=threshold,
        threshold32=rounded_down(threshold),
        nan_goes_left=_joined([tree.nan_goes_left for tree in trees], np.bool_),
        keeps=_joined([tree.keeps for tree in trees], np.uint64).astype(_bits(leaves)),
        leaf_value=_joined([tree.leaf_value for tree in trees], np.float64),
    )


class _Tree(NamedTuple):
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    nan_goes_left: NDArray[np.bool_]
    keeps: NDArray[np.uint64]
    leaf_value: NDArray[np.float64]


def _check_header(header: str, sizes: list[int], *, columns: int) -> None:
    """Raise ValueError unless the header is that of these trees and says nothing beside."""
    kind, *lines = header.splitlines()
    said = _said(lines)
    ranges = said.pop("feature_infos").split(" ")
    directions = said.pop("monotone_constraints", " ".join("0" * columns)).split(" ")
    expected = {
        "version": "v4",
        "num_class": "1",
        "num_tree_per_iteration": "1",
        "label_index": "0",
        "max_feature_idx": str(columns - 1),
        "objective": "binary sigmoid:1",
        "feature_names": " ".join(f"Column_{column}" for column in range(columns)),
        "tree_sizes": " ".join(map(str, sizes)),
    }
    if kind != "tree" or said != expected or not sizes:
        raise ValueError("the header is not that of these trees")
    if len(ranges) != columns or not all(map(_RANGE.fullmatch, ranges)):
        raise ValueError("the ranges are not those of the columns")
    if len(directions) != columns or not {"-1", "0", "1"}.issuperset(directions):
        raise ValueError("the directions are not those of the columns")


def _said(lines: list[str]) -> dict[str, str]:
    """The values by key. Raises ValueError for a key said twice and for values that LightGBM may read otherwise."""
    pairs = [(key, value) for key, _, value in (line.partition("=") for line in lines if line)]
    said = dict(pairs)
    is_plain = all(value.isascii() and value == " ".join(value.split()) for value in said.values())
    if len(said) != len(pairs) or not is_plain:
        raise ValueError("a key twice, or values of another alphabet or apart by more than a space")
    return said


def _joined(parts: list[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype=kind), *parts]).astype(kind)


def _parse_tree(block: str, place: int, *, columns: int) -> _Tree:
    number, *lines = block.splitlines()
    said = _said(lines)
    if number != str(place) or said.keys() != _OF_SPLITS | _OF_LEAVES | _OF_TREES:
        raise ValueError("a tree is not the next, or says more or less than a tree")
    feature, decisions, left, right = (
        _numbers(said, key, np.int64) for key in ("split_feature", "decision_type", "left_child", "right_child")
    )
    order, keeps = _leaves_in_order(list(zip(left.tolist(), right.tolist(), strict=True)))
    _check_sizes(said, splits=len(keeps), leaves=len(order))
    if ((feature < 0) | (feature >= columns)).any() or not np.isin(decisions, _DECISIONS).all():
        raise ValueError("a split asks for a column that is not there, or in a way that the walk does not know")
    _check_counts(said, left, right)
    thresholds = _numbers(said, "threshold", np.float64)
    return _Tree(
        feature=feature,
        # LightGBM takes what is no further from zero than this for zero, which lies above the threshold.
        threshold=np.where(thresholds == -_ZERO, np.nextafter(-_ZERO, -np.inf), thresholds),
        # Where a column had no missing value in training, LightGBM takes one for zero.
        nan_goes_left=np.where(decisions & _NAN_IS_MISSING, (decisions & _DEFAULT_LEFT) > 0, thresholds >= 0.0),
        keeps=np.array(keeps, dtype=np.uint64),
        leaf_value=_numbers(said, "leaf_value", np.float64)[order],
    )


def _check_sizes(said: dict[str, str], *, splits: int, leaves: int) -> None:
    """Raise ValueError unless a tree says one number of everything for each split and leaf, none too large to add."""
    sizes = dict.fromkeys(_OF_SPLITS, splits) | dict.fromkeys(_OF_LEAVES, leaves)
    if not splits:
        # A tree of one leaf counts its rows or not, and does not weigh them.
        sizes |= {key: len(said[key].split()) for key in ("leaf_count", "leaf_weight")}
    numbers = {key: _numbers(said, key, np.float64) for key in [*sizes, "shrinkage"]}
    if any(numbers[key].size != size for key, size in sizes.items()):
        raise ValueError("a tree does not say the same of each split and leaf")
    # A threshold may be infinite: it is compared with and not added.
    is_number = not np.isnan(numbers.pop("threshold")).any()
    if not is_number or not (np.abs(np.concatenate([*numbers.values()])) <= LARGEST).all():
        raise ValueError("a tree holds what is no number, or one that is too large")
    if (said["num_leaves"], said["num_cat"], said["is_linear"]) != (str(leaves), "0", "0"):
        raise ValueError("a tree is not what it says")


def _check_counts(said: dict[str, str], left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
    """Raise ValueError unless each split has the rows of its two sides together: contributions divide by them."""
    splits, leaves = _numbers(said, "internal_count", np.int64), _numbers(said, "leaf_count", np.int64)
    if not splits.size:
        return
    # A leaf is told as a negative number, and so counts from the end.
    rows = np.concatenate([splits, leaves[::-1]])
    if (rows < 1).any() or (splits != rows[left] + rows[right]).any():
        raise ValueError("the rows of the splits do not add up")


def _numbers(said: dict[str, str], key: str, kind: type[np.generic]) -> NDArray[Any]:
    # Python reads 1_0 as ten, and LightGBM as one.
    return np.array(said[key].replace("_", "?").split(), dtype=kind)


def _bits(leaves: int) -> type[np.unsignedinteger[Any]]:
    return next((kind for kind in (np.uint16, np.uint32) if leaves <= np.iinfo(kind).bits), np.uint64)


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

    if len(children) >= MOST_LEAVES:
        raise ModelError(f"a tree has more than {MOST_LEAVES} leaves", hint=_ANEW)
    visit(0 if children else -1)
    if waiting or sorted(order) != list(range(len(children) + 1)):
        raise ValueError("splits and leaves that do not hang together as a tree")
    return order, keeps


def raw_scores(trees: TreeArrays, matrix: NDArray[np.float32 | np.float64]) -> NDArray[np.float64]:
    """The sum of the trees' leaves for each row of a matrix, as LightGBM's `raw_score` gives it."""
    scores = np.zeros(matrix.shape[0], dtype=np.float64)
    threshold: NDArray[Any] = trees.threshold32 if matrix.dtype == np.float32 else trees.threshold
    _score(np.asfortranarray(matrix).T, trees._replace(threshold=threshold), scores)
    return scores


def _bit_places() -> NDArray[np.int64]:
    places = np.zeros(MOST_LEAVES, dtype=np.int64)
    for place in range(MOST_LEAVES):
        places[((int(_DE_BRUIJN) << place) & int(_ALL)) >> 58] = place
    return places


_BIT_PLACES = _bit_places()


@compiled
def _score(columns: NDArray[Any], trees: TreeArrays, scores: NDArray[np.float64]) -> None:
    masks = np.empty(BLOCK, dtype=trees.keeps.dtype)
    masks[:] = 0
    every = ~masks[0]
    for begin in range(0, scores.size, BLOCK):
        size = min(BLOCK, scores.size - begin)
        for tree in range(trees.starts.size - 1):
            masks[:] = every
            for split in range(trees.starts[tree], trees.starts[tree + 1]):
                values = columns[trees.feature[split], begin : begin + size]
                threshold, keep = trees.threshold[split], trees.keeps[split]
                # Every comparison with NaN is false: which one is asked decides where NaN goes.
                if trees.nan_goes_left[split]:
                    for row in range(size):
                        masks[row] &= keep if values[row] > threshold else every
                else:
                    for row in range(size):
                        masks[row] &= every if values[row] <= threshold else keep
            first_leaf = trees.leaf_starts[tree]
            for row in range(size):
                mask = np.uint64(masks[row])
                lowest = mask & (~mask + _ONE)
                place = _BIT_PLACES[(lowest * _DE_BRUIJN) >> _TOP_SIX]
                scores[begin + row] += trees.leaf_value[first_leaf + place]
