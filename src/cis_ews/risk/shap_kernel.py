"""The compiled look-up of SHAP values: for a block of rows at a time every split, every pattern, every group's table.

Columns lie one after another in memory, so that each step is one pass over a vector that stays in the cache. Nothing a
row gets depends on the rows beside it: any cut of the rows into parts gives the same bits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cis_ews.compiling import compiled
from cis_ews.risk.shap_tables import ShapTables
from cis_ews.risk.shap_trees import CATEGORY, NAN_LEFT, NAN_RIGHT, ZERO, ZERO_RIGHT

BLOCK, PART = 16_384, 512
"""Rows for which a group's table is fetched once: a forest's tables are larger than the caches near a core."""
Columns = NDArray[np.float32 | np.float64]
_BITS = 32


class _Work(NamedTuple):
    """What a call reads and writes beside the tables: `table` from its row `first` on, and room for one block."""

    columns: NDArray[Any]
    thresholds: NDArray[Any]
    table: NDArray[np.float64]
    first: int
    flags: NDArray[np.uint8]
    patterns: NDArray[np.uint16]
    product: NDArray[np.float64]


class _Place(NamedTuple):
    """Rows `begin` to `begin + size` in a tree."""

    tree: int
    begin: int
    size: int


def add_shap_values(tables: ShapTables, columns: Columns, table: NDArray[np.float64], *, first: int) -> None:
    """Add the SHAP values of rows to `table`, from its column `first` on; rows lie in both as columns side by side."""
    flags = np.diff(tables.split_starts) + np.diff(tables.joined_starts)
    work = _Work(
        columns,
        tables.threshold32 if columns.dtype == np.float32 else tables.threshold,
        table,
        first,
        flags=np.empty((max(flags.tolist(), default=0), BLOCK), dtype=np.uint8),
        patterns=np.empty(BLOCK, dtype=np.uint16),
        product=np.empty(PART),
    )
    _explain(tables, work)


@compiled
def _explain(tables: ShapTables, work: _Work) -> None:
    rows = work.columns.shape[1]
    for begin in range(0, rows, BLOCK):
        for tree in range(tables.split_starts.size - 1):
            place = _Place(tree, begin, min(BLOCK, rows - begin))
            _decide(tables, work, place)
            _join(tables, work, place)
            _look_up(tables, work, place)
            _work_out(tables, work, place)


@compiled
def _decide(tables: ShapTables, work: _Work, place: _Place) -> None:
    """The decision of each split of the tree: 1 where a row goes left. Every comparison with NaN is false."""
    first = tables.split_starts[place.tree]
    for split in range(first, tables.split_starts[place.tree + 1]):
        values = work.columns[tables.feature[split], place.begin : place.begin + place.size]
        flags, threshold, kind = work.flags[split - first], work.thresholds[split], tables.kind[split]
        if kind == NAN_RIGHT:
            for row in range(place.size):
                flags[row] = values[row] <= threshold
        elif kind == NAN_LEFT:
            for row in range(place.size):
                flags[row] = not values[row] > threshold
        elif kind == CATEGORY:
            words = tables.category_words[tables.category_starts[split] : tables.category_starts[split + 1]]
            _choose(words, values, flags)
        elif kind == ZERO_RIGHT:
            for row in range(place.size):
                flags[row] = (abs(values[row]) > ZERO) & (values[row] <= threshold)
        else:
            for row in range(place.size):
                flags[row] = (not abs(values[row]) > ZERO) | (values[row] <= threshold)


@compiled
def _choose(words: NDArray[np.uint32], values: NDArray[Any], flags: NDArray[np.uint8]) -> None:
    """1 where the whole part of a value is one of the categories."""
    for row in range(values.size):
        flags[row] = 0
        if values[row] > -1.0 and values[row] < words.size * _BITS:
            category = int(values[row])
            flags[row] = (words[category // _BITS] >> (category % _BITS)) & 1


@compiled
def _join(tables: ShapTables, work: _Work, place: _Place) -> None:
    """Flags that are set where all of their steps went as wanted."""
    first = tables.joined_starts[place.tree]
    splits = tables.split_starts[place.tree + 1] - tables.split_starts[place.tree]
    for joined in range(first, tables.joined_starts[place.tree + 1]):
        flags = work.flags[splits + joined - first]
        flags[: place.size] = 1
        for step in range(tables.step_starts[joined], tables.step_starts[joined + 1]):
            decided, other = work.flags[tables.step_flag[step]], np.uint8(1 - tables.step_wanted[step])
            for row in range(place.size):
                flags[row] &= decided[row] ^ other


@compiled
def _look_up(tables: ShapTables, work: _Work, place: _Place) -> None:
    """Add what the tables of the tree's groups say."""
    patterns, begin = work.patterns, work.first + place.begin
    for group in range(tables.group_starts[place.tree], tables.group_starts[place.tree + 1]):
        first_bit, end_bit = tables.bit_starts[group], tables.bit_starts[group + 1]
        patterns[: place.size] = 0
        for bit in range(first_bit, end_bit):
            flags, shift = work.flags[tables.bit_flag[bit]], np.uint16(bit - first_bit)
            for row in range(place.size):
                patterns[row] |= np.uint16(flags[row]) << shift
        size, first = 1 << (end_bit - first_bit), tables.value_starts[group]
        for lookup in range(tables.lookup_starts[group], tables.lookup_starts[group + 1]):
            values = tables.values[first : first + size]
            out = work.table[tables.lookup_feature[lookup], begin : begin + place.size]
            for row in range(place.size):
                out[row] += values[patterns[row]]
            first += size


@compiled
def _work_out(tables: ShapTables, work: _Work, place: _Place) -> None:
    """Add what the deep leaves of the tree say, a few rows at a time: what is multiplied stays in the nearest cache."""
    begin, end = tables.deep_starts[place.tree], tables.deep_starts[place.tree + 1]
    if begin < end:
        for low in range(0, place.size, PART):
            for leaf in range(begin, end):
                _multiply(tables, work, (leaf, low, min(low + PART, place.size), work.first + place.begin))


@compiled
def _multiply(tables: ShapTables, work: _Work, at: tuple[int, int, int, int]) -> None:
    """Add what a deep leaf says, by the quadrature that the tables are made with."""
    leaf, low, high, first = at
    path = range(tables.path_starts[leaf], tables.path_starts[leaf + 1])
    product, count = work.product[: high - low], (len(path) + 1) // 2
    for rule in range(count * (count - 1) // 2, count * (count + 1) // 2):
        node = tables.nodes[rule]
        product[:] = tables.deep_value[leaf] * tables.weights[rule]
        for step in path:
            flags, wanted = work.flags[tables.path_flag[step], low:high], tables.path_wanted[step]
            without = tables.path_share[step] * (1.0 - node)
            within = without + node
            for row in range(product.size):
                product[row] *= within if flags[row] == wanted else without
        for step in path:
            flags, wanted = work.flags[tables.path_flag[step], low:high], tables.path_wanted[step]
            share = tables.path_share[step]
            within, without = (1.0 - share) / (share * (1.0 - node) + node), -1.0 / (1.0 - node)
            out = work.table[tables.path_feature[step], first + low : first + high]
            for row in range(product.size):
                out[row] += product[row] * (within if flags[row] == wanted else without)
