"""Whoever tries everything that arithmetic allows finds no number that a table leaves out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from cis_ews.enums import CaseState
from cis_ews.evaluation.equity import ATTRIBUTES
from cis_ews.evaluation.groups import told_groups
from cis_ews.evaluation.side_by_side import (
    COLUMNS,
    EVERY,
    OF_GROUPS,
    OF_TIERS,
    STUDENTS,
    TIERS,
    Counted,
    flagged_and_served,
    side_by_side,
)
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


def _equations(
    counts: Table, told: frozenset[Cell], sooner: str | None, *, are_sums_known: bool
) -> tuple[list[Cell], np.ndarray, np.ndarray]:
    """What is known of the hidden cells: each row adds up to its total, each column to its sum where that is told, or
    known anyway."""
    hidden = sorted(counts.keys() - told)
    rows = sorted({row for row, _ in counts})
    lines = [({(row, part): 1 for part in PARTS} | {(row, TOTAL): -1}, 0) for row in rows]
    sums = {("sum", column): sum(counts[row, column] for row in rows) for column in (*PARTS, TOTAL)}
    if len(rows) > 1:
        for _, column in sums if are_sums_known else told_table(sums, total=TOTAL, sooner=sooner):
            lines.append(({(row, column): 1 for row in rows}, sums["sum", column]))
    left = np.array([[signs.get(cell, 0) for cell in hidden] for signs, _ in lines])
    right = np.array(
        [known - sum(sign * counts[cell] for cell, sign in signs.items() if cell in told) for signs, known in lines]
    )
    return hidden, left, right


@given(tables(), st.sampled_from([None, *PARTS]), st.booleans())
def test_no_cell_that_is_left_out_can_be_recovered(
    counts: dict[Cell, int], sooner: str | None, are_sums_known: bool
) -> None:
    told = told_table(counts, total=TOTAL, sooner=sooner, are_sums_known=are_sums_known)
    assert all(counts[cell] >= FEWEST for cell in told)
    assert _recovered(counts, told, sooner, are_sums_known=are_sums_known) == []


@given(tables(), st.sampled_from([None, *PARTS]))
def test_no_cell_can_be_recovered_where_every_sum_of_rows_and_columns_is_known(
    counts: dict[Cell, int], sooner: str | None
) -> None:
    """As of groups of which it is told how many are flagged, ten at least, and what was done about them."""
    counts = {cell: count for cell, count in counts.items() if counts[cell[0], TOTAL] >= FEWEST}
    parts = {cell: count for cell, count in counts.items() if cell[1] != TOTAL}
    told = told_table(parts, total=None, sooner=sooner, are_sums_known=True)
    assert all(counts[cell] >= FEWEST for cell in told)
    found = _recovered(counts, told | (counts.keys() - parts.keys()), sooner, are_sums_known=True)
    assert all(counts[cell] >= FEWEST for cell in found), (found, sorted(told))


def _recovered(counts: Table, told: frozenset[Cell], sooner: str | None, *, are_sums_known: bool) -> list[Cell]:
    """The cells that are left out and can be one number alone. Of a column that is known to hold nobody none is."""
    rows = {row for row, _ in counts}
    hidden, left, right = _equations(counts, told, sooner, are_sums_known=are_sums_known)
    found: list[Cell] = []
    for place, cell in enumerate(hidden):
        is_known = are_sums_known and len(rows) > 1 and not any(counts[row, cell[1]] for row in rows)
        least, most = (_extreme(place, left, right, sign=sign) for sign in (1, -1))
        found += [cell] if most - least <= 0.5 and not is_known else []
    return found


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


DONE: tuple[tuple[int | None, str | None], ...] = (
    *((tier, state) for tier in (3, 2) for state in ("accepted", "not_now", None)),
    (1, None),
    (None, None),
)
"""Every tier, and what can have been done about whom is flagged."""
FIRST, SECOND = ("gender", ("f", "m", "x")), ("low_income", ("yes", "no"))
Kind = tuple[str, str, tuple[int | None, str | None]]
"""The groups of two attributes, a tier and a state: as finely as students can be told apart."""


@st.composite
def districts(draw: st.DrawFn) -> dict[Kind, int]:
    """How many students of each kind there are: of those whom nobody flagged or has seen many at times, else few."""
    few = st.one_of(st.just(0), st.integers(0, 12), st.integers(0, 40))
    many = {done: draw(st.booleans()) for done in DONE}
    rest = st.one_of(few, st.integers(40, 200))
    return {
        (one, other, done): draw(rest if many[done] else few)
        for one in FIRST[1]
        for other in SECOND[1]
        for done in DONE
    }


def _night(district: Mapping[Kind, int]) -> dict[tuple[str, str, str], int]:
    """What a night tells of it: attribute, group, column -> number."""
    kinds = [kind for kind, number in district.items() for _ in range(number)]
    ids = [f"{number:05}" for number in range(len(kinds))]
    demographics = pl.DataFrame(
        {
            "student_id": ids,
            "gender": [one for one, _, _ in kinds],
            "low_income": [each == "yes" for _, each, _ in kinds],
        }
    ).with_columns(pl.lit(None, pl.String).alias(name) for name in set(ATTRIBUTES) - {"gender", "low_income"})
    placed = pl.DataFrame(
        {
            "student_id": ids,
            "district_id": "d1",
            "tier": [tier for _, _, (tier, _) in kinds],
            "state": [state for _, _, (_, state) in kinds],
        },
        schema_overrides={"tier": pl.Int8, "state": pl.String},
    )
    told = told_groups({"demographics": demographics}.__getitem__, placed)
    return {
        (row["attribute"], row["group_name"], column): row[column]
        for row in told.iter_rows(named=True)
        for column in OF_GROUPS
        if row[column] is not None
    }


def _of_sums(district: Mapping[Kind, int]) -> dict[tuple[str, str, str], int]:
    """What the page of all districts tells of it besides: its tiers."""
    counts = {(EVERY, column): _number(district, ("", "", column)) for column in OF_TIERS.columns}
    return {("", *cell): counts[cell] for cell in OF_TIERS.told(counts)}


def _number(district: Mapping[Kind, int], cell: tuple[str, str, str]) -> int:
    return sum(number for kind, number in district.items() if _is_of(kind, cell))


def test_groups_do_not_add_up_to_a_sum_that_is_left_out() -> None:
    """Each hides two small tiers already, and could tell Tier 1; that would be told of all, where one tier is few."""
    counts = [
        *[("f", tier, None, number) for tier, number in ((3, 20), (2, 8), (None, 4), (1, 100))],
        *[("m", tier, None, number) for tier, number in ((3, 20), (2, 7), (None, 5), (1, 120))],
    ]
    told = side_by_side(counts)
    assert (told[EVERY]["tier_2"], told[EVERY]["not_enough_data"], told[EVERY]["tier_1"]) == (15, None, None)
    assert (told["f"]["tier_1"], told["m"]["tier_1"]) == (None, None)
    assert (told["f"]["tier_3"], told["f"]["students"]) == (20, 132)


def test_what_was_done_does_not_add_up_to_a_sum_that_is_left_out() -> None:
    done = {CaseState.ACCEPTED: (8, 7), CaseState.NOT_NOW: (4, 5), None: (140, 160)}
    counts: list[Counted] = [
        (group, tier, state, number)
        for place, group in enumerate(("f", "m"))
        for state, numbers in done.items()
        for tier, number in ((3, numbers[place] // 2), (2, numbers[place] - numbers[place] // 2))
    ]
    counts += [(group, tier, None, 200) for group in ("f", "m") for tier in (1, None)]
    told = side_by_side(counts)
    assert (told[EVERY]["in_support"], told[EVERY]["in_touch"], told[EVERY]["unseen"]) == (15, None, None)
    assert (told["f"]["unseen"], told["m"]["unseen"]) == (None, None)
    of_groups = flagged_and_served(counts)
    assert of_groups[EVERY] == {name: told[EVERY][name] for name in OF_GROUPS}
    assert (of_groups["f"]["unseen"], of_groups["m"]["unseen"]) == (None, None)
    assert (of_groups["f"]["flagged"], of_groups["m"]["flagged"]) == (152, 172)


def _is_of(kind: Kind, cell: tuple[str, str, str]) -> bool:
    """Whether students of a kind are counted in a cell."""
    attribute, group, column = cell
    tier, state = kind[2]
    done = {"accepted": "in_support", "not_now": "in_touch", None: "unseen"}[state]
    of_group = {"": True, "gender": kind[0] == group, "low_income": kind[1] == group}[attribute]
    return of_group and (
        column == "students" or column == TIERS[tier] or (tier in (2, 3) and column in ("flagged", done))
    )


@given(districts(), st.booleans())
def test_no_group_that_is_left_out_can_be_recovered_from_all_tables_of_a_night(
    district: dict[Kind, int], counts_all: bool
) -> None:
    """Whoever holds every number that a night tells of every attribute, and puts them all together; a manager counts
    all students of the district besides."""
    told = _night(district) | _of_sums(district)
    assert all(number >= FEWEST for number in told.values())
    kinds = list(district)
    if counts_all:
        told |= {cell: _number(district, cell) for cell in (("", "", column) for column in COLUMNS)}
    left = np.array([[float(_is_of(kind, cell)) for kind in kinds] for cell in told]).reshape(-1, len(kinds))
    right = np.array([float(number) for number in told.values()])
    names = [
        *(() if counts_all else [("", "")]),
        *((attribute, group) for attribute, groups in (FIRST, SECOND) for group in groups),
    ]
    for cell in ((*name, column) for name in names for column in COLUMNS):
        number, size, of_all = (_number(district, each) for each in (cell, (*cell[:2], STUDENTS), ("", "", cell[2])))
        # A group that nobody is in has no line, and may be missed. Who counts all students knows what nobody is in.
        if number < FEWEST and size and (of_all or not counts_all):
            aim = np.array([float(_is_of(kind, cell)) for kind in kinds])
            least, most = (_least(sign * aim, left, right) * sign for sign in (1, -1))
            assert most - least > 0.5, (cell, told, district)


def _least(aim: np.ndarray, left: np.ndarray, right: np.ndarray) -> float:
    """The least that a sum of kinds can be, no kind being negative."""
    solved = linprog(aim, A_eq=left if len(left) else None, b_eq=right if len(left) else None, method="highs")
    assert solved.status in (0, 3), "what is true has to be possible"
    return float(solved.fun) if solved.status == 0 else float("-inf")
