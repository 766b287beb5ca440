"""Attendance added up: one walk over each student's own days, as a reader of the days would count them.

The records of a student are laid out on the student's days first, the largest absence of each day, so that neither
their order nor a second record of a day matters.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cis_ews.compiling import compiled, inlined
from cis_ews.indicators.windows import DAY_PARTS, FIRST_DAYS, LAST_DAYS

TARDY, NOTHING = -1, -2
"""What weighs less than any absence."""
KINDS = ("unexcused", "excused")
MONTHS_OF_YEAR = 12
RECENT, EARLIER = 20, 40
"""A trend compares the last 20 days with the 20 before them."""


class Spans(NamedTuple):
    """Days that suspensions imposed; those of student s are `begins[s]:begins[s + 1]`, from day `first` to `last`."""

    begins: NDArray[np.int64]
    first: NDArray[np.int32]
    last: NDArray[np.int32]


class Records(NamedTuple):
    """What was recorded; the records of student s are `begins[s]:begins[s + 1]`, and `total` are the student's days.

    `number`: of the student's day, 0 where the date is not one of them. `weight`: twice the parts missed, plus one if
    excused, so that the largest of a day counts. `month`: of each date from the day number `first_date` on.
    """

    total: NDArray[np.int32]
    begins: NDArray[np.int64]
    number: NDArray[np.int32]
    date: NDArray[np.int32]
    weight: NDArray[np.int32]
    away: Spans
    month: NDArray[np.int8]
    first_date: int
    this_month: int


class Missed(NamedTuple):
    """What each student missed, in parts of days or in days: the last axis is the student; memory goes by student.

    The one before it, where there is one, is the window of `LAST_DAYS`, the month, or the kind (unexcused, excused).
    """

    parts: NDArray[np.int32]
    excused_parts: NDArray[np.int32]
    first_parts: NDArray[np.int32]
    last_parts: NDArray[np.int32]
    last_excused_parts: NDArray[np.int32]
    earlier_parts: NDArray[np.int32]
    month_parts: NDArray[np.int32]
    suspended_parts: NDArray[np.int32]
    full_days: NDArray[np.int32]
    this_month: NDArray[np.int32]
    of_month: NDArray[np.int32]
    days_since: NDArray[np.int32]
    longest_run: NDArray[np.int32]
    current_run: NDArray[np.int32]
    tardies: NDArray[np.int32]


class _Days(NamedTuple):
    """The days of one student, by number; the place 0 takes what falls on none of them.

    `told`: the numbers of those days of which something is recorded, ascending; what lies beyond them is of others.
    """

    weight: NDArray[np.int32]
    date: NDArray[np.int32]
    is_late: NDArray[np.bool_]
    is_away: NDArray[np.bool_]
    told: NDArray[np.int32]


class _Absence(NamedTuple):
    number: int
    ago: int
    month: int
    parts: int
    excused: int
    is_away: bool


def add_up(records: Records) -> Missed:
    """What each student missed; `days_since` is -1 where nothing was."""
    students, windows, kinds = records.total.size, len(LAST_DAYS), len(KINDS)
    shapes = {
        "last_parts": (windows,),
        "last_excused_parts": (windows,),
        "month_parts": (MONTHS_OF_YEAR,),
        "full_days": (kinds,),
        "this_month": (kinds,),
        "of_month": (kinds, MONTHS_OF_YEAR),
    }
    found = Missed(*(np.zeros((*shapes.get(name, ()), students), dtype=np.int32, order="F") for name in Missed._fields))
    found.days_since.fill(-1)
    longest = records.total.max(initial=0) + 1
    days = _Days(
        weight=np.full(longest, NOTHING, dtype=np.int32),
        date=np.zeros(longest, dtype=np.int32),
        is_late=np.zeros(longest, dtype=np.bool_),
        is_away=np.zeros(longest, dtype=np.bool_),
        told=np.zeros(longest, dtype=np.int32),
    )
    _walk(records, days, found)
    return found


@compiled
def _walk(records: Records, days: _Days, found: Missed) -> None:
    for student in range(records.total.size):
        if records.begins[student] == records.begins[student + 1]:
            continue
        total, run, before = records.total[student], 0, 0
        for place in range(_lay_out(records, student, days)):
            number = int(days.told[place])
            found.tardies[student] += days.is_late[number]
            weight, date = days.weight[number], days.date[number]
            parts, excused = weight // 2, weight % 2
            is_full = parts * 2 >= DAY_PARTS
            run = (run * (number == before + 1) + 1) * is_full
            before = number
            found.longest_run[student] = max(found.longest_run[student], run)
            if weight >= 0:
                month = int(records.month[date - records.first_date]) - 1
                _add(_Absence(number, total - number, month, parts, excused, days.is_away[number]), student, found)
                found.full_days[excused, student] += is_full
                found.of_month[excused, month, student] += is_full
                found.this_month[excused, student] += is_full and date >= records.this_month
            days.weight[number], days.is_late[number] = NOTHING, False
        found.current_run[student] = run * (before == total)
        for place in range(records.away.begins[student], records.away.begins[student + 1]):
            days.is_away[records.away.first[place] : min(records.away.last[place], total) + 1] = False


@inlined
def _lay_out(records: Records, student: int, days: _Days) -> int:
    """Lay the records out on the student's days; of how many days something is told."""
    told, is_sorted = 0, True
    for place in range(records.begins[student], records.begins[student + 1]):
        number, weight = records.number[place], records.weight[place]
        if number > 0 and weight != NOTHING and days.weight[number] == NOTHING and not days.is_late[number]:
            is_sorted = is_sorted and (told == 0 or days.told[told - 1] < number)
            days.told[told] = number
            told += 1
        if weight == TARDY:
            days.is_late[number] = True
        elif weight > days.weight[number]:
            days.weight[number], days.date[number] = weight, records.date[place]
    if not is_sorted:
        days.told[:told].sort()
    away = records.away
    for place in range(away.begins[student], away.begins[student + 1]):
        days.is_away[away.first[place] : min(away.last[place], records.total[student]) + 1] = True
    return told


@inlined
def _add(absence: _Absence, student: int, found: Missed) -> None:
    """Add what is missed, or else nothing: a branch that cannot be foreseen takes longer."""
    parts, excused_parts, ago = absence.parts, absence.parts * absence.excused, absence.ago
    found.parts[student] += parts
    found.excused_parts[student] += excused_parts
    found.month_parts[absence.month, student] += parts
    for window, length in enumerate(LAST_DAYS):
        found.last_parts[window, student] += parts * (ago < length)
        found.last_excused_parts[window, student] += excused_parts * (ago < length)
    found.first_parts[student] += parts * (absence.number <= FIRST_DAYS)
    found.earlier_parts[student] += parts * (RECENT <= ago < EARLIER)
    found.suspended_parts[student] += parts * absence.is_away
    found.days_since[student] = ago
