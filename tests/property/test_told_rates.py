"""Whoever tries everything that arithmetic allows finds no 1 to 9 students behind the rates that an audit tells."""

from __future__ import annotations

from itertools import product

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from cis_ews.evaluation.equity import Audit, audit
from cis_ews.evaluation.suppression import FEWEST, told_cells

KINDS = tuple(product((1, 0), (1, 0)))
"""Off track or not, flagged or not."""
GENDER, DISABILITY = ("F", "M", "X"), (True, False)
Kind = tuple[str, bool, tuple[int, int]]
WHERE = {
    "selection_rate": (lambda kind: kind in KINDS, lambda kind: kind[1] == 1),
    "false_negative_rate": (lambda kind: kind[0] == 1, lambda kind: kind == (1, 0)),
    "false_positive_rate": (lambda kind: kind[0] == 0, lambda kind: kind == (0, 1)),
    "precision": (lambda kind: kind[1] == 1, lambda kind: kind == (1, 1)),
}
"""Measure -> who stands in the denominator, and who is counted."""


@st.composite
def districts(draw: st.DrawFn) -> dict[Kind, int]:
    """How many students of each kind there are: some groups small as a whole, some with few missed or flagged."""
    few, many = st.integers(0, 14), st.integers(10, 90)
    found: dict[Kind, int] = {}
    for gender, disability in product(GENDER, DISABILITY):
        sizes = [draw(st.one_of(few, many, many)) for _ in KINDS]
        found |= {(gender, disability, kind): size for kind, size in zip(KINDS, sizes, strict=True)}
    return found


def _audit(district: dict[Kind, int]) -> Audit | None:
    kinds = [kind for kind, number in district.items() for _ in range(number)]
    rows = pl.DataFrame(
        {
            "student_id": [str(place) for place in range(len(kinds))],
            "gender": [kind[0] for kind in kinds],
            "disability": ["yes" if kind[1] else "no" for kind in kinds],
            "label": [kind[2][0] for kind in kinds],
            "flagged": [kind[2][1] for kind in kinds],
            "risk": 0.3,
        }
    )
    if rows["label"].n_unique() < 2:
        return None
    groups = rows.select("student_id", "gender", "disability")
    return audit(rows, groups, decisions=["flagged"], attributes=["gender", "disability"])


def _is_in(kind: Kind, attribute: str, group: str) -> bool:
    values = {"gender": kind[0], "disability": "yes" if kind[1] else "no"}
    pairs = zip(attribute.split(" x "), group.split(" x "), strict=True)
    return all(values[name] == value for name, value in pairs)


@given(districts())
def test_no_few_students_come_out_of_all_rates_together(district: dict[Kind, int]) -> None:
    """Every number behind every told rate of both attributes and their pair is put together with all totals."""
    found = _audit(district)
    if found is None:
        return
    kinds, counts = list(district), np.array(list(district.values()), dtype=float)
    known: set[tuple[float, ...]] = {tuple(float(kind[2] == cell) for kind in kinds) for cell in KINDS}
    for each in found.figures:
        if each.value is None or each.of is None:
            continue
        members = [kind if _is_in(kind, each.attribute, each.group) else None for kind in kinds]
        known.add(tuple(float(kind is not None) for kind in members))
        assert each.students == sum(n for kind, n in zip(members, counts, strict=True) if kind)
        for is_counted in WHERE.get(each.measure, ()):
            known.add(tuple(float(kind is not None and is_counted(kind[2])) for kind in members))
        if each.measure in WHERE:
            met = round(each.value * each.of)
            assert not {met, each.of - met} & set(range(1, FEWEST))
    left = np.array(sorted(known))
    right = left @ counts
    assert not ((right > 0) & (right < FEWEST) & (left.sum(axis=1) < left.shape[1] / 4)).any()
    groups = {(each.attribute, each.group) for each in found.figures}
    for attribute, group in sorted(groups):
        for cell in KINDS:
            aim = np.array([float(_is_in(kind, attribute, group) and kind[2] == cell) for kind in kinds])
            if 0 < aim @ counts < FEWEST:
                least, most = (_least(sign * aim, left, right) * sign for sign in (1, -1))
                assert most - least > 0.5, (attribute, group, cell)


def _least(aim: np.ndarray, left: np.ndarray, right: np.ndarray) -> float:
    """The least that a sum of kinds can be, no kind being negative."""
    solved = linprog(aim, A_eq=left, b_eq=right, method="highs")
    assert solved.status == 0, "what is true has to be possible"
    return float(solved.fun)


@st.composite
def pairs(draw: st.DrawFn) -> dict[tuple[str, str], tuple[int, int]]:
    """Those whom something met and spared, by two attributes of many values; some pairs have nobody."""
    number = st.one_of(st.just(0), st.integers(1, 11), st.integers(10, 90), st.integers(10, 90), st.integers(10, 90))
    rows, columns = (range(draw(st.integers(2, 5))) for _ in range(2))
    found = {(f"{row}", f"{column}"): (draw(number), draw(number)) for row, column in product(rows, columns)}
    return {pair: both for pair, both in found.items() if any(both)}


@given(pairs())
def test_no_few_students_of_a_pair_come_out_of_several_lines(found: dict[tuple[str, str], tuple[int, int]]) -> None:
    counts = [{pair: both[place] for pair, both in found.items()} for place in range(2)]
    counts.insert(0, {pair: sum(both) for pair, both in found.items()})
    alone = [told_cells(*[_sums(count, place) for count in counts]) for place in range(2)]
    outside = {pair for pair in found if any((pair[place],) not in alone[place] for place in range(2))}
    told = told_cells(*counts, hidden=outside)
    if not told:
        return  # what attributes by themselves tell of each other is more than their pair can hide
    order = sorted(found)
    lines = [[True] * len(order)] + [[pair == each for pair in order] for each in sorted(told)]
    lines += [[pair[place] == value for pair in order] for place in range(2) for (value,) in sorted(alone[place])]
    left = np.array(lines, dtype=float)
    for count in counts:
        numbers = np.array([count[pair] for pair in order], dtype=float)
        for aim, pair in zip(np.eye(len(order)), order, strict=True):
            if pair not in told and 0 < count[pair] < FEWEST:
                least, most = (_least(sign * aim, left, left @ numbers) * sign for sign in (1, -1))
                assert most - least > 0.5, pair


def _sums(count: dict[tuple[str, str], int], place: int) -> dict[tuple[str, ...], int]:
    sums: dict[tuple[str, ...], int] = {}
    for pair, number in count.items():
        sums[(pair[place],)] = sums.get((pair[place],), 0) + number
    return sums


def test_rates_of_large_groups_are_told() -> None:
    """So that not telling anything is no way to pass."""
    district = dict.fromkeys(product(GENDER, DISABILITY, KINDS), 40)
    found = _audit(district)
    assert found is not None
    assert found.suppressed == 0
    assert len(found.figures) == 5 * (len(GENDER) + len(DISABILITY) + 6)
    few = district | {("F", True, (1, 0)): 4}
    found = _audit(few)
    assert found is not None
    told = [each for each in found.figures if each.value is not None]
    assert {each.measure for each in told if each.group == "F x yes"} == {"calibration", "false_positive_rate"}
    assert len(told) >= 38
