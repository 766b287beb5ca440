"""A student alone on the list of another night: whether the list would hold the student, if nobody else had changed.

The list of a school is made of two orders (`tier_places.numbered`): its first places go to the students whom rules call
for most, the others to whom rules and model call for most. With one student more or another one, what is told of that
student takes a count of who stands before, and no list made anew.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.compiling import array_of, begins_of, compiled, inlined, read_only
from cis_ews.texts import places_of

DECIDING = ("asked", "by_rules", "risk", "flags", "absence_rate", "lot")
"""What of `judge_students` decides the order of a list."""
_NUMBERS = ("by_rules", "asked", "risk", "flags", "absence_rate")
_NOWHERE = -1
_BY_RULES, _ASKED, _RISK, _FLAGS, _RATE = range(len(_NUMBERS))


class _Keys(NamedTuple):
    """What students are put in order by. `numbers`: of each student _NUMBERS, of which the highest stands first."""

    numbers: NDArray[np.float64]
    lots: NDArray[np.uint64]


class _Lists(NamedTuple):
    """Where the list of each asking student begins and ends in all lists, the student's own place, and its limits."""

    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    own: NDArray[np.int64]
    limits: NDArray[np.int64]
    kept: NDArray[np.int64]


def listed_alone(asking: pl.DataFrame, lists: pl.DataFrame) -> pl.Series:
    """Whether each of the students who ask for a tier is on the list of a school, beside those who were on it.

    `asking`: `student_id`, `school_id`, the `limit` and `kept` of that list (`list_limits`), and DECIDING; rows do not
    see each other. `lists`: of everyone on a list `student_id`, `school_id` and DECIDING, each student once. Who asks
    is no other of their own.
    """
    asked_of = asking["school_id"].unique()
    school = places_of(lists["school_id"], asked_of)
    lists, school = lists.filter(school >= 0), school[school >= 0]
    keys = lists.select(*_NUMBERS, "lot")
    by_need = pl.DataFrame({"school": school}).hstack(keys.select("by_rules", "flags", "absence_rate", "lot"))
    turns = pl.arg_sort_by(by_need.columns, descending=[False, True, True, True, False], nulls_last=True)
    order = by_need.select(turns).to_series()
    place = np.empty(len(order) + 1, dtype=np.int64)
    place[order], place[-1] = np.arange(len(order)), _NOWHERE
    begins, at = begins_of(np.sort(school), len(asked_of)), places_of(asking["school_id"], asked_of)
    placed = _Lists(
        begins=read_only(begins[at]),
        ends=read_only(begins[at + 1]),
        own=read_only(place[places_of(asking["student_id"], lists["student_id"])]),
        limits=array_of(asking["limit"]),
        kept=array_of(asking["kept"]),
    )
    return pl.Series("is_listed", _listed(_keys(asking), _keys(keys[order]), placed))


def _keys(students: pl.DataFrame) -> _Keys:
    # No number of these is negative, and a lack of one stands behind all.
    numbers = students.select(pl.col(name).cast(pl.Float64).fill_null(-1.0) for name in _NUMBERS)
    return _Keys(read_only(np.ascontiguousarray(numbers.to_numpy())), array_of(students["lot"]))


@compiled
def _listed(asking: _Keys, others: _Keys, lists: _Lists) -> NDArray[np.bool_]:
    listed = np.zeros(lists.own.size, dtype=np.bool_)
    for one in range(lists.own.size):
        begin, end, own = lists.begins[one], lists.ends[one], lists.own[one]
        asks_by_rules = asking.numbers[one, _BY_RULES] >= 0
        behind, kept, before = 0, 0, 0
        for other in range(begin, end):
            if other == own:
                continue
            # Others stand in the order of the rules, which one more shifts by a place from where it stands itself.
            is_behind = asks_by_rules and _is_before_by_rules(asking, others, (one, other))
            behind += is_behind
            place = other - begin - (begin <= own < other) + is_behind
            if others.numbers[other, _BY_RULES] >= 0 and place < lists.kept[one]:
                kept += 1
            elif _is_before(others, asking, (other, one)):
                before += 1
        alone = end - begin - (begin <= own < end)
        if asks_by_rules and alone - behind < lists.kept[one]:
            listed[one] = True
        else:
            listed[one] = before < lists.limits[one] - kept
    return listed


@inlined
def _is_before_by_rules(keys: _Keys, others: _Keys, rows: tuple[int, int]) -> bool:
    row, other = rows
    for number in (_BY_RULES, _FLAGS, _RATE):
        if keys.numbers[row, number] != others.numbers[other, number]:
            return keys.numbers[row, number] > others.numbers[other, number]
    return keys.lots[row] < others.lots[other]


@inlined
def _is_before(keys: _Keys, others: _Keys, rows: tuple[int, int]) -> bool:
    row, other = rows
    for number in (_ASKED, _RISK, _FLAGS, _RATE):
        if keys.numbers[row, number] != others.numbers[other, number]:
            return keys.numbers[row, number] > others.numbers[other, number]
    return keys.lots[row] < others.lots[other]
