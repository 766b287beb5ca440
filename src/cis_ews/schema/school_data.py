"""School data: the twelve tables of the contract, with what was rejected and what the source covers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import dataframely as dy
import polars as pl

from cis_ews.schema.attendance import AttendanceEvents, Reporting
from cis_ews.schema.behavior import DisciplineActions, Incidents
from cis_ews.schema.coursework import CourseGrades
from cis_ews.schema.coverage import EVENT_DATES, Coverage, known_days, known_grades, known_years
from cis_ews.schema.roster import CalendarDays, Demographics, Enrollments, Schools, Students
from cis_ews.schema.scores import Rejections
from cis_ews.schema.student_years import StudentYears
from cis_ews.schema.supports import Supports

TABLES: Mapping[str, type[dy.Schema]] = {
    "schools": Schools,
    "calendar_days": CalendarDays,
    "students": Students,
    "demographics": Demographics,
    "enrollments": Enrollments,
    "attendance_events": AttendanceEvents,
    "incidents": Incidents,
    "discipline_actions": DisciplineActions,
    "course_grades": CourseGrades,
    "reporting": Reporting,
    "supports": Supports,
    "student_years": StudentYears,
}
REQUIRED_TABLES = ("schools", "calendar_days", "students", "enrollments")
DOMAIN_TABLES = {
    "attendance": ("attendance_events",),
    "behavior": ("incidents", "discipline_actions"),
    "coursework": ("course_grades",),
}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was read: its table, its name below the source folder, the SHA-256 of its bytes, its rows."""

    table: str
    name: str
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SchoolData:
    """One extract. A table that the source does not have is an empty frame, and `coverage` says so.

    An empty behavior table of a source that reports behavior means no incidents; of a source that does not, it means
    nothing is known: ask `coverage`, not the height of a frame. Every table is sorted by its key.

    `rows_read`: table -> rows in the source; they are the rows kept, the rows rejected (each counted once), and
    `rows_reduced`: rows that say nothing of their own (a day present, the second section row of one day). A table that
    was left out whole keeps none.
    """

    schools: dy.DataFrame[Schools]
    calendar_days: dy.DataFrame[CalendarDays]
    students: dy.DataFrame[Students]
    demographics: dy.DataFrame[Demographics]
    enrollments: dy.DataFrame[Enrollments]
    attendance_events: dy.DataFrame[AttendanceEvents]
    incidents: dy.DataFrame[Incidents]
    discipline_actions: dy.DataFrame[DisciplineActions]
    course_grades: dy.DataFrame[CourseGrades]
    reporting: dy.DataFrame[Reporting]
    supports: dy.DataFrame[Supports]
    student_years: dy.DataFrame[StudentYears]
    rejections: dy.DataFrame[Rejections]
    coverage: Coverage
    rows_read: Mapping[str, int] = field(default_factory=dict[str, int])
    rows_reduced: Mapping[str, int] = field(default_factory=dict[str, int])
    files: tuple[SourceFile, ...] = ()

    def table(self, name: str) -> pl.DataFrame:
        """One table by its name in the contract."""
        return getattr(self, name)

    def known_on(self) -> dict[str, pl.Series]:
        """Table -> the day from which each of its rows is known, in the table's order, null where nothing says it.

        Of tables that are known in advance there is none.
        """
        return {name: known_days(name, self.table(name), self.calendar_days) for name in EVENT_DATES}

    def dated(self, name: str) -> pl.DataFrame:
        """A table with the day from which each of its rows is known, in the column that `EVENT_DATES` names."""
        if name == "course_grades":
            return known_grades(self.course_grades, self.calendar_days)
        if name == "student_years":
            return known_years(self.student_years, self.calendar_days)
        return self.table(name)

    def rows_after(self, as_of: date) -> dict[str, int]:
        """Rows dated after a day, by table: a night as of that day ignores them."""
        later = {name: int((days > as_of).sum()) for name, days in self.known_on().items()}
        return {name: count for name, count in later.items() if count}

    @classmethod
    def from_frames(cls, frames: Mapping[str, pl.DataFrame], **options: Any) -> SchoolData:
        """School data from frames in memory, checked like an extract that was read from files."""
        from cis_ews.schema.validation import check_tables

        return check_tables(frames, **options)
