"""All trees of a booster as flat arrays with a table a group of leaves, from which SHAP values are looked up.

For a leaf of value v with the features 1..d on its path and their shares z (products of cover ratios), a row that
satisfies the set S of them gets from it, for feature i,

    v * integral over s in [0, 1] of  g_i(s) * product over k of f_k(s) ds
    f_k(s) = s + z_k (1 - s) if k in S, else z_k (1 - s)
    g_i(s) = (1 - z_i) / f_i(s) if i in S, else -1 / (1 - s)

The integrand is a polynomial of degree d - 1, so that Gauss-Legendre quadrature with half as many nodes is exact. A
table holds the sum over the leaves of its group for every pattern of the group's flags, one column a feature.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cis_ews.compiling import compiled
from cis_ews.risk.shap_groups import CutTree, Group, Leaf, cut
from cis_ews.risk.shap_trees import CATEGORY, ShapForest, ShapTree

Places = NDArray[np.int64]
Numbers = NDArray[np.float64]


class ShapTables(NamedTuple):
    """Flat arrays; each `*_starts` holds the bounds of its parts, one more than there are.

    Splits, joined flags, groups and deep leaves lie in the order of the trees. A flag's number counts from its tree's
    first split; those beyond the splits are joined ones. `values` is one table a group, feature by feature.
    """

    base_value: Numbers
    split_starts: Places
    feature: Places
    threshold: Numbers
    threshold32: NDArray[np.float32]
    kind: NDArray[np.uint8]
    category_starts: Places
    category_words: NDArray[np.uint32]
    joined_starts: Places
    step_starts: Places
    step_flag: Places
    step_wanted: NDArray[np.uint8]
    group_starts: Places
    bit_starts: Places
    bit_flag: Places
    lookup_starts: Places
    lookup_feature: Places
    value_starts: Places
    values: Numbers
    deep_starts: Places
    deep_value: Numbers
    path_starts: Places
    path_feature: Places
    path_flag: Places
    path_wanted: NDArray[np.uint8]
    path_share: Numbers
    nodes: Numbers
    weights: Numbers


_OTHER_KINDS: dict[str, type[np.generic]] = {
    "threshold32": np.float32,
    "category_words": np.uint32,
    **dict.fromkeys(["kind", "step_wanted", "path_wanted"], np.uint8),
    **dict.fromkeys(["base_value", "threshold", "values", "deep_value", "path_share", "nodes", "weights"], np.float64),
}
KINDS: dict[str, type[np.generic]] = {name: _OTHER_KINDS.get(name, np.int64) for name in ShapTables._fields}
"""What each array is made of."""


class _Asked(NamedTuple):
    """What the tables are made of: for each leaf of a group the features on its path, as patterns of the group."""

    leaf_starts: Places
    leaf_value: Numbers
    path_starts: Places
    mask: Places
    wanted: Places
    share: Numbers
    lookup: Places


def build_tables(forest: ShapForest) -> ShapTables:
    """Cut the trees, and work out the table of every group."""
    cuts = [cut(tree) for tree in forest.trees]
    groups = [group for each in cuts for group in each.groups]
    deep = [leaf for each in cuts for leaf in each.deep]
    leaves = [*deep, *(leaf for group in groups for leaf in group.leaves)]
    nodes, weights = _quadrature(max((len(leaf.path) for leaf in leaves), default=1))
    tables = ShapTables(
        base_value=np.array([sum(_mean(tree) for tree in forest.trees)], dtype=np.float64),
        **_of_splits(forest.trees),
        **_of_joined(cuts),
        **_of_groups(cuts, groups),
        **_of_deep(cuts, deep),
        nodes=nodes,
        weights=weights,
    )
    _fill(_asked(groups), tables, tables.values)
    return tables


def _mean(tree: ShapTree) -> float:
    """The mean of the leaves over the rows of training."""
    if not tree.feature.size:
        return float(tree.leaf_value[0])
    return sum((tree.leaf_rows / tree.rows[0] * tree.leaf_value).tolist())


def _quadrature(features: int) -> tuple[Numbers, Numbers]:
    """Nodes and weights on [0, 1] of the rules with 1, 2, 3 ... nodes, as many as so many features on a path need."""
    rules = [np.polynomial.legendre.leggauss(count) for count in range(1, (features + 1) // 2 + 1)]
    nodes, weights = zip(*rules, strict=True)
    return (np.concatenate(nodes) + 1.0) / 2.0, np.concatenate(weights) / 2.0


def _of_splits(trees: Sequence[ShapTree]) -> dict[str, Any]:
    threshold = _flat((tree.threshold for tree in trees), np.float64)
    words = [each for tree in trees for each in _words(tree)]
    return {
        "split_starts": _starts(tree.feature.size for tree in trees),
        "feature": _flat((tree.feature for tree in trees), np.int64),
        "threshold": threshold,
        "threshold32": rounded_down(threshold),
        "kind": _flat((tree.kind for tree in trees), np.uint8),
        "category_starts": _starts(each.size for each in words),
        "category_words": _flat(words, np.uint32),
    }


def _words(tree: ShapTree) -> list[NDArray[np.uint32]]:
    """The bits of the categories of each split; none for a split of numbers."""
    none = np.empty(0, dtype=np.uint32)
    chosen = zip(tree.kind.tolist(), tree.threshold.tolist(), strict=True)
    return [tree.categories[int(threshold)] if kind == CATEGORY else none for kind, threshold in chosen]


def rounded_down(threshold: Numbers) -> NDArray[np.float32]:
    """The largest float32 that is not above: a float32 value is at most the one where it is at most the other."""
    with np.errstate(over="ignore"):
        near = threshold.astype(np.float32)
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)


def _of_joined(cuts: Sequence[CutTree]) -> dict[str, Any]:
    joined = [steps for each in cuts for steps in each.joined]
    return {
        "joined_starts": _starts(len(each.joined) for each in cuts),
        "step_starts": _starts(len(steps) for steps in joined),
        "step_flag": _flat(([flag for flag, _ in steps] for steps in joined), np.int64),
        "step_wanted": _flat(([wanted for _, wanted in steps] for steps in joined), np.uint8),
    }


def _of_groups(cuts: Sequence[CutTree], groups: Sequence[Group]) -> dict[str, Any]:
    value_starts = _starts(len(group.features) << len(group.flags) for group in groups)
    return {
        "group_starts": _starts(len(each.groups) for each in cuts),
        "bit_starts": _starts(len(group.flags) for group in groups),
        "bit_flag": _flat((group.flags for group in groups), np.int64),
        "lookup_starts": _starts(len(group.features) for group in groups),
        "lookup_feature": _flat((group.features for group in groups), np.int64),
        "value_starts": value_starts,
        "values": np.zeros(int(value_starts[-1])),
    }


def _of_deep(cuts: Sequence[CutTree], deep: Sequence[Leaf]) -> dict[str, Any]:
    path = [each for leaf in deep for each in leaf.path]
    asked = [next(iter(each.wanted.items())) for each in path]
    return {
        "deep_starts": _starts(len(each.deep) for each in cuts),
        "deep_value": np.array([leaf.value for leaf in deep], dtype=np.float64),
        "path_starts": _starts(len(leaf.path) for leaf in deep),
        "path_feature": np.array([each.feature for each in path], dtype=np.int64),
        "path_flag": np.array([flag for flag, _ in asked], dtype=np.int64),
        "path_wanted": np.array([wanted for _, wanted in asked], dtype=np.uint8),
        "path_share": np.array([each.share for each in path], dtype=np.float64),
    }


def _asked(groups: Sequence[Group]) -> _Asked:
    leaves = [leaf for group in groups for leaf in group.leaves]
    path = [(group, each) for group in groups for leaf in group.leaves for each in leaf.path]
    return _Asked(
        leaf_starts=_starts(len(group.leaves) for group in groups),
        leaf_value=np.array([leaf.value for leaf in leaves], dtype=np.float64),
        path_starts=_starts(len(leaf.path) for leaf in leaves),
        mask=np.array([_pattern(group, dict.fromkeys(each.wanted, True)) for group, each in path], dtype=np.int64),
        wanted=np.array([_pattern(group, each.wanted) for group, each in path], dtype=np.int64),
        share=np.array([each.share for _, each in path], dtype=np.float64),
        lookup=np.array([group.features.index(each.feature) for group, each in path], dtype=np.int64),
    )


def _pattern(group: Group, flags: Mapping[int, bool]) -> int:
    """The bits of the flags that are set, in the group's order."""
    return sum(1 << group.flags.index(flag) for flag, is_set in flags.items() if is_set)


def _starts(sizes: Iterable[int]) -> Places:
    return np.array([0, *accumulate(sizes)], dtype=np.int64)


def _flat(parts: Iterable[Sequence[int] | NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype=kind), *(np.asarray(part, dtype=kind) for part in parts)])


@compiled
def _fill(asked: _Asked, tables: ShapTables, values: Numbers) -> None:
    for group in range(tables.bit_starts.size - 1):
        size = 1 << (tables.bit_starts[group + 1] - tables.bit_starts[group])
        first = tables.value_starts[group]
        for leaf in range(asked.leaf_starts[group], asked.leaf_starts[group + 1]):
            begin, end = asked.path_starts[leaf], asked.path_starts[leaf + 1]
            alone = _of_leaf(asked.leaf_value[leaf], asked.share[begin:end], tables)
            for pattern in range(size):
                satisfied = 0
                for place in range(begin, end):
                    if pattern & asked.mask[place] == asked.wanted[place]:
                        satisfied |= 1 << (place - begin)
                for place in range(begin, end):
                    values[first + asked.lookup[place] * size + pattern] += alone[satisfied, place - begin]


@compiled
def _of_leaf(value: float, shares: Numbers, tables: ShapTables) -> Numbers:
    """A leaf's SHAP values: one row for each set of satisfied features, one column a feature."""
    features = shares.size
    count = (features + 1) // 2
    alone = np.zeros((1 << features, features))
    for satisfied in range(1 << features):
        for rule in range(count * (count - 1) // 2, count * (count + 1) // 2):
            node, product = tables.nodes[rule], value * tables.weights[rule]
            for place in range(features):
                product *= shares[place] * (1.0 - node) + (node if satisfied >> place & 1 else 0.0)
            for place in range(features):
                if satisfied >> place & 1:
                    alone[satisfied, place] += product * (1.0 - shares[place]) / (shares[place] * (1.0 - node) + node)
                else:
                    alone[satisfied, place] -= product / (1.0 - node)
    return alone
