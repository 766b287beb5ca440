"""Small readable builders of school data: a test says what matters to it, and nothing else.

    data = district(
        calendar=weekdays("2025-09-03", "2026-06-12", terms={"S1": "2026-01-30", "S2": "2026-06-12"}),
        enrollments=[enrollment("ann", grade="9"), enrollment("bob", exit="2025-11-14")],
        attendance=[absence("ann", "2025-09-05"), tardy("ann", "2025-09-08")],
        incidents=[],
    )

A table that is not given is absent from the source; an empty list is a table without a row. Schools and students that
nobody describes are made from the enrollments; a calendar without schools is every school's calendar.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl

from cis_ews.schema.school_data import TABLES, SchoolData

Row = dict[str, Any]
Day = date | str
SCHOOL = "north"
YEAR = 2026


def day(value: Day) -> date:
    """A date from a date or its ISO text."""
    return date.fromisoformat(value) if isinstance(value, str) else value


def days_between(first: Day, last: Day) -> Iterator[date]:
    """Every date from the first to the last, both included."""
    for offset in range((day(last) - day(first)).days + 1):
        yield day(first) + timedelta(days=offset)


def weekdays(
    first: Day,
    last: Day,
    *,
    school: str | None = None,
    school_year: int = YEAR,
    terms: Mapping[str, Day] | None = None,
    holidays: Iterable[Day] = (),
) -> list[Row]:
    """Calendar rows: Monday to Friday is instructional but for the holidays; `terms` maps a term to its last day."""
    closed = {day(value) for value in holidays}
    return [
        {
            "school_id": school,
            "date": each,
            "is_instructional": each.weekday() < 5 and each not in closed,
            "school_year": school_year,
            "term": _term_of(each, terms or {}),
        }
        for each in days_between(first, last)
    ]


def _term_of(each: date, terms: Mapping[str, Day]) -> str | None:
    return next((term for term, last in terms.items() if each <= day(last)), None)


def instructional(dates: Iterable[Day], *, school: str | None = None, school_year: int = YEAR) -> list[Row]:
    """Calendar rows of exactly these instructional days."""
    return [
        {"school_id": school, "date": day(each), "is_instructional": True, "school_year": school_year, "term": None}
        for each in dates
    ]


def school(school_id: str = SCHOOL, *, district: str = "d1", level: str | None = None, name: str | None = None) -> Row:
    """A school."""
    return {"school_id": school_id, "district_id": district, "name": name, "level": level}


def student(student_id: str, *, first: str | None = None, last: str | None = None, born: Day | None = None) -> Row:
    """A student."""
    birth_date = None if born is None else day(born)
    return {"student_id": student_id, "first_name": first, "last_name": last, "birth_date": birth_date}


def enrollment(
    student_id: str,
    school_id: str = SCHOOL,
    entry: Day = "2025-09-03",
    *,
    exit: Day | None = None,  # noqa: A002  the word of the contract
    grade: str | None = "5",
    school_year: int = YEAR,
    exit_type: str | None = None,
) -> Row:
    """An enrollment; open unless it has an exit, the last day enrolled."""
    return {
        "student_id": student_id,
        "school_id": school_id,
        "entry_date": day(entry),
        "school_year": school_year,
        "grade_level": grade,
        "exit_date": None if exit is None else day(exit),
        "exit_type": exit_type,
    }


def absence(
    student_id: str, on: Day, school_id: str = SCHOOL, *, fraction: float = 1.0, status: str = "unexcused"
) -> Row:
    """A day missed, wholly or in part."""
    return {
        "student_id": student_id,
        "school_id": school_id,
        "date": day(on),
        "status": status,
        "fraction_absent": fraction,
    }


def excused(student_id: str, on: Day, school_id: str = SCHOOL, *, fraction: float = 1.0) -> Row:
    """An excused absence."""
    return absence(student_id, on, school_id, fraction=fraction, status="excused")


def tardy(student_id: str, on: Day, school_id: str = SCHOOL, *, fraction: float = 0.0) -> Row:
    """A late arrival, which is no absence."""
    return absence(student_id, on, school_id, fraction=fraction, status="tardy")


def incident(
    student_id: str,
    on: Day,
    school_id: str = SCHOOL,
    *,
    incident_id: str | None = None,
    severity: str = "minor",
    behavior: str | None = None,
) -> Row:
    """A behavior incident; its id is made from the student and the day where none is given."""
    return {
        "incident_id": incident_id or f"{student_id}-{day(on)}",
        "student_id": student_id,
        "school_id": school_id,
        "date": day(on),
        "severity": severity,
        "behavior": behavior,
    }


def action(
    student_id: str,
    start: Day,
    *,
    incident_id: str | None = None,
    kind: str = "short_term_suspension",
    days: float | None = 1,
) -> Row:
    """A disciplinary action, by default for the student's incident of the same day; `days` None: not known."""
    return {
        "incident_id": incident_id or f"{student_id}-{day(start)}",
        "student_id": student_id,
        "action": kind,
        "start_date": day(start),
        "days": None if days is None else float(days),
    }


def grade(
    student_id: str,
    course: str,
    term: str,
    *,
    school_id: str = SCHOOL,
    school_year: int = YEAR,
    subject: str = "other",
    core: bool | None = None,
    mark: str | None = None,
    percent: float | None = None,
    points: float | None = None,
    credits: tuple[float | None, float | None] = (None, None),  # noqa: A002  the word of the contract
    graded_on: Day | None = None,
    final: bool = True,
    assignments: tuple[int | None, int | None] = (None, None),
) -> Row:
    """A mark; `credits` are attempted and earned; a subject other than "other" is core unless `core` says otherwise.

    `assignments`: all of them, and those that are missing or late.
    """
    return {
        "student_id": student_id,
        "school_id": school_id,
        "course_id": course,
        "school_year": school_year,
        "term": term,
        "subject": subject,
        "is_core": subject != "other" if core is None else core,
        "mark": mark,
        "percent": percent,
        "grade_points": points,
        "credits_attempted": credits[0],
        "credits_earned": credits[1],
        "graded_on": None if graded_on is None else day(graded_on),
        "is_final": final,
        "assignments": assignments[0],
        "assignments_missing_or_late": assignments[1],
    }


def reported(through: Day, school_id: str = SCHOOL) -> Row:
    """The last day whose absences a school has entered."""
    return {"school_id": school_id, "reported_through": day(through)}


def student_year(student_id: str, school_year: int = YEAR - 1, **known: float | None) -> Row:
    """The summary of an earlier school year; what is not given is not known."""
    columns = [name for name in TABLES["student_years"].columns() if name not in ("student_id", "school_year")]
    return {"student_id": student_id, "school_year": school_year, **dict.fromkeys(columns), **known}


def frame(table: str, rows: Sequence[Row]) -> pl.DataFrame:
    """Rows of a table of the contract as a frame of the contract's types."""
    schema = {name: column.dtype for name, column in TABLES[table].columns().items()}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def frames(
    *,
    calendar: Sequence[Row],
    enrollments: Sequence[Row],
    schools: Sequence[Row] | None = None,
    students: Sequence[Row] | None = None,
    demographics: Sequence[Row] | None = None,
    attendance: Sequence[Row] | None = None,
    incidents: Sequence[Row] | None = None,
    actions: Sequence[Row] | None = None,
    grades: Sequence[Row] | None = None,
    reporting: Sequence[Row] | None = None,
    supports: Sequence[Row] | None = None,
    student_years: Sequence[Row] | None = None,
) -> dict[str, pl.DataFrame]:
    """The tables of a small district, by their names in the contract; tables that are not given are left out."""
    described = schools or [school(each) for each in _named(enrollments, "school_id")]
    rows: dict[str, Sequence[Row] | None] = {
        "schools": described,
        "calendar_days": _for_each_school(calendar, [each["school_id"] for each in described]),
        "students": students or [student(each) for each in _named(enrollments, "student_id")],
        "demographics": demographics,
        "enrollments": enrollments,
        "attendance_events": attendance,
        "incidents": incidents,
        "discipline_actions": actions,
        "course_grades": grades,
        "reporting": reporting,
        "supports": supports,
        "student_years": student_years,
    }
    return {table: frame(table, given) for table, given in rows.items() if given is not None}


def district(**tables: Sequence[Row]) -> SchoolData:
    """School data of a small district, checked against the contract; a rejected row is a mistake of the test."""
    data = SchoolData.from_frames(frames(**tables), tolerance=1.0)
    if data.rejections.height:
        raise ValueError(f"the builder made rows that break the contract:\n{data.rejections}")
    return data


def _named(rows: Iterable[Row], column: str) -> list[str]:
    return sorted({row[column] for row in rows})


def _for_each_school(calendar: Sequence[Row], schools: Sequence[str]) -> list[Row]:
    return [
        {**row, "school_id": each} for row in calendar for each in ([row["school_id"]] if row["school_id"] else schools)
    ]
