"""Attendance rows that are plainly right, told from those that have to be looked at one by one.

A source that records presence has nearly two hundred million rows in a state, nine in ten of which say only that a
student was there. A row is plainly right where its student was enrolled in its school on its day, the day is a school
day, its status and fraction agree, and no other row is of the same student, school and day. All rules of the contract
hold of such a row; whatever is not plainly right goes the ordinary way, in which each rule is asked by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any, NamedTuple, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.calendars import InstructionalDays, all_instructional_days, day_number
from cis_ews.compiling import array_of, compiled, read_only
from cis_ews.enums import AttendanceStatus
from cis_ews.schema.coverage import DatedRows, day_counts
from cis_ews.schema.rows import sorted_by
from cis_ews.schema.spells import SpellNumbers, Spells
from cis_ews.texts import codes_of

PAIR = ("student_id", "school_id")
STATUSES = tuple(status.value for status in AttendanceStatus)
_KEY = (*PAIR, "date")
_COLUMNS = (*_KEY, "status", "fraction_absent")
_PRESENT, _TARDY, _UNKNOWN = STATUSES.index("present"), STATUSES.index("tardy"), 255
_DOUBTFUL, _PRESENCE, _EXCEPTION = 0, 1, 2
_FAR = 10**9
_TAIL = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """What became of attendance rows: `exceptions`, sorted by their key, and the number of days `present` that are
    plainly right, and the `doubtful` rows as they came. `rows`, `last`: of those that are plainly right, the extent
    and, by school_id, the last day."""

    exceptions: pl.DataFrame
    doubtful: pl.DataFrame
    present: int
    rows: DatedRows
    last: Mapping[str, date]


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """Who was enrolled where, and which days were school days, in numbers. `bases`: of each school, in `taught`."""

    spells: Spells
    taught: InstructionalDays
    bases: NDArray[np.int32]

    @classmethod
    def of(cls, enrollments: pl.DataFrame, calendar_days: pl.DataFrame) -> Enrolled:
        """From checked tables, which stand by their keys."""
        spells, taught = Spells.of(enrollments), all_instructional_days(calendar_days)
        return cls(spells=spells, taught=taught, bases=read_only(taught.bases(spells.schools)))


def sort_out(batches: Iterable[pl.DataFrame], enrolled: Enrolled) -> Sorted | None:
    """Sort the rows of batches, each with the columns of `attendance_events` and any others.

    None where the rows of a student do not lie together, so that rows of one day cannot be found by looking at
    neighbours: then all rows have to go the ordinary way. Columns must be typed as Parquet has them.
    """
    seen, parts = _Seen.of(enrolled), list[_Batch]()
    for number, batch in enumerate(_whole_runs(batches), start=1):
        part = _sorted_batch(batch, enrolled, seen._replace(batch=number))
        if part is None:
            return None
        parts.append(part)
    if not parts:
        return None
    exceptions = pl.concat([part.exceptions for part in parts], rechunk=True)
    if not _ascend([part.exceptions.get_column("student_id") for part in parts]):
        exceptions = sorted_by(exceptions, _KEY)
    present = sum(part.present for part in parts)
    by_day = day_counts(day_number(enrolled.taught.first), seen.by_day)
    school_days = zip(enrolled.spells.schools, pl.Series(seen.last).cast(pl.Date), seen.last.tolist(), strict=True)
    return Sorted(
        exceptions=exceptions,
        doubtful=pl.concat([part.doubtful for part in parts], how="vertical_relaxed"),
        present=present,
        rows=DatedRows(rows=exceptions.height + present, days=by_day),
        last={school: day for school, day, number in school_days if number},
    )


def can_be_sorted(columns: Any) -> bool:
    """Whether a source's columns (name -> type) are of the types that this module reads."""
    return (
        all(columns.get(name) == pl.String for name in PAIR)
        and isinstance(columns.get("status"), pl.String | pl.Categorical | pl.Enum)
        and columns.get("date") == pl.Date
        and columns.get("fraction_absent") in (pl.Float32, pl.Float64)
    )


def _whole_runs(batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same rows, cut between students: the last student of a batch waits for the rest of their rows."""
    waiting: list[pl.DataFrame] = []
    for batch in (batch for batch in batches if batch.height):
        ids = batch.get_column("student_id")
        is_continued = bool(waiting) and waiting[-1].item(-1, "student_id") == ids[0]
        rest = _run_length(ids, place=0) if is_continued else 0
        last = batch.height - _run_length(ids, place=-1)
        if rest == batch.height:
            waiting.append(batch)
            continue
        if waiting:
            yield pl.concat([*waiting, batch.head(rest)], how="vertical_relaxed", rechunk=True)
            waiting = []
        if last > rest:
            yield batch.slice(rest, last - rest)
        waiting = [batch.slice(last)]
    if waiting:
        yield pl.concat(waiting, how="vertical_relaxed", rechunk=True)


def _run_length(ids: pl.Series, *, place: int) -> int:
    """How many rows in front (place 0), or at the end (-1), are of the same student."""
    size = _TAIL
    while True:
        runs = (ids.tail(size) if place else ids.head(size)).rle()
        if len(runs) > 1 or size >= len(ids):
            return int(runs[place]["len"])
        size *= 8


def _ascend(ids: Sequence[pl.Series]) -> bool:
    """Whether the students of each batch stand after those of the batch before it."""
    ends = [(some.first(), some.last()) for some in ids if len(some)]
    return all(cast("str", last) < cast("str", first) for (_, last), (first, _) in pairwise(ends))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    exceptions: pl.DataFrame
    doubtful: pl.DataFrame
    present: int


def _sorted_batch(rows: pl.DataFrame, enrolled: Enrolled, seen: _Seen) -> _Batch | None:
    """None where a batch before had rows of a student of this one."""
    taught, spells = enrolled.taught, enrolled.spells.numbers
    student, school = enrolled.spells.places(rows)
    given = _Rows(
        student,
        school,
        array_of(rows.get_column("date").to_physical().fill_null(-_FAR)),
        read_only(_statuses(rows.get_column("status"))),
        array_of(rows.get_column("fraction_absent").cast(pl.Float64).fill_null(-1.0)),
    )
    known = _Known(spells, enrolled.bases, taught.is_day, day_number(taught.first), day_number(taught.last))
    said = _Verdicts(np.zeros(rows.height, dtype=np.uint8), np.empty(rows.height, dtype=np.uint32))
    exceptions, present = _judge(given, known, (_by_pair(given, spells), said, seen))
    if exceptions < 0:
        return None
    order, told = said.order[:exceptions], rows.select(_COLUMNS)
    # Of a source that has exceptions alone, all rows are, and most often in order.
    is_in_order = exceptions == rows.height and bool((order == np.arange(exceptions)).all())
    status = pl.Series("status", STATUSES, dtype=pl.Enum(STATUSES)).gather(given.status[order])
    return _Batch(
        exceptions=(told if is_in_order else told[order]).with_columns(status),
        doubtful=rows.filter(pl.Series(said.rows == _DOUBTFUL)),
        present=present,
    )


def _statuses(column: pl.Series) -> NDArray[np.uint8]:
    """The place of each status among `STATUSES`, `_UNKNOWN` where it is none of them."""
    codes, different = codes_of(column.cast(pl.String))
    known = different.cast(pl.Enum(STATUSES), strict=False).to_physical().cast(pl.UInt8).fill_null(_UNKNOWN)
    return np.append(known.to_numpy(), np.uint8(_UNKNOWN))[codes]  # null has the code -1


class _Rows(NamedTuple):
    """Rows: the numbers of their student and school, -1 where unknown, and what they say."""

    student: NDArray[np.int32]
    school: NDArray[np.int32]
    day: NDArray[np.int32]
    status: NDArray[np.uint8]
    fraction: NDArray[np.float64]


class _Known(NamedTuple):
    """What `Enrolled` knows; school days lie after `first` and until `last`."""

    spells: SpellNumbers
    bases: NDArray[np.int32]
    is_day: NDArray[np.bool_]
    first: int
    last: int


class _Pairs(NamedTuple):
    """The rows of each student in each school, as they come: at their first enrollment there, by its place, stand those
    that `begins` says of `rows`, up to the next one's; none at other enrollments."""

    begins: NDArray[np.int64]
    rows: NDArray[np.uint32]


class _Verdicts(NamedTuple):
    """A verdict a row; and the rows that are exceptions, in the order of their key."""

    rows: NDArray[np.uint8]
    order: NDArray[np.uint32]


class _Seen(NamedTuple):
    """What batches had: the batch of each student, 0 where none; of plainly right rows, the last day of each school,
    and how many are of each day of the calendar, from its first on. `batch`: the number of the one at hand, from 1."""

    batches: NDArray[np.int32]
    last: NDArray[np.int32]
    by_day: NDArray[np.int64]
    batch: int

    @classmethod
    def of(cls, enrolled: Enrolled) -> _Seen:
        """Before the first batch."""
        students, schools = len(enrolled.spells.students), len(enrolled.spells.schools)
        by_day = np.zeros((enrolled.taught.last - enrolled.taught.first).days + 1, dtype=np.int64)
        return cls(np.zeros(students, dtype=np.int32), np.zeros(schools, dtype=np.int32), by_day, 0)


@compiled
def _by_pair(rows: _Rows, spells: SpellNumbers) -> _Pairs:
    size, spell = rows.student.size, -1
    place, begins = np.empty(size, dtype=np.int32), np.zeros(spells.school.size + 1, dtype=np.int64)
    for row in range(size):
        student, school = rows.student[row], rows.school[row]
        if row == 0 or rows.student[row - 1] != student or rows.school[row - 1] != school:
            spell = _first_spell(spells, student, school)
        place[row] = spell
        if spell >= 0:
            begins[spell + 1] += 1
    begins = np.cumsum(begins)
    at, found = begins.copy(), np.empty(begins[-1], dtype=np.uint32)
    for row in range(size):
        if place[row] >= 0:
            found[at[place[row]]] = row
            at[place[row]] += 1
    return _Pairs(begins, found)


@compiled
def _first_spell(spells: SpellNumbers, student: int, school: int) -> int:
    """The first enrollment of a student in a school, -1 where there is none."""
    if student < 0:
        return -1
    first, last = spells.begins[student], spells.begins[student + 1]
    stop = last
    while first < last:
        middle = (first + last) // 2
        if spells.school[middle] < school:
            first = middle + 1
        else:
            last = middle
    return first if first < stop and spells.school[first] == school else -1


@compiled
def _judge(rows: _Rows, known: _Known, given: tuple[_Pairs, _Verdicts, _Seen]) -> tuple[int, int]:
    """How many rows are exceptions, -1 where a batch before had a student of this one; how many tell of presence."""
    pairs, verdicts, seen = given
    exceptions, present = 0, 0
    for student in range(known.spells.begins.size - 1):
        for spell in range(known.spells.begins[student], known.spells.begins[student + 1]):
            own = pairs.rows[pairs.begins[spell] : pairs.begins[spell + 1]]
            if own.size == 0:
                continue
            if seen.batches[student] not in (0, seen.batch):
                return -1, 0
            seen.batches[student] = seen.batch
            _judge_pair(rows, known, (spell, own, verdicts.rows))
            for row in own:
                if verdicts.rows[row] == _DOUBTFUL:
                    continue
                if verdicts.rows[row] == _PRESENCE:
                    present += 1
                else:
                    verdicts.order[exceptions] = row
                    exceptions += 1
                school, day = rows.school[row], rows.day[row]
                seen.last[school] = max(seen.last[school], day)
                seen.by_day[day - known.first] += 1
    return exceptions, present


@compiled
def _judge_pair(rows: _Rows, known: _Known, given: tuple[int, NDArray[np.uint32], NDArray[np.uint8]]) -> None:
    """Judge the rows of one student in one school, none of which is plainly right where their days do not rise."""
    spell, own, verdicts = given
    for at in range(1, own.size):
        if rows.day[own[at]] < rows.day[own[at - 1]]:
            return
    spells, school = known.spells, rows.school[own[0]]
    high = spells.begins[rows.student[own[0]] + 1]
    for at in range(own.size):
        row = own[at]
        today, part, kind = rows.day[row], rows.fraction[row], rows.status[row]
        while spell + 1 < high and spells.school[spell + 1] == school and spells.entry[spell + 1] <= today:
            spell += 1
        if today <= known.first or today > known.last or today < spells.entry[spell] or today > spells.end[spell]:
            continue
        if (at > 0 and rows.day[own[at - 1]] == today) or (at + 1 < own.size and rows.day[own[at + 1]] == today):
            continue
        agrees = part == 0.0 if kind == _PRESENT else part > 0.0 or kind == _TARDY
        if kind != _UNKNOWN and 0.0 <= part <= 1.0 and agrees and known.is_day[known.bases[school] + today]:
            verdicts[row] = _PRESENCE if kind == _PRESENT else _EXCEPTION
