"""How a tree is cut into groups of leaves that are few enough in questions to tabulate every answer.

A leaf's SHAP values hang on the row only through which of the features on its path the row satisfies. A group is a set
of leaves of one tree whose paths ask at most so many questions together (its bits); a leaf that asks more by itself is
*deep* and is worked out row by row. A question is a flag: the decision of one split or, where a feature stands on a
path more than once above the group, whether all of its splits there are satisfied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from cis_ews.risk.shap_trees import ShapTree

MOST_BITS = 10
"""A table has then at most 1,024 rows, 8 KB a feature: larger ones save look-ups and lose as much in fetching."""
Steps = tuple[tuple[int, bool], ...]


@dataclass(frozen=True, slots=True)
class PathFeature:
    """A feature on a leaf's path: the product of its cover ratios, and how its flags stand where it is satisfied."""

    feature: int
    share: float
    wanted: Mapping[int, bool]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf and the features on its path, each once."""

    value: float
    path: tuple[PathFeature, ...]

    @property
    def flags(self) -> set[int]:
        """The flags that it asks for."""
        return {flag for each in self.path for flag in each.wanted}


@dataclass(frozen=True, slots=True)
class Group:
    """Leaves that share one table."""

    flags: tuple[int, ...]
    leaves: tuple[Leaf, ...]

    @property
    def features(self) -> tuple[int, ...]:
        """The features on the paths of its leaves."""
        return tuple(sorted({each.feature for leaf in self.leaves for each in leaf.path}))


@dataclass(slots=True)
class CutTree:
    """The groups and deep leaves of a tree; `joined` are flags beyond its splits, each for all of these steps."""

    splits: int
    groups: list[Group] = field(default_factory=list[Group])
    deep: list[Leaf] = field(default_factory=list[Leaf])
    joined: dict[Steps, int] = field(default_factory=dict[Steps, int])

    def flag_of(self, steps: Steps) -> tuple[int, bool]:
        """The flag that says whether all of these splits went so, and what it says then."""
        if len(steps) == 1:
            return steps[0]
        return self.joined.setdefault(steps, self.splits + len(self.joined)), True


@dataclass(frozen=True, slots=True)
class _Path:
    """What was decided on the way to a node: for each feature its splits and the product of its cover ratios."""

    steps: Mapping[int, Steps] = field(default_factory=dict[int, Steps])
    shares: Mapping[int, float] = field(default_factory=dict[int, float])

    def to(self, tree: ShapTree, node: int, *, left: bool) -> _Path:
        """The path a step further."""
        feature, child = int(tree.feature[node]), int(tree.left[node] if left else tree.right[node])
        ratio = tree.rows_of(child) / tree.rows_of(node)
        steps = (*self.steps.get(feature, ()), (node, left))
        return _Path({**self.steps, feature: steps}, {**self.shares, feature: self.shares.get(feature, 1.0) * ratio})


def cut(tree: ShapTree) -> CutTree:
    """Cut a tree into groups and deep leaves; a tree of one leaf has neither."""
    made = CutTree(splits=tree.feature.size)
    if made.splits:
        for node, path in _subtrees(tree, 0, _Path()):
            leaves = tuple(_leaf(value, below, made, above=path) for value, below in _leaves(tree, node, path))
            flags = tuple(sorted(set[int]().union(*(leaf.flags for leaf in leaves))))
            if len(flags) > MOST_BITS:
                made.deep.extend(leaves)
            else:
                made.groups.append(Group(flags, leaves))
    made.groups = _merged(made.groups)
    return made


def _children(tree: ShapTree, node: int, path: _Path) -> Iterator[tuple[int, _Path]]:
    yield int(tree.left[node]), path.to(tree, node, left=True)
    yield int(tree.right[node]), path.to(tree, node, left=False)


def _subtrees(tree: ShapTree, node: int, path: _Path) -> Iterator[tuple[int, _Path]]:
    """The highest nodes whose subtrees ask little enough, and single leaves, each with the path to it."""
    if node < 0 or len(path.steps) + _splits_below(tree, node) <= MOST_BITS:
        yield node, path
        return
    for child, further in _children(tree, node, path):
        yield from _subtrees(tree, child, further)


def _splits_below(tree: ShapTree, node: int) -> int:
    return 0 if node < 0 else 1 + _splits_below(tree, int(tree.left[node])) + _splits_below(tree, int(tree.right[node]))


def _leaves(tree: ShapTree, node: int, path: _Path) -> Iterator[tuple[float, _Path]]:
    if node < 0:
        yield float(tree.leaf_value[~node]), path
        return
    for child, further in _children(tree, node, path):
        yield from _leaves(tree, child, further)


def _leaf(value: float, path: _Path, made: CutTree, *, above: _Path) -> Leaf:
    """The leaf at the end of a path into a group; splits above the group are asked together, those in it singly."""
    features: list[PathFeature] = []
    for feature, steps in path.steps.items():
        before = above.steps.get(feature, ())
        asked = [made.flag_of(before)] if before else []
        wanted = dict([*asked, *steps[len(before) :]])
        features.append(PathFeature(feature, path.shares[feature], wanted))
    return Leaf(value, tuple(features))


def _merged(groups: list[Group]) -> list[Group]:
    """Put groups together while they fit and share features: a feature costs a look-up a group."""
    merged = list(groups)
    while True:
        pairs = [(_saved(one, other), one, other) for one, other in combinations(merged, 2)]
        saved, one, other = max(pairs, key=lambda pair: pair[0], default=(0, None, None))
        if saved <= 0 or one is None or other is None:
            return merged
        merged.remove(one)
        merged.remove(other)
        merged.append(Group(tuple(sorted({*one.flags, *other.flags})), one.leaves + other.leaves))


def _saved(one: Group, other: Group) -> int:
    """How many look-ups fewer the two cost together; nothing where they do not fit."""
    if len({*one.flags, *other.flags}) > MOST_BITS:
        return 0
    return len(set(one.features) & set(other.features))
