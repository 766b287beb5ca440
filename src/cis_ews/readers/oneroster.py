"""OneRoster 1.1 and 1.2 CSV: rosters and gradebook, in a folder or a zip, bulk and delta (docs/oneroster.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from cis_ews.errors import SchemaError
from cis_ews.readers.base import ReadOptions
from cis_ews.readers.cells import dates
from cis_ews.readers.draft import Draft, drafted
from cis_ews.readers.ledger import Ledger
from cis_ews.readers.oneroster_config import OneRosterConfig
from cis_ews.readers.oneroster_grades import course_grades_of, line_items_of
from cis_ews.readers.oneroster_package import RESULTS, no_rows, read_packages
from cis_ews.readers.oneroster_roster import (
    demographics_of,
    enrollments_of,
    people_of,
    schools_of,
    with_grade_of_now,
    without_classes,
)
from cis_ews.readers.oneroster_sessions import derived_calendar, sessions_of, terms_of_classes
from cis_ews.readers.oneroster_tables import USED
from cis_ews.wording import counted

GRADES = "course_grades"
SILENT = "OneRoster has no attendance and no discipline: a second source must tell of them"


def read_oneroster(path: Path, options: ReadOptions, config: OneRosterConfig | None = None) -> Draft:
    """The tables of a OneRoster package, or from a bulk package and its deltas side by side.

    Raises ReadError where a file is missing, damaged or unsafe, and SchemaError where a header is no OneRoster.
    """
    ledger, arranged = Ledger(), Ledger()
    ledger.note(SILENT)
    rosters, results = read_packages(
        path, options, ledger, meanwhile=lambda tables: _Rosters.of(tables, config or OneRosterConfig(), arranged)
    )
    with options.progress.step("arrange"):
        frames = rosters.with_grades(results, options.as_of)
    ledger.take(arranged)
    unused = "the package has no results" if results is None else "no result of the package can be used"
    left_out = {} if frames[GRADES].height else {GRADES: f"{GRADES}: {unused}"}
    return drafted(frames, ledger, left_out=left_out)


@dataclass(frozen=True, slots=True)
class _Rosters:
    """The tables of a package but the grades, and what is needed to make those of the results."""

    frames: dict[str, pl.DataFrame]
    tables: dict[str, pl.DataFrame]
    people: pl.DataFrame
    items: pl.DataFrame
    config: OneRosterConfig
    ledger: Ledger

    @classmethod
    def of(cls, read: Mapping[str, pl.DataFrame], config: OneRosterConfig, ledger: Ledger) -> _Rosters:
        """Arrange the files of a package. `ledger`: that of all that becomes of them."""
        tables = {file: read[file] if file in read else no_rows(file) for file in USED}
        sessions = sessions_of(tables["academicSessions"], ledger)
        schools = schools_of(tables["orgs"], config.school_id, ledger)
        terms = terms_of_classes(tables["classes"], sessions)
        people = people_of(
            tables["users"], tables["roles"], tables["enrollments"], order=config.student_id, ledger=ledger
        )
        if people.is_empty():
            raise _no_students(tables["users"].height)
        spells = enrollments_of(
            tables["enrollments"], people=people, schools=schools, terms=terms, sessions=sessions, ledger=ledger
        )
        roles = dates(tables["roles"], "roles", ("beginDate",), table="students", ledger=ledger)
        others = without_classes(people, roles, spells, schools=schools, sessions=sessions)
        ledger.note(
            f"enrollments: {counted(others.height, 'student is', 'students are')} "
            "in no class; each is enrolled in the school of the role or "
            "user, from the first day of the latest school year on",
            others.height,
        )
        demographics = demographics_of(tables["demographics"], tables["users"], people, ledger=ledger)
        items = line_items_of(tables, schools=schools, terms=terms, sessions=sessions, ledger=ledger)
        used = _used_sessions(items, terms, schools)
        born = demographics.select("student_id", "birth_date").unique("student_id", keep="first", maintain_order=True)
        students = people.rename({"givenName": "first_name", "familyName": "last_name"}).join(
            born, on="student_id", how="left", maintain_order="left"
        )
        frames = {
            "schools": schools,
            "calendar_days": derived_calendar(schools, used, sessions, ledger=ledger),
            "students": students,
            "demographics": demographics,
            "enrollments": with_grade_of_now(pl.concat([spells, others]), ledger),
        }
        if demographics.is_empty():
            del frames["demographics"]
        return cls(frames, tables, people, items, config, ledger)

    def with_grades(self, results: pl.DataFrame | None, as_of: date | None) -> dict[str, pl.DataFrame]:
        """All tables."""
        tables = self.tables if results is None else {**self.tables, RESULTS: results}
        grades = course_grades_of(
            tables, self.items, people=self.people, config=self.config, ledger=self.ledger, as_of=as_of
        )
        return {**self.frames, GRADES: grades}


def _no_students(users: int) -> SchemaError:
    where = "role of users.csv (1.1), or roles.csv (1.2), and who is enrolled as what where neither says it"
    return SchemaError(
        f"users.csv: none of {counted(users, 'user')} is a student" if users else "users.csv: it has no user",
        hint=f"look at {where}; a student has the role student",
        table="students",
        rows=users,
    )


def _used_sessions(items: pl.DataFrame, terms: pl.DataFrame, schools: pl.DataFrame) -> pl.DataFrame:
    """`school_id`, `session`, `rank`: the sessions that the line items (0) and the classes (1) of a school name."""
    of_items = items.select("school_id", pl.col("academicSessionSourcedId").alias("session")).drop_nulls().unique()
    of_classes = terms.join(schools, on="school", how="inner").select("school_id", "session").unique()
    ranked = [
        frame.with_columns(pl.lit(rank, dtype=pl.Int32).alias("rank"))
        for rank, frame in enumerate((of_items, of_classes))
    ]
    return pl.concat(ranked)
