"""Which groups may be told: none so small that a child could be found, nor one that would give such a group away."""

from __future__ import annotations

from collections.abc import Mapping

FEWEST = 10
"""The smallest group of which anything is told (domain: n < 10 is suppressed in public reports on students)."""

Group = tuple[str, ...]


def told_cells(sizes: Mapping[Group, int]) -> frozenset[Group]:
    """The groups of an attribute, or of a pair of attributes, that may be told.

    A group under 10 is not. Where it is the only one left out of a line that adds up to something that is told
    elsewhere (all groups of an attribute; of a pair, all groups with one value in common), or all that are left out
    are under 10 together, subtraction would give them away: the smallest other group of that line is left out too, and
    so on until no line gives anything away.
    """
    hidden = {group for group, size in sizes.items() if size < FEWEST}
    while True:
        open_lines = (line for line in _lines(sizes) if line - hidden and _gives_away(line & hidden, sizes))
        more = {_smallest(line - hidden, sizes) for line in open_lines}
        if not more:
            return frozenset(sizes) - hidden
        hidden |= more


def _gives_away(hidden: frozenset[Group], sizes: Mapping[Group, int]) -> bool:
    return len(hidden) == 1 or 0 < sum(sizes[group] for group in hidden) < FEWEST


def _lines(sizes: Mapping[Group, int]) -> list[frozenset[Group]]:
    width = len(next(iter(sizes), ()))
    if width < 2:
        return [frozenset(sizes)]
    values = {(place, group[place]) for group in sizes for place in range(width)}
    return [frozenset(group for group in sizes if group[place] == value) for place, value in sorted(values)]


def _smallest(groups: frozenset[Group], sizes: Mapping[Group, int]) -> Group:
    return min(groups, key=lambda group: (sizes[group], group))
