"""Whoever tries everything that arithmetic allows finds no number that a table leaves out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from cis_ews.evaluation.suppression import FEWEST, Cell, told_table

TOTAL = "all"
PARTS = ("a", "b", "c")
Table = Mapping[Cell, int]


@st.composite
def tables(draw: st.DrawFn) -> dict[Cell, int]:
    """Up to five rows of three parts, most of them small or nothing, with the total of each row."""
    few = st.one_of(st.just(0), st.integers(0, 12), st.integers(0, 60))
    counts: dict[Cell, int] = {}
    for row in map(str, range(draw(st.integers(1, 5)))):
        values = {(row, part): draw(few) for part in PARTS}
        counts |= values | {(row, TOTAL): sum(values.values())}
    return counts


def _equations(counts: Table, told: frozenset[Cell]) -> tuple[list[Cell], np.ndarray, np.ndarray]:
    """What is known of the hidden cells: each row adds up to its total, each column to its sum where that is told."""
    hidden = sorted(counts.keys() - told)
    rows = sorted({row for row, _ in counts})
    lines = [({(row, part): 1 for part in PARTS} | {(row, TOTAL): -1}, 0) for row in rows]
    sums = {("sum", column): sum(counts[row, column] for row in rows) for column in (*PARTS, TOTAL)}
    if len(rows) > 1:
        for _, column in told_table(sums, total=TOTAL):
            lines.append(({(row, column): 1 for row in rows}, sums["sum", column]))
    left = np.array([[signs.get(cell, 0) for cell in hidden] for signs, _ in lines])
    right = np.array(
        [known - sum(sign * counts[cell] for cell, sign in signs.items() if cell in told) for signs, known in lines]
    )
    return hidden, left, right


@given(tables())
def test_no_cell_that_is_left_out_can_be_recovered(counts: dict[Cell, int]) -> None:
    told = told_table(counts, total=TOTAL)
    assert all(counts[cell] >= FEWEST for cell in told)
    hidden, left, right = _equations(counts, told)
    for place, cell in enumerate(hidden):
        least, most = (_extreme(place, left, right, sign=sign) for sign in (1, -1))
        assert most - least > 0.5, (cell, sorted(told), counts)


def _extreme(place: int, left: np.ndarray, right: np.ndarray, *, sign: int) -> float:
    """The least (sign 1) or the most (-1) that a hidden count can be, none of them being negative."""
    aim = np.zeros(left.shape[1])
    aim[place] = sign
    solved = linprog(aim, A_eq=left, b_eq=right, method="highs")
    assert solved.status in (0, 3), "what is true has to be possible"
    return float(sign * solved.fun) if solved.status == 0 else float("inf")


@given(tables())
def test_whatever_is_large_enough_is_told_where_nothing_is_hidden(counts: dict[Cell, int]) -> None:
    large = {cell: count + FEWEST for cell, count in counts.items() if cell[1] != TOTAL}
    for row in {row for row, _ in counts}:
        large[row, TOTAL] = sum(large[row, part] for part in PARTS)
    assert told_table(large, total=TOTAL) == frozenset(large)
