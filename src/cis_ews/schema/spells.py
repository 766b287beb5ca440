"""Enrollments in numbers: who was enrolled where on which day, asked of very many rows at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.compiling import array_of, begins_of, compiled, read_only
from cis_ews.texts import places_of, ranked

_FAR = 10**9
_Numbers = NDArray[np.int32]


class SpellNumbers(NamedTuple):
    """Enrollments by student, school and day of entry: those of student s are begins[s]:begins[s + 1].

    `school`: the number of their school. `entry`: days since 1970. `end`: the last day of this enrollment and of those
    of its student and school before it, far away where one has none. So a day lies in an enrollment where it is no
    later than the `end` of the last one that has begun.
    """

    begins: NDArray[np.int64]
    school: NDArray[np.int32]
    entry: NDArray[np.int32]
    end: NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spells:
    """Enrollments in numbers. `students`, `schools`: the ids that have the numbers."""

    students: pl.Series
    schools: pl.Series
    numbers: SpellNumbers

    @classmethod
    def of(cls, enrollments: pl.DataFrame) -> Spells:
        """Of checked rows, which stand by their key."""
        student, students = ranked(enrollments.get_column("student_id"))
        school, schools = ranked(enrollments.get_column("school_id"))
        entry, exit_date = enrollments.get_column("entry_date"), enrollments.get_column("exit_date")
        begins, end = begins_of(student, len(students)), exit_date.to_physical().fill_null(_FAR).to_numpy().copy()
        _reach(begins, read_only(school), end)
        numbers = SpellNumbers(begins, read_only(school), array_of(entry), read_only(end))
        return cls(students=students, schools=schools, numbers=numbers)

    def places(self, rows: pl.DataFrame) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The numbers of the student and of the school of rows, -1 where they have no enrollment at all."""
        student = places_of(rows.get_column("student_id"), self.students)
        return read_only(student), read_only(places_of(rows.get_column("school_id"), self.schools))

    def hold(self, rows: pl.DataFrame) -> NDArray[np.bool_]:
        """Whether the `date` of each row lies in an enrollment of its student in its school, its last day included."""
        held = np.zeros(rows.height, dtype=np.bool_)
        _hold(self.numbers, (*self.places(rows), array_of(rows.get_column("date"))), held)
        return held


def overlapping(enrollments: pl.DataFrame) -> NDArray[np.bool_]:
    """Whether an enrollment begins before an earlier one of its student, school and school year has ended.

    An enrollment that last year left open ends with its year. The rows are checked, and stand by their key.
    """
    found = np.zeros(enrollments.height, dtype=np.bool_)
    if enrollments.height:
        numbers = [ranked(enrollments.get_column(name))[0] for name in ("student_id", "school_id")]
        pairs = np.cumsum(np.any([np.diff(number, prepend=-1) for number in numbers], axis=0))
        years = enrollments.get_column("school_year").to_numpy()
        ends = enrollments.get_column("exit_date").to_physical().fill_null(_FAR)
        days = array_of(enrollments.get_column("entry_date")), array_of(ends)
        _overlap(pairs, (years - years.min(), *days), found)
    return found


@compiled
def _reach(begins: NDArray[np.int64], school: NDArray[np.int32], end: NDArray[np.int32]) -> None:
    for student in range(begins.size - 1):
        for spell in range(begins[student] + 1, begins[student + 1]):
            if school[spell] == school[spell - 1]:
                end[spell] = max(end[spell], end[spell - 1])


@compiled
def _hold(spells: SpellNumbers, rows: tuple[_Numbers, _Numbers, _Numbers], held: NDArray[np.bool_]) -> None:
    student, school, day = rows
    for row in range(student.size):
        if student[row] < 0:
            continue
        # The last one of the school that has begun by the day, or of a school before it.
        first, last = spells.begins[student[row]], spells.begins[student[row] + 1]
        begin = first
        while first < last:
            middle = (first + last) // 2
            place = spells.school[middle]
            if place < school[row] or (place == school[row] and spells.entry[middle] <= day[row]):
                first = middle + 1
            else:
                last = middle
        if first > begin:
            held[row] = spells.school[first - 1] == school[row] and day[row] <= spells.end[first - 1]


@compiled
def _overlap(
    pairs: NDArray[np.int64], spells: tuple[NDArray[np.int16], _Numbers, _Numbers], found: NDArray[np.bool_]
) -> None:
    year, entry, end = spells
    years = np.int64(year.max()) + 1
    latest, whose = np.zeros(years, dtype=np.int32), np.full(years, -1, dtype=np.int64)
    for spell in range(pairs.size):
        at = year[spell]
        if whose[at] == pairs[spell]:
            found[spell] = entry[spell] <= latest[at]
            latest[at] = max(latest[at], end[spell])
        else:
            whose[at], latest[at] = pairs[spell], end[spell]
